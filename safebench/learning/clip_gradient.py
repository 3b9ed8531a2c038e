"""The identity with a bounded derivative: keeps one chaotic rollout from drowning the others."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def clip_gradient(x: Float[Array, " n"], limit: float) -> Float[Array, " n"]:
    """x itself; in reverse mode its cotangent is scaled down to the Euclidean norm `limit` if longer.

    An infinite limit changes nothing. A cotangent that is not finite stays so, and is counted downstream.
    """
    return x


def _forward(x, limit):
    return x, None


def _backward(limit, _, cotangent):
    if limit == float("inf"):
        return (cotangent,)
    norm = jnp.sqrt(jnp.sum(cotangent**2))
    return (cotangent * jnp.minimum(1.0, limit / jnp.maximum(norm, jnp.finfo(norm.dtype).tiny)),)


clip_gradient.defvjp(_forward, _backward)
