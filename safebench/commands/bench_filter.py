"""How long one call of the safety filter takes: one state, one proposed action, as a control loop makes it.

Every call has a state and an action of its own and ends when the answer is there. Compilation is not
counted.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from safebench.env.adversary import somewhere
from safebench.env.corridor import Corridor
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

    States are drawn from the task's starts (where the safe set moves: from anywhere, with their corridors),
    actions uniformly from the box.
    calls: with each of the two; None for CALLS.

    Raises:
        ValueError: if the number of calls is below 1.
    """
    calls = CALLS if calls is None else calls
    if calls < 1:
        raise ValueError(f"the number of calls must be at least 1, not {calls}")
    rng = np.random.default_rng(seed)
    places = _places(task, rng, calls)
    actions = rng.uniform(-1, 1, (calls, len(task.action_names))).astype(places[0][0].dtype)
    on_host = [
        jax.tree.map(np.copy, (x, a, *corridor)) for (x, *corridor), a in zip(places, actions, strict=True)
    ]
    on_device = jax.block_until_ready(jax.device_put(on_host))
    rows = []
    for name, safeguard in safeguards.items():
        run = safety_filter(task, safeguard)
        for arguments, pairs in (("numpy", on_host), ("device", on_device)):
            median, high = np.percentile(microseconds(run, pairs), [50, 95])
            rows.append(Timing(task.name, name, arguments, float(median), float(high)))
    return rows


def _places(task: Task, rng: np.random.Generator, count: int) -> list[tuple]:
    """A state (n,) each and, where the safe set moves, its corridor."""
    if task.corridors is None:
        return [(x,) for x in task.starts[rng.integers(len(task.starts), size=count)]]
    draw = jax.jit(jax.vmap(lambda key: somewhere(task, key)))
    found = jax.tree.map(np.asarray, draw(jax.random.split(jax.random.key(int(rng.integers(2**31))), count)))
    return [(x, Corridor(*sides)) for x, *sides in zip(found.x, *found.corridor, strict=True)]


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
