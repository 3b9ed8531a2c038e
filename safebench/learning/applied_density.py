"""The density of the applied action, where the safeguard is one-to-one.

With a_s = g(s, a), a drawn from a density pi: log pi_s(a_s) = log pi(a) - log |det da_s/da|. A safeguard that
puts many proposals on one action, as a projection does, has no such density: its actions have atoms.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.env.environment import Env, Place


class NoDensity(ValueError):
    """The applied actions of a safeguard have no density."""


def require_density(env: Env) -> None:
    """Applied actions have a density.

    Raises:
        NoDensity: if the safeguard is not one-to-one.
    """
    if not env.one_to_one:
        raise NoDensity("density 'applied' needs a safeguard that is one-to-one")


def log_determinant(env: Env, place: Place, action: Float[Array, " m"]) -> Float[Array, ""]:
    """log |det da_s/da| of the safeguard at a place: its mean is what the safeguard adds to the entropy.

    0 where the safeguard's last resort, which is constant, was used; `Outcome.safety` counts that.
    """
    jacobian = jax.jacfwd(lambda a: env.applied(place, a).action)(action.astype(place.x.dtype))
    sound = jnp.abs(jax.lax.stop_gradient(jnp.linalg.det(jacobian))) > jnp.finfo(jacobian.dtype).tiny
    regular = jnp.where(sound, jacobian, jnp.eye(len(action), dtype=jacobian.dtype))
    return jnp.linalg.slogdet(regular)[1]
