"""Is compiled physics MuJoCo's? Its step beside those of MJX and of C MuJoCo, before a training that uses it.

A result with compiled physics is a standard one since it says how they compared where it was made.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from safebench.env.task import Task, magnitude
from safebench.physics import agreement
from safebench.physics.dynamics import mjx_step
from safebench.record.result import Equality
from safebench.runs import kept, programs
from safebench.runs.prepare import Prepared

Points = tuple[Float[np.ndarray, "k n"], Float[np.ndarray, "k m"]]
"""States, and the action at each."""
Step = Callable[[Array, Array, Array], Array]


def compared(prepared: Prepared) -> Equality | None:
    """How compiled physics and MJX compare with C MuJoCo, in float64; None where the physics is not compiled.

    Raises:
        ValueError: if one of them differs by more than what rounding is allowed, with the state.
    """
    task = prepared.task
    if task.dynamics.physics != "compiled":
        return None
    with jax.enable_x64(True):
        at = agreement.points(task.dynamics.model, task.extent, agreement.FEW)
        ours = _moved(prepared, task.dynamics.step, at, "compiled-step")
        theirs = _moved_by_mjx(_Model(task.dynamics.fingerprint, at[0].tobytes(), at[1].tobytes(), prepared))
    return Equality(len(ours), _largest(task, ours, "compiled physics"), _largest(task, theirs, "MJX"))


@dataclass(frozen=True)
class _Model:
    """What MJX's steps depend on, and the cell that has it."""

    fingerprint: str
    states: bytes
    actions: bytes
    prepared: Prepared = field(compare=False)


@lru_cache(maxsize=64)
def _moved_by_mjx(of: _Model) -> Float[np.ndarray, "k n"]:
    """Once in a process: MJX's operations take seconds to trace."""
    task = of.prepared.task
    model = task.dynamics.model
    assert model is not None
    undisturbed = np.zeros((model.nv, len(task.disturbance.lower)))
    step = mjx_step(model, undisturbed, task.dynamics.commanded)
    return _moved(of.prepared, step, agreement.points(model, task.extent, agreement.FEW), "mjx-step")


def _moved(prepared: Prepared, step: Step, at: Points, name: str) -> Float[np.ndarray, "k n"]:
    """The next states, undisturbed."""
    task = prepared.task
    disturbances = len(task.disturbance.lower)

    def steps(at: tuple[Float[Array, "k n"], Float[Array, "k m"]]) -> Float[Array, "k n"]:
        still = jnp.zeros(disturbances)
        return jax.lax.map(lambda xa: step(xa[0], xa[1], still), at)

    options = programs.options("start", task.dynamics)  # it runs once
    if prepared.built_in:
        made = programs.stored(steps, at, at[0], name, kept.of_physics(prepared), options)
    else:
        made = programs.traced(steps, at, options)
    return np.asarray(made.compile()(at))


def _largest(task: Task, steps: Float[np.ndarray, "k n"], name: str) -> float:
    found = agreement.compare(
        task.dynamics.model,
        lambda x, a: steps,
        task.extent,
        magnitude(task),
        task.state_names,
        agreement.FEW,
        task.dynamics.commanded,
    )
    if found.differs:
        raise ValueError(f"{name} of {task.name!r} does not do what C MuJoCo does: {found.differs}")
    return found.largest
