"""Boxes that grow among discs: none ever overlaps one, in scenes drawn at random, in either precision."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env.picture import Discs
from safebench.navigation.discs import box_clearance
from safebench.navigation.free_box import ORDERS, Blocks, Span, grown, of_discs, push, ray

LIMIT = 5.0
DISCS = 6
SCENES = 20_000
MANY = 1_000_000


def drawn(count, seed, dtype=np.float64):
    """(points, centres, radii): up to six discs anywhere, overlapping or not, and a point in none of them."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-6, 6, (count, DISCS, 2)).astype(dtype)
    radius = np.where(rng.random((count, DISCS)) < 0.7, rng.uniform(0.05, 2.5, (count, DISCS)), -1.0)
    radius = radius.astype(dtype)
    point = rng.uniform(-LIMIT, LIMIT, (count, 2)).astype(dtype)
    clear = (away(centre, radius, point, point) > 1e-3).all(axis=1)
    return point[clear], centre[clear], radius[clear]


def away(centre, radius, lower, upper):
    """From boxes to the rims of discs, in the longest floats there are; +inf where no disc is."""
    centre, radius, lower, upper = (
        np.asarray(part, np.longdouble) for part in (centre, radius, lower, upper)
    )
    nearest = np.clip(centre, lower[..., None, :], upper[..., None, :])
    distance = np.sqrt(((centre - nearest) ** 2).sum(axis=-1))
    return np.where(radius < 0, np.inf, distance - radius)


@functools.cache
def finder(margin=True):
    """(points, centres, radii) -> boxes, eight a scene. margin: with what rounding may cost, as shipped."""

    def one(point, centre, radius):
        limits = Span(jnp.full(2, -LIMIT, point.dtype), jnp.full(2, LIMIT, point.dtype))
        blocks = of_discs(Discs(centre, radius), limits) if margin else Blocks(centre, centre, radius)
        boxes = grown(Span(point, point), blocks, limits)
        clear = jax.vmap(lambda box: box_clearance(Discs(centre, radius), *box))(boxes)
        return boxes, clear

    return jax.jit(jax.vmap(one))


def overlaps(boxes, centre, radius):
    """Whether each of the boxes truly overlaps a disc."""
    return (away(centre[:, None], radius[:, None], *map(np.asarray, boxes)) < 0).any(axis=-1)


def check(count, seed, dtype):
    point, centre, radius = drawn(count, seed, dtype)
    boxes, clear = finder()(point, centre, radius)
    assert boxes.lower.dtype == dtype
    assert not overlaps(boxes, centre, radius).any()
    # It is found free by the test that the environment makes, too: otherwise it would never be taken.
    assert (np.asarray(clear) >= 0).all()
    assert (np.abs(np.asarray(boxes)) <= LIMIT).all()
    assert (np.asarray(boxes.lower) <= point[:, None]).all()
    assert (np.asarray(boxes.upper) >= point[:, None]).all()
    return boxes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_box_overlaps_a_disc(dtype):
    boxes = check(SCENES, 0, dtype)
    size = np.asarray(boxes.upper) - np.asarray(boxes.lower)
    assert np.median(size) > 1, "nothing ever grew"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.weekly)])
def test_no_box_of_a_million_scenes_overlaps_a_disc(dtype):
    scenes = 0
    for seed in range(1, 1000):
        scenes += len(check(50_000, seed, dtype).lower)
        if scenes >= MANY:
            return
    raise AssertionError(f"only {scenes} scenes")


def test_the_oracle_sees_what_rounding_costs_and_discs_that_are_forgotten():
    """The negative controls: without the margin some boxes overlap by last bits, without a disc many do."""
    point, centre, radius = drawn(SCENES, 0, np.float32)
    boxes, _ = finder(margin=False)(point, centre, radius)
    assert 0.01 < overlaps(boxes, centre, radius).mean() < 1
    blind, _ = finder()(point, centre, np.where(np.arange(DISCS) == 0, -1, radius).astype(np.float32))
    assert overlaps(blind, centre, radius).mean() > 0.1


def test_a_box_ends_at_something():
    """Every side that was pushed touches a disc, a limit, or its reach: it could not have gone farther."""
    point, centre, radius = drawn(2000, 5)
    boxes, _ = finder()(point, centre, radius)
    lower, upper = np.asarray(boxes.lower), np.asarray(boxes.upper)
    more = 1e-6
    for axis in range(2):
        step = more * (np.arange(2) == axis)
        below = (away(centre[:, None], radius[:, None], lower - step, upper) < 0).any(axis=-1)
        below |= lower[..., axis] <= -LIMIT + more
        below |= lower[..., axis] <= point[:, None, axis] - 3.0 + more
        above = (away(centre[:, None], radius[:, None], lower, upper + step) < 0).any(axis=-1)
        above |= upper[..., axis] >= LIMIT - more
        above |= upper[..., axis] >= point[:, None, axis] + 3.0 - more
        # A side stays where another one just touches a disc: to the last bits that disc is in its way.
        assert below.mean() > 0.98
        assert above.mean() > 0.98


def test_sides_by_hand():
    limits = Span(jnp.array([-4.0, -4.0]), jnp.array([4.0, 4.0]))
    unit = Span(jnp.array([-1.0, -1.0]), jnp.array([1.0, 1.0]))
    rock = Blocks(jnp.array([[3.0, 0.0]]), jnp.array([[3.0, 0.0]]), jnp.array([0.5]))
    pushed = jax.jit(push)
    assert float(pushed(unit, 2, rock, limits, 9.0).upper[0]) == 2.5  # the rim
    assert float(pushed(unit, 0, rock, limits, 9.0).lower[0]) == -4.0  # the limit
    assert float(pushed(unit, 1, rock, limits, 0.25).lower[1]) == -1.25  # the reach
    corner = Blocks(jnp.array([[3.0, 1.3]]), jnp.array([[3.0, 1.3]]), jnp.array([0.5]))
    assert float(pushed(unit, 2, corner, limits, 9.0).upper[0]) == pytest.approx(3 - 0.4)  # 3, 4, 5
    absent = rock._replace(radius=jnp.array([-1.0]))
    assert float(pushed(unit, 2, absent, limits, 9.0).upper[0]) == 4.0
    assert sorted(map(tuple, np.sort(ORDERS, axis=1))) == [(0, 1, 2, 3)] * 8
    assert len({tuple(order) for order in ORDERS}) == 8


def test_rays_by_hand():
    box = Span(jnp.array([-1.0, -2.0]), jnp.array([3.0, 2.0]))
    assert float(ray(box, jnp.zeros(2), jnp.array([1.0, 0.0]))) == 3.0
    assert float(ray(box, jnp.zeros(2), jnp.array([-0.6, -0.8]))) == pytest.approx(1 / 0.6)
    assert float(ray(box, jnp.zeros(2), jnp.zeros(2))) == np.inf
    assert float(ray(box, jnp.array([4.0, 0.0]), jnp.array([1.0, 0.0]))) == 0.0
