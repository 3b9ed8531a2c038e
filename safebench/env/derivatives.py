"""Functions whose derivative is right where the textbook one is not a number, or half of one."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def safe_norm(v: Float[Array, " m"]) -> Float[Array, ""]:
    """Euclidean norm with gradient zero at zero, without overflow or underflow."""
    largest = jnp.max(jnp.abs(v))
    scale = jnp.where(largest > 0, largest, 1.0)
    return scale * jnp.sqrt(jnp.sum((v / scale) ** 2))


@safe_norm.defjvp
def _safe_norm_jvp(primals, tangents):
    (v,), (change,) = primals, tangents
    norm = safe_norm(v)
    return norm, jnp.sum(v / jnp.where(norm > 0, norm, 1.0) * change)


def clip_to_box(action: Float[Array, " m"]) -> Float[Array, " m"]:
    """The action inside [-1, 1]^m; its derivative is 1 on the closed box (jnp.clip has 1/2 on its faces)."""
    return jnp.where(jnp.abs(action) <= 1.0, action, jax.lax.stop_gradient(jnp.sign(action)))
