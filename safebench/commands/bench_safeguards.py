"""How long a safeguard takes per action: forward, and forward with the derivative.

Times are medians over repeated calls of one compiled program after a warm-up call; compilation is not
counted. The derivative is that of a scalar with respect to the proposed action and the whole action set,
as training needs it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from safebench.env import task as tasks
from safebench.env.action_set import ActionSet
from safebench.env.adversary import somewhere
from safebench.env.corridor import FIXED, Corridor
from safebench.env.pieces import mapped
from safebench.env.safeguard import Safeguard
from safebench.env.task import Task

BATCHES = (8, 64, 512, 4096)

REFERENCE: dict[tuple[str, str], tuple[float, float]] = {
    ("pendulum", "boundary-projection"): (2200.0, 3500.0),
    ("pendulum", "ray-mask"): (2300.0, 4700.0),
    ("quadrotor", "boundary-projection"): (7500.0, 9200.0),
    ("quadrotor", "ray-mask"): (9700.0, 11800.0),
}
"""The paper's own layers, forward + backward, CPU us/action: lowest and highest measured."""

LEAST = (
    "The paper's: the lowest time that was measured of its layers alone. Its code, run as a whole on two "
    "shared cores, took 2 to 5 times as long per guarded action (7054 to 58527 us)."
)


FEWEST, ENOUGH_SECONDS = 5, 0.5
"""Calls are repeated at least so often, and no longer than that."""


Clock = Callable[[], float]
"""Seconds, since whenever: of the wall, or of all this process's threads (`time.process_time`)."""


class Timing(NamedTuple):
    """One row of the table; `faster` is the lowest reference time over ours, None without a reference."""

    task: str
    safeguard: str
    batch: int
    forward_us: float
    forward_backward_us: float
    faster: float | None


def action_sets(task: Task, count: int) -> ActionSet:
    """The safe actions at up to `count` states of a task's safe set (where it moves: of many), stacked."""

    def allowed(x: Array, corridor: Corridor) -> ActionSet:
        return tasks.allowed(task, x, task.dynamics.linearise(x), corridor)

    if task.corridors is None:
        return jax.jit(jax.vmap(lambda x: allowed(x, FIXED)))(jnp.asarray(task.starts[:count]))
    places = jax.jit(jax.vmap(lambda key: somewhere(task, key)))(jax.random.split(jax.random.key(0), count))
    return jax.jit(jax.vmap(allowed))(places.x, places.corridor)


def measure(
    task: str,
    action_sets: ActionSet,
    safeguards: Mapping[str, Safeguard],
    batches: Sequence[int] = BATCHES,
    repeats: int = 200,
    seed: int = 0,
    clock: Clock = time.perf_counter,
) -> list[Timing]:
    """Time every safeguard on a task's action sets, at every batch size.

    action_sets: allowed actions at states of the task, stacked along the first axis; repeated when a
        batch is larger. Proposals are uniform in the box.
    safeguards: by name; "boundary-projection" and "ray-mask" are compared with the reference.
    clock: gives seconds; wall time by default.

    Raises:
        ValueError: if there is no action set, or a batch or the number of repeats is below 1.
    """
    count = action_sets.centre.shape[0]
    if count == 0:
        raise ValueError("there is no action set to measure on")
    if repeats < 1 or any(batch < 1 for batch in batches):
        raise ValueError(f"batches and repeats must be at least 1, not {tuple(batches)} and {repeats}")
    rows = []
    for name, safeguard in safeguards.items():
        forward, both = programs(safeguard)
        for batch in batches:
            chosen = np.arange(batch) % count
            sets = jax.tree.map(lambda part, chosen=chosen: part[chosen], action_sets)
            rng = np.random.default_rng(seed)
            proposed = jnp.asarray(rng.uniform(-1, 1, sets.centre.shape), sets.normals.dtype)
            times = [median_seconds(run, (proposed, sets), repeats, clock) for run in (forward, both)]
            per_action = [1e6 * seconds / batch for seconds in times]
            reference = REFERENCE.get((task, name))
            faster = reference[0] / per_action[1] if reference else None
            rows.append(Timing(task, name, batch, per_action[0], per_action[1], faster))
    return rows


def programs(safeguard: Safeguard) -> tuple[Callable, Callable]:
    """The compiled batched safeguard, and the compiled derivative of a scalar of its outputs."""

    def scalar(proposed: Float[Array, "batch m"], sets: ActionSet) -> Float[Array, ""]:
        out = mapped(safeguard)(proposed, sets)
        return jnp.sum(out.action**2) + jnp.sum(out.distance)

    return jax.jit(mapped(safeguard)), jax.jit(jax.value_and_grad(scalar, argnums=(0, 1)))


def median_seconds(run: Callable, arguments: tuple, repeats: int, clock: Clock = time.perf_counter) -> float:
    """Median time of a call, after one that compiles and warms up; few repeats of long calls."""
    jax.block_until_ready(run(*arguments))
    times: list[float] = []
    while len(times) < repeats and (len(times) < FEWEST or sum(times) < ENOUGH_SECONDS):
        start = clock()
        jax.block_until_ready(run(*arguments))
        times.append(clock() - start)
    return float(np.median(times))
