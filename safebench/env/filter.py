"""A safety filter for a control loop of one's own: the safeguard at a state, without an environment."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from safebench.env.corridor import FIXED, Corridor
from safebench.env.safeguard import Guarded, Safeguard
from safebench.env.task import Task, allowed


def safety_filter(task: Task, safeguard: Safeguard) -> Callable[..., Guarded]:
    """(x, a) -> what the safeguard makes of the proposed action a at the state x; compiled at its first call.

    With a certified safeguard and x in the task's safe set, the next state is in the set again for every
    disturbance in the task's box, provided that the plant is the task's dynamics. Both are taken in the
    precision that jax is set to. The function raises ValueError for another length than the task's. An action
    is in [-1, 1]; what MuJoCo takes for it is `task.dynamics.controls(x, action)`.

    Where the task's safe set moves, the function takes the corridor too, (x, a, corridor): that x lies in its
    set, and that its free boxes are clear, is the caller's to keep (`safebench.env.task.moved` does it).
    """

    def guarded(x: Float[Array, " n"], a: Float[Array, " m"], corridor: Corridor = FIXED) -> Guarded:
        if len(corridor.low) != task.safe_set.low_rates.shape[1]:
            raise ValueError(
                f"the corridor has {len(corridor.low)} entries, the safe set of {task.name!r} moves along "
                f"{task.safe_set.low_rates.shape[1]} coordinates"
            )
        x, a = _vector("state", x, task.state_names), _vector("action", a, task.action_names)
        return safeguard(a, allowed(task, x, task.dynamics.linearise(x), corridor))

    return jax.jit(guarded)


def _vector(what: str, values: ArrayLike | Sequence, names: Sequence[str]) -> Array:
    vector = jnp.asarray(values, float)
    if vector.shape != (len(names),):
        raise ValueError(f"the {what} has shape {vector.shape}, expected ({len(names)},): {', '.join(names)}")
    return vector
