"""Discs in the plane: how far points and boxes are from them, and how a body sees them.

A disc of radius below zero is not there: everything has a fixed number of discs, so that scenes of few and
of many obstacles are one program. Gradients are finite everywhere, at centres and at corners too.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

from safebench.env.derivatives import largest, safe_norm, smallest
from safebench.env.picture import Discs

ROUNDING = 32.0
"""Machine epsilons of the largest coordinate: more than distances, free boxes and safe sets lose."""


def rounding(discs: Discs, lower: Float[Array, " 2"], upper: Float[Array, " 2"]) -> Scalar:
    """What the distance from a box to a disc may lose by rounding, in metres.

    32 eps of the largest coordinate in sight: about 2e-5 m in float32 and 5e-14 m in float64 at 5 m. It
    covers as well that a state which satisfies the rows of its safe set in rounded arithmetic may lie outside
    of its free box by some last bits.
    """
    size = largest(jnp.abs(discs.centre).ravel()) + largest(jnp.maximum(discs.radius, 0.0))
    size = jnp.maximum(size, jnp.maximum(largest(jnp.abs(lower)), largest(jnp.abs(upper))))
    return ROUNDING * jnp.finfo(size.dtype).eps * size


def distances(discs: Discs, point: Float[Array, " 2"]) -> Float[Array, " discs"]:
    """From a point to the rim of each disc, in metres: negative inside, +inf where no disc is."""
    away = jax.vmap(safe_norm)(point - discs.centre)
    return jnp.where(discs.radius < 0, jnp.inf, away - discs.radius)


def clearance(discs: Discs, point: Float[Array, " 2"]) -> Scalar:
    """The least of `distances`."""
    return smallest(distances(discs, point))


def box_clearance(discs: Discs, lower: Float[Array, " 2"], upper: Float[Array, " 2"]) -> Scalar:
    """How far a box stays clear of all discs, in metres: no more than it truly does, whatever is rounded.

    Negative where it overlaps a disc, or nearly touches one; +inf without discs.
    """
    outside = jnp.maximum(jnp.maximum(lower - discs.centre, discs.centre - upper), 0.0)
    away = jnp.where(discs.radius < 0, jnp.inf, jax.vmap(safe_norm)(outside) - discs.radius)
    return smallest(away) - rounding(discs, lower, upper)


def penetration(discs: Discs, point: Float[Array, " 2"]) -> Float[Array, " discs"]:
    """How deep a point lies in each disc, in radii: 1 at its centre, 0 on its rim, negative outside.

    -1 for a disc that is not there.
    """
    there = discs.radius > 0
    away = jax.vmap(safe_norm)(point - discs.centre)
    return jnp.where(there, 1.0 - away / jnp.where(there, discs.radius, 1.0), -1.0)


def by_distance(
    discs: Discs, point: Float[Array, " 2"]
) -> tuple[Float[Array, "discs 2"], Float[Array, " discs"]]:
    """The discs as a body at `point` sees them, nearest first: their centres relative to it, and their radii.

    The gradient passes to the relative centres, not through the order; those that are not there come last.
    """
    order = jnp.argsort(distances(*jax.lax.stop_gradient((discs, point))))
    # Products with a permutation, not lookups: under `vmap` a lookup has a slow derivative, a scatter.
    chosen = jax.nn.one_hot(order, len(order), dtype=discs.centre.dtype)
    return chosen @ (discs.centre - point), chosen @ discs.radius
