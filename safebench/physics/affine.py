"""The exact affine model of one step at a state.

At a fixed state the next state is affine in action and disturbance with no error but rounding: safety rests
on that.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Affine(NamedTuple):
    """The exact one-step model at a state x: x+ = drift + control @ a + noise @ w."""

    drift: Float[Array, " n"]
    control: Float[Array, "n m"]
    noise: Float[Array, "n q"]


def predict(affine: Affine, action: Float[Array, " m"], w: Float[Array, " q"]) -> Float[Array, " n"]:
    """The next state for one action and one disturbance."""
    return affine.drift + affine.control @ action + affine.noise @ w


def linearise_by_differences(
    step: Callable[[Array, Array, Array], Array], actions: int, disturbances: int
) -> Callable[[Array], Affine]:
    """The affine model of a step that is exactly affine in (a, w): unit differences, no Jacobian needed."""
    inputs = np.vstack([np.zeros(actions + disturbances), np.eye(actions + disturbances)])

    def linearise(x: Float[Array, " n"]) -> Affine:
        probes = jnp.asarray(inputs, x.dtype)
        ends = jax.vmap(lambda u: step(x, u[:actions], u[actions:]))(probes)
        columns = (ends[1:] - ends[0]).T
        return Affine(ends[0], columns[:, :actions], columns[:, actions:])

    return linearise


def with_stored_jacobian(linearise: Callable[[Array], Affine]) -> Callable[[Array], Affine]:
    """The same one-step model, whose derivative is taken forwards: n directions, where the state is n long.

    Reverse mode then keeps the small Jacobian of each step instead of MJX's intermediate values, and MJX's
    transposed program is never compiled. Both derivative modes work.
    """

    @jax.custom_jvp
    def stored(x: Float[Array, " n"]) -> Affine:
        return linearise(x)

    @stored.defjvp
    def _derivative(primals, tangents):
        (x,), (along,) = primals, tangents
        affine, jacobian = jax.vmap(
            lambda direction: jax.jvp(linearise, (x,), (direction,)), out_axes=(None, -1)
        )(jnp.eye(x.shape[0], dtype=x.dtype))
        return affine, jax.tree.map(lambda part: part @ along, jacobian)

    return stored
