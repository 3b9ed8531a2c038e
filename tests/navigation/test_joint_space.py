"""Boxes of joint angles: no arm in a certified one touches a disc, by distances written anew in numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arm_gap import arm_gap as gap

from safebench.env.picture import Discs
from safebench.navigation.free_box import Span
from safebench.navigation.joint_space import (
    JointGrid,
    TwoLinks,
    arm_corners,
    blocked,
    certified,
    distance_to_arm,
    grown,
    integral_image,
)

ARM = TwoLinks((0.5, 0.5), 0.04)
GRID = JointGrid((2.82, 2.52))
POINTS = 1_000_000


def drawn(count, seed=0):
    """One to three discs anywhere, near the shoulder and on top of each other too."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-1.1, 1.1, (count, 3, 2))
    radius = np.where(
        np.arange(3) < rng.integers(1, 4, (count, 1)), rng.uniform(0.05, 0.15, (count, 3)), -1.0
    )
    return centre, radius


def of_all(arm, centre, radius):
    return np.stack([certified(arm, GRID, *discs) for discs in zip(centre, radius, strict=True)])


@functools.cache
def scenes(count=64, seed=0):
    centre, radius = drawn(count, seed)
    free = of_all(ARM, centre, radius)
    return centre, radius, free, np.stack([integral_image(each) for each in free])


def points_in(free, count, rng):
    """(scene, q): uniform in certified cells, a quarter of them in corners of the cells."""
    scene, *cell = np.nonzero(free)
    chosen = rng.integers(0, len(scene), count)
    share = rng.random((count, 2))
    share = np.where(rng.random((count, 1)) < 0.25, np.round(share), share)
    index = np.stack([side[chosen] for side in cell], axis=-1)
    return scene[chosen], (index + share) * GRID.size - np.array(GRID.half_width)


def test_of_a_million_points_in_certified_cells_of_many_scenes_none_collides():
    rng = np.random.default_rng(1)
    centre, radius, free, _ = scenes(256)
    scene, q = points_in(free, POINTS, rng)
    gaps = gap(q, centre[scene], radius[scene])
    assert gaps.min() > 0
    # Cells are not refused for nothing: of those that are, most hold a collision in a corner or nearly so.
    scene, q = points_in(~free, 50_000, rng)
    refused = gap(q, centre[scene], radius[scene])
    assert (refused < 0).mean() > 0.7
    assert refused.max() < 2 * float(GRID.size @ [1.0, 0.5])
    assert 0.6 < free.mean() < 0.95


@pytest.mark.parametrize("mistake", ["motion", "radius", "thickness"])
def test_the_oracle_finds_what_a_careless_certificate_lets_through(mistake, monkeypatch):
    """The negative controls: cells judged by their centres, discs too small, links without thickness."""
    centre, radius, *_ = scenes(256)
    arm, seen = ARM, radius
    if mistake == "motion":
        monkeypatch.setattr(
            "safebench.navigation.joint_space.motion", lambda arm, grid: (0.0, np.zeros((1, 1)))
        )
    elif mistake == "radius":
        seen = np.where(radius < 0, -1.0, 0.5 * radius)
    else:
        arm = TwoLinks((0.5, 0.5), 0.0)
    scene, q = points_in(of_all(arm, centre, seen), 200_000, np.random.default_rng(2))
    assert (gap(q, centre[scene], radius[scene]) < 0).mean() > 1e-3


@functools.cache
def looked_up():
    image = scenes()[-1]
    return jax.jit(jax.vmap(lambda scene, lower, upper: blocked(GRID, image, scene, Span(lower, upper))))


def boxes(count, seed, dtype):
    rng = np.random.default_rng(seed)
    half = np.array(GRID.half_width)
    middle, size = rng.uniform(-half, half, (count, 2)), rng.uniform(0.0, 0.6, (count, 2))
    return rng.integers(0, 64, count), *((middle + sign * size).astype(dtype) for sign in (-1, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_box_is_free_just_if_all_cells_that_it_touches_are(dtype):
    free = scenes()[2]
    scene, lower, upper = boxes(4000, 3, dtype)
    found = np.asarray(looked_up()(scene, lower, upper))
    assert found.dtype == dtype
    half = np.array(GRID.half_width)
    low = np.floor((lower.astype(float) + half) / GRID.size).astype(int)
    high = np.ceil((upper.astype(float) + half) / GRID.size).astype(int)
    counted = np.array(
        [
            np.sum(~free[s, max(a, 0) : c, max(b, 0) : d]) + (min(a, b) < 0 or max(c, d) > GRID.cells)
            for s, (a, b), (c, d) in zip(scene, low, high, strict=True)
        ]
    )
    assert (found >= counted).all()
    assert (found == counted).mean() > (0.995 if dtype == np.float64 else 0.99)
    assert 0.1 < (found == 0).mean() < 0.9


def test_boxes_on_obstacles_outside_of_the_grid_and_that_are_no_numbers_are_refused():
    centre, radius, _, image = scenes()
    rng = np.random.default_rng(4)
    scene = rng.integers(0, 64, 20_000)
    q = rng.uniform(-1, 1, (len(scene), 2)) * np.array(GRID.half_width)
    touching = gap(q, centre[scene], radius[scene]) <= 0
    assert touching.mean() > 0.05
    assert (np.asarray(looked_up()(scene, q, q))[touching] > 0).all()
    look = jax.jit(lambda lower, upper: blocked(GRID, np.zeros_like(image), jnp.array(0), Span(lower, upper)))
    half = jnp.array(GRID.half_width)
    assert float(look(0.99 * -half, 0.99 * half)) == 0
    for bad in (1.01 * half, half * jnp.nan, half * jnp.inf):
        assert float(look(-half / 2, bad)) > 0
        assert float(look(-bad, half / 2)) > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_boxes_grow_until_something_is_in_the_way_and_stay_free(dtype):
    centre, radius, free, image = scenes()
    rng = np.random.default_rng(5)
    scene, q = points_in(free, 2000, rng)
    q = q.astype(dtype)
    half = np.array(GRID.half_width, dtype)
    limits = Span(jnp.asarray(-half + 0.02), jnp.asarray(half - 0.02))
    grow = jax.jit(jax.vmap(lambda scene, q: grown(GRID, image, scene, Span(q, q), limits, 3.0)))
    lower, upper = map(np.asarray, grow(scene, q))
    assert lower.dtype == dtype
    assert (lower <= q[:, None]).all()
    assert (upper >= q[:, None]).all()
    every = np.repeat(scene, 8), lower.reshape(-1, 2), upper.reshape(-1, 2)
    start_is_free = np.asarray(looked_up()(scene, q, q)) == 0
    assert start_is_free.mean() > 0.5  # points in corners touch their neighbours
    assert (np.asarray(looked_up()(*every)).reshape(-1, 8)[start_is_free] == 0).all()
    inside = lower + rng.random(lower.shape) * (upper - lower)
    assert (
        gap(
            inside[start_is_free], centre[scene][start_is_free, None], radius[scene][start_is_free, None]
        ).min()
        > 0
    )
    size = (upper - lower)[start_is_free]
    assert np.median(size) > 0.8
    # Every side ends at a cell that is not free, a limit or its reach: with a cell more the box is refused.
    for axis in range(2):
        more = 1.01 * GRID.size[axis] * (np.arange(2) == axis)
        for sign, side in ((-1, lower), (1, upper)):
            beyond = (lower - more, upper) if sign < 0 else (lower, upper + more)
            beyond = [part.reshape(-1, 2).astype(dtype) for part in beyond]
            refused = np.asarray(looked_up()(every[0], *beyond)).reshape(-1, 8) > 0
            ended = np.abs(side[..., axis]) >= half[axis] - 0.05
            ended |= np.abs(side[..., axis] - q[:, None, axis]) > 3.0 - 2 * GRID.size[axis]
            assert (refused | ended)[start_is_free].all()


def test_distances_of_the_arm_are_those_of_the_oracle():
    centre, radius = drawn(500, seed=6)
    q = np.random.default_rng(7).uniform(-2.8, 2.8, (500, 2))
    away = jax.jit(jax.vmap(lambda q, *discs: distance_to_arm(ARM, q, Discs(*discs))))(q, centre, radius)
    np.testing.assert_allclose(np.asarray(away).min(axis=1), gap(q, centre, radius), atol=1e-12)
    assert (np.isinf(away) == (radius < 0)).all()
    # By hand: stretched along x, and the elbow bent downwards by a quarter turn.
    discs = Discs(jnp.array([[0.7, 0.3], [1.2, 0.0]]), jnp.array([0.1, 0.1]))
    np.testing.assert_allclose(distance_to_arm(ARM, jnp.zeros(2), discs), [0.16, 0.06], atol=1e-12)
    corners = arm_corners(ARM, jnp.array([0.0, np.pi / 2]))
    np.testing.assert_allclose(corners, [[0, 0], [0.5, 0], [0.5, -0.5]], atol=1e-12)
    through = Discs(jnp.array([[0.25, 0.0]]), jnp.array([0.1]))
    slope = jax.jit(jax.jacobian(lambda q: distance_to_arm(ARM, q, through)))(jnp.zeros(2))
    assert bool(jnp.isfinite(slope).all())  # the disc's centre lies on the link's axis


def test_what_does_not_fit_is_refused():
    for cells in (0, 100, 256):
        with pytest.raises(ValueError, match="power of two from 2 to 128"):
            JointGrid((1.0, 1.0), cells)
    with pytest.raises(ValueError, match="half_width must be positive"):
        JointGrid((1.0, 0.0))
    with pytest.raises(ValueError, match="positive lengths"):
        TwoLinks((0.5, 0.0), 0.04)
