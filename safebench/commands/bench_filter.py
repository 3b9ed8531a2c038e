"""How long one call of the safety filter takes: one state, one proposed action, as a control loop makes it.

Every call has a state and an action of its own and ends when the answer is there. Compilation is not
counted.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from safebench.env.filter import safety_filter
from safebench.env.safeguard import Safeguard
from safebench.env.task import Task

CALLS = 2000
WARM_UP = 20
"""Calls before those that are counted; the first of them compiles."""


class Timing(NamedTuple):
    """Microseconds per call. arguments: what they are before it, "numpy" arrays or jax's on the "device"."""

    task: str
    safeguard: str
    arguments: str
    median_us: float
    percentile_95_us: float


def measure(
    task: Task, safeguards: Mapping[str, Safeguard], calls: int | None = None, seed: int = 0
) -> list[Timing]:
    """Time the filter with every safeguard, called with numpy arrays and with arrays on the device.

    States are drawn from the task's starts, actions uniformly from the box.
    calls: with each of the two; None for CALLS.

    Raises:
        ValueError: if the number of calls is below 1.
    """
    calls = CALLS if calls is None else calls
    if calls < 1:
        raise ValueError(f"the number of calls must be at least 1, not {calls}")
    rng = np.random.default_rng(seed)
    states = task.starts[rng.integers(len(task.starts), size=calls)]
    actions = rng.uniform(-1, 1, (calls, len(task.action_names))).astype(states.dtype)
    on_host = [(x.copy(), a.copy()) for x, a in zip(states, actions, strict=True)]
    on_device = jax.block_until_ready([tuple(map(jax.device_put, pair)) for pair in on_host])
    rows = []
    for name, safeguard in safeguards.items():
        run = safety_filter(task, safeguard)
        for arguments, pairs in (("numpy", on_host), ("device", on_device)):
            median, high = np.percentile(microseconds(run, pairs), [50, 95])
            rows.append(Timing(task.name, name, arguments, float(median), float(high)))
    return rows


def microseconds(run: Callable, arguments: Sequence[tuple]) -> list[float]:
    """Wall time of one call with each of the arguments, one after the other, after a warm-up."""
    for each in arguments[:WARM_UP]:
        jax.block_until_ready(run(*each))
    times = []
    for each in arguments:
        started = time.perf_counter_ns()
        jax.block_until_ready(run(*each))
        times.append(1e-3 * (time.perf_counter_ns() - started))
    return times
