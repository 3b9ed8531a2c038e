"""Distances to discs, by hand and against arithmetic of more digits; a body's view of them."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env.picture import Discs
from safebench.navigation.discs import box_clearance, by_distance, clearance, distances, penetration

TWO = Discs(jnp.array([[3.0, 4.0], [-1.0, 0.0], [9.0, 9.0]]), jnp.array([2.0, 0.5, -1.0]))
"""Two discs, and one that is not there."""


def test_distances_by_hand():
    np.testing.assert_allclose(distances(TWO, jnp.zeros(2)), [3.0, 0.5, np.inf])
    assert float(clearance(TWO, jnp.array([3.0, 3.0]))) == -1.0
    np.testing.assert_allclose(penetration(TWO, jnp.array([3.0, 3.0])), [0.5, -9.0, -1.0])
    np.testing.assert_allclose(penetration(TWO, TWO.centre[0]), [1.0, 1 - np.hypot(4, 4) / 0.5, -1.0])
    nothing = Discs(jnp.zeros((0, 2)), jnp.zeros(0))
    assert float(clearance(nothing, jnp.zeros(2))) == np.inf


def overlaps(disc_centre, radius, lower, upper) -> bool:
    """In fractions: no rounding."""
    centre, low, high = ([Fraction(float(value)) for value in pair] for pair in (disc_centre, lower, upper))
    away = [max(a - c, c - b, Fraction(0)) for a, b, c in zip(low, high, centre, strict=True)]
    return sum(part * part for part in away) < Fraction(float(radius)) ** 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_box_that_is_said_to_be_clear_is_clear(dtype):
    """Boxes that just touch a disc, to the last bits: half of them overlap it."""
    rng = np.random.default_rng(0)
    centre, radius = (
        rng.uniform(-5, 5, (400, 1, 2)).astype(dtype),
        rng.uniform(0.1, 2, (400, 1)).astype(dtype),
    )
    angle = rng.uniform(0, np.pi / 2, 400)
    corner = centre[:, 0] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    touching = corner * (1 + rng.normal(size=corner.shape) * np.finfo(dtype).eps)
    for factor in (1.0, 1.0 + 200 * np.finfo(dtype).eps):
        lower = (centre[:, 0] + factor * (touching - centre[:, 0])).astype(dtype)
        if factor > 1:  # away by more than the rounding that the clearance takes off
            lower = (lower + dtype(1e-4)).astype(dtype)
        upper = (lower + dtype(1)).astype(dtype)
        clear = jax.jit(jax.vmap(lambda c, r, a, b: box_clearance(Discs(c, r), a, b)))(
            centre, radius, lower, upper
        )
        assert clear.dtype == dtype
        truly = [overlaps(c[0], r[0], a, b) for c, r, a, b in zip(centre, radius, lower, upper, strict=True)]
        said = np.asarray(clear) >= 0
        assert not (said & truly).any()
        if factor == 1.0:
            assert 0.2 < np.mean(truly) < 0.8, "the boxes were meant to touch"
        else:
            assert said.all()


def test_the_nearest_disc_comes_first_and_the_absent_one_last():
    centres, radii = jax.jit(by_distance)(TWO, jnp.array([-3.0, 0.0]))
    np.testing.assert_allclose(radii, [0.5, 2.0, -1.0])
    np.testing.assert_allclose(centres, [[2.0, 0.0], [6.0, 4.0], [12.0, 9.0]])
    # By the rim, not by the centre.
    big = Discs(jnp.array([[4.0, 0.0], [0.0, 3.0]]), jnp.array([3.5, 0.5]))
    np.testing.assert_allclose(by_distance(big, jnp.zeros(2))[1], [3.5, 0.5])


@pytest.mark.parametrize("level", [0, 3])
def test_gradients_are_finite_at_centres_and_corners(level):
    """However far the compiler optimises: it may compute a distance twice, with two roundings."""

    def everything(point):
        centres, radii = by_distance(TWO, point)
        away = box_clearance(TWO, point - 1.0, point + 1.0)
        return centres, radii, penetration(TWO, point), away, clearance(TWO, point)

    options = {"xla_backend_optimization_level": level}
    slopes = jax.jit(jax.vmap(jax.jacrev(everything)), compiler_options=options)
    found = slopes(jnp.array([[3.0, 4.0], [-1.0, 0.0], [2.0, 3.0], [0.0, 0.0], [0.5, 1.5]]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    np.testing.assert_allclose(found[0][3], np.broadcast_to(-np.eye(2), (3, 2, 2)))  # the view moves along
