"""Functions whose derivative is right where the textbook one is not a number, or half of one."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

TIED = 8.0
"""Machine epsilons within which values count as equal to the least."""


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


def near_least(v: Float[Array, "*shape"], axis: int = -1) -> Bool[Array, "*shape"]:
    """Which values are the least along an axis, but for rounding.

    Compilers may compute a value twice, with different roundings: none of `v == min(v)` is certain to hold.
    """
    least = jnp.min(v, axis=axis, keepdims=True)
    return v <= least + TIED * jnp.finfo(v.dtype).eps * jnp.abs(least)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def smallest(v: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "*rest"]:
    """The least value along an axis, with the mean derivative of those that attain it; +inf of none.

    jnp.min's derivative divides by how many values equal the least: 0 / 0 where it was computed twice.
    """
    return jnp.min(v, axis=axis, initial=jnp.inf)


@smallest.defjvp
def _smallest_jvp(axis, primals, tangents):
    (v,), (change,) = primals, tangents
    if v.shape[axis] == 0:
        least = smallest(v, axis)
        return least, jnp.zeros_like(least)
    near = near_least(v, axis)
    count = jnp.maximum(jnp.sum(near, axis=axis, dtype=v.dtype), 1)
    return smallest(v, axis), jnp.sum(jnp.where(near, change, 0.0), axis=axis) / count


def largest(v: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "*rest"]:
    """The largest value along an axis, as `smallest`; -inf of none."""
    return -smallest(-v, axis)
