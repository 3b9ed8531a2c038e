"""The safeguard interface: one pure function from a proposed action and an action set to a safe action.

`guard` is the frame around every safeguard that promises safety: it screens the input, checks the
safeguard's own answer row by row, holds the last line, and decides which derivative leaves.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from safebench.env.action_set import ActionSet, contains, slacks, with_box
from safebench.env.derivatives import clip_to_box, safe_norm

Gradient = Literal["exact", "passthrough"]


class Guarded(NamedTuple):
    """What a safeguard returns.

    action: the action to apply, shape (m,).
    distance: |action - proposed| (Euclidean, in normalised actions).
    feasible: the action set was found non-empty (its certified centre satisfies every row).
    last_line: the safeguard's own answer broke a row and was shrunk to the certified centre.
    finite: the proposed action had no NaN or infinity (else the centre was applied).
    """

    action: Float[Array, " m"]
    distance: Float[Array, ""]
    feasible: Bool[Array, ""]
    last_line: Bool[Array, ""]
    finite: Bool[Array, ""]


Safeguard = Callable[[Float[Array, " m"], ActionSet], Guarded]
Solve = Callable[[Float[Array, " m"], ActionSet], Float[Array, " m"]]


def is_feasible(actions: ActionSet) -> Bool[Array, ""]:
    """Whether the certified centre satisfies every row (False also for NaN)."""
    return jnp.all(slacks(actions, actions.centre) >= 0)


def finite_centre(actions: ActionSet) -> Float[Array, " m"]:
    """The certified centre clipped to the box; zero if it holds a NaN or an infinity."""
    finite = jnp.all(jnp.isfinite(actions.centre))
    return clip_to_box(jnp.where(finite, actions.centre, 0.0))


def guard(
    proposed: Float[Array, " m"], actions: ActionSet, solve: Solve, gradient: Gradient = "exact"
) -> Guarded:
    """Apply `solve`, a map into the action set, and answer for the result.

    - A proposal with a NaN or infinity is replaced by the centre (finite = False).
    - A set whose centre breaks a row, or that holds a NaN, gives the centre clipped to the box
      (feasible = False); `solve` then sees the bare box, so nothing undefined enters a derivative.
    - If the answer of `solve` breaks a row in the working precision, it is shrunk along the ray to
      the centre until every row holds (last_line = True): an error of `solve` can cost return,
      never safety.
    - gradient "passthrough" replaces the action's derivative by the identity with respect to the
      proposal and by zero with respect to the set; the distance keeps its exact derivative.

    The result is finite, inside the box, and computed in the precision of the action set.
    """
    proposed = proposed.astype(actions.normals.dtype)
    finite = jnp.all(jnp.isfinite(proposed))
    feasible = is_feasible(actions)
    centre = finite_centre(actions)
    proposed = jnp.where(finite, proposed, centre)
    actions = _or_bare_box(actions, feasible, centre)

    answer = jax.lax.optimization_barrier(solve(proposed, actions))
    boxed = jax.lax.stop_gradient(jnp.clip(answer, -1.0, 1.0))
    in_box = jnp.all(jnp.abs(answer - boxed) <= 16 * jnp.finfo(answer.dtype).eps)
    # Twice the rounding that `solve` may have accepted a safe proposal with.
    last_line = ~(in_box & contains(actions, boxed, roundings=2.0))
    # A face of the box is met up to rounding: that correction must not cut the derivative.
    action = answer + (boxed - jax.lax.stop_gradient(answer))
    action = jnp.where(last_line, _shrink(last_line, boxed, actions), action)
    action = jnp.where(feasible, action, centre)
    distance = safe_norm(action - proposed)
    if gradient == "passthrough":
        # The difference is exactly zero: the value stays the checked one to the last bit.
        action = jax.lax.stop_gradient(action) + (proposed - jax.lax.stop_gradient(proposed))
    return Guarded(action, distance, feasible, last_line & feasible, finite)


def _or_bare_box(actions: ActionSet, feasible, centre) -> ActionSet:
    rows, m = actions.normals.shape
    bare = with_box(jnp.zeros((rows - 2 * m, m), centre.dtype), jnp.ones(rows - 2 * m, centre.dtype), centre)
    return ActionSet(
        jnp.where(feasible, actions.normals, bare.normals),
        jnp.where(feasible, actions.offsets, bare.offsets),
        centre,
        None if actions.barrier is None else jnp.where(feasible, actions.barrier, 0.0),
    )


def _shrink(broken: Bool[Array, ""], answer: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
    """The last line: from a broken answer inside the box towards the centre, until every row holds.

    Without a derivative. A loop of no or one pass, since a batch without a broken answer then skips it.
    """
    answer, actions = jax.lax.stop_gradient((answer, actions))
    centre = actions.centre

    def shrink(state):
        answer, _ = state  # not `answer` from outside: what a pass does not change is computed before it
        at_centre, room = slacks(actions, centre), slacks(actions, answer)
        # Aim inside the row, by the same share of the way for all: rounding must not break it again.
        missed = room < 0
        fractions = at_centre / jnp.where(missed, at_centre - room, 1.0)
        step = jnp.min(jnp.where(missed, fractions, 1.0)) * (1 - 64 * jnp.finfo(room.dtype).eps)
        shrunk = jnp.clip(centre + step * (answer - centre), -1.0, 1.0)
        holds = jnp.all(slacks(actions, shrunk) >= 0)  # False for NaN
        return jnp.where(holds, shrunk, centre), jnp.zeros_like(broken)

    return jax.lax.while_loop(lambda state: state[1], shrink, (answer, broken))[0]
