"""How long a call takes by two clocks: the wall's, and that of all this process's threads."""

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np


class Seconds(NamedTuple):
    """Of one call. cpu: of all threads of this process together."""

    wall: float
    cpu: float


FEWEST = 5
"""Calls are repeated at least so often, if that was asked for, even when they have taken long enough."""


def samples(run: Callable, arguments: tuple, repeats: int, enough: float = math.inf) -> list[Seconds]:
    """The times of `repeats` calls, after one that compiles and warms up; fewer of long calls.

    enough: seconds, after which there are no more.

    Raises:
        ValueError: if the number of repeats is below 1.
    """
    if repeats < 1:
        raise ValueError(f"the number of repeats must be at least 1, not {repeats}")
    jax.block_until_ready(run(*arguments))
    taken: list[Seconds] = []
    while len(taken) < repeats and (len(taken) < FEWEST or sum(each.wall for each in taken) < enough):
        taken.append(_time(run, arguments))
    return taken


def median(taken: Sequence[Seconds]) -> Seconds:
    """The median by either clock."""
    wall, cpu = np.median(np.array(taken), axis=0)
    return Seconds(float(wall), float(cpu))


def _time(run: Callable, arguments: tuple) -> Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    jax.block_until_ready(run(*arguments))
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)
