"""Places where safety is promised: states in a task's safe set, with their scenes and corridors."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from safebench.env import safe_set
from safebench.env.adversary import somewhere
from safebench.env.corridor import Start
from safebench.env.task import Task, with_others


class Places(NamedTuple):
    """start: states, contexts and corridors, stacked. offsets: of the rows of each one's S(corridor)."""

    start: Start
    offsets: np.ndarray


def places(task: Task, inward: float = 1e-9) -> Callable[..., Places]:
    """(count, seed=0) -> half anywhere in the safe set, half on its boundary but for `inward`, by turns."""
    safe = task.safe_set

    @jax.jit
    @jax.vmap
    def drawn(key):
        start = somewhere(task, key)
        return start, safe_set.offsets_of(safe, start.corridor, start.x.dtype)

    def places(count: int, seed: int = 0) -> Places:
        start, offsets = drawn(jax.random.split(jax.random.key(seed), count))
        x, offsets = np.asarray(start.x), np.asarray(offsets)
        rng = np.random.default_rng(seed)
        part = rng.normal(size=(count, len(task.constrained))) * task.constraints.radius
        direction = with_others(task, part)
        others = list(task.dynamics.unconstrained)
        x = x.copy()
        x[:, others] = rng.uniform(*(side[others] for side in task.extent), (count, len(others)))
        rates, slack = direction @ safe.normals.T, offsets - x @ safe.normals.T
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(rates > 0, slack / rates, np.inf).min(axis=1)
        edge = x + (1 - inward) * reach[:, None] * direction
        x = np.where((np.arange(count) % 2 == 0)[:, None], x, edge)
        return Places(start._replace(x=x), offsets)

    return places
