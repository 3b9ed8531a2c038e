"""Shortest ways around discs: against a visibility graph of points on the rings, by hand, by walking them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from safebench.navigation.geodesic import shortest_ways, way
from safebench.navigation.scenes import Arena, scenes

ARENA = Arena(half_width=5.0, radius=(0.5, 1.5), gap=0.8, apart=5.0, margin=0.3)
POINTS = 90
"""Points on a ring of the graph."""


@pytest.fixture(scope="module")
def many():
    return scenes(ARENA, count=256)


ways_of = jax.jit(jax.vmap(way))
slopes_of = jax.jit(jax.vmap(jax.grad(lambda ways, point: way(ways, point)[0], argnums=1)))


def free(start, end, centre, ring):
    """Whether straight lines stay out of all rings."""
    line, spoke = (end - start)[:, None], centre - start[:, None]
    square = (line**2).sum(-1)
    share = np.clip((spoke * line).sum(-1) / np.where(square > 0, square, 1), 0, 1)
    return (np.linalg.norm(spoke - share[..., None] * line, axis=-1) >= ring - 1e-9).all(axis=1)


def by_graph(start, goal, centre, ring):
    """The shortest way over points on polygons around the rings: hardly longer than the true one."""
    angle = 2 * np.pi * np.arange(POINTS) / POINTS
    around = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    outer = ring / np.cos(np.pi / POINTS)
    nodes = np.concatenate([[start, goal], (centre[:, None] + outer[:, None, None] * around).reshape(-1, 2)])
    first, second = np.triu_indices(len(nodes), 1)
    sees = free(nodes[first], nodes[second], centre, ring)
    first, second = first[sees], second[sees]
    length = np.linalg.norm(nodes[first] - nodes[second], axis=-1)
    graph = coo_array((length, (first, second)), shape=(len(nodes),) * 2)
    return dijkstra(graph, directed=False, indices=0)[1]


def test_lengths_are_those_of_a_visibility_graph(many):
    lengths = np.asarray(ways_of(many.ways, many.start)[0])
    for index in range(16):
        centre, radius = (part[index] for part in many.discs)
        there = radius > 0
        ring = radius[there] + ARENA.margin
        start = many.start[index]
        if (np.linalg.norm(centre[there] - start, axis=-1) < ring).any():
            continue
        graph = by_graph(start, many.goal[index], centre[there], ring)
        assert graph * (1 - 2e-3) <= lengths[index] <= graph + 1e-9, index
        assert lengths[index] > np.linalg.norm(many.goal[index] - start)  # a disc is between them


def test_around_one_disc_by_hand():
    ways = shortest_ways(np.array([[2.0, 0.0]]), np.zeros((1, 1, 2)), np.ones((1, 1)), 0.0 + 1e-12)
    one = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), ways)
    walk = jax.jit(way)
    length, direction = walk(one, jnp.array([-2.0, 0.0]))
    assert float(length) == pytest.approx(2 * np.sqrt(3) + np.pi / 3)  # two tangents, and a sixth of a turn
    assert abs(float(direction[0])) == pytest.approx(np.sqrt(3) / 2, abs=0.01)
    length, direction = walk(one, jnp.array([2.0, 2.0]))
    assert float(length) == 2.0
    np.testing.assert_allclose(direction, [0.0, -1.0], atol=2e-3)
    inside, _ = walk(one, jnp.array([0.5, 0.0]))
    assert float(inside) == pytest.approx(0.5 + 1.0)
    assert float(walk(one, jnp.zeros(2))[0]) == pytest.approx(1.0 + 1.0)


def test_following_the_direction_walks_the_length(many):
    step, steps = 0.01, 2600

    def walk(ways, start):
        def onward(point, _):
            length, direction = way(ways, point)
            return point + jnp.minimum(step, length) * direction, point

        end, points = jax.lax.scan(onward, start, length=steps)
        return end, points, way(ways, start)[0]

    few = jax.tree.map(lambda leaf: leaf[:64], (many.ways, many.start, many.goal))
    end, points, length = jax.jit(jax.vmap(walk))(few[0], few[1])
    assert (np.linalg.norm(end - few[2], axis=-1) < 0.15).all()
    walked = np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(axis=1)
    np.testing.assert_allclose(walked, length, rtol=0.02, atol=0.1)
    # The direction bends a little late; it is never led deep into the margin, let alone into a disc.
    rim = (
        np.linalg.norm(points[:, :, None] - many.discs.centre[:64, None], axis=-1)
        - many.discs.radius[:64, None]
    )
    assert rim[np.broadcast_to(many.discs.radius[:64, None] > 0, rim.shape)].min() > 0.5 * ARENA.margin


def test_the_gradient_is_minus_the_direction_where_the_length_is_smooth(many):
    rng = np.random.default_rng(0)
    points = rng.uniform(-5, 5, (256, 2))
    slope, small = np.asarray(slopes_of(many.ways, points)), 1e-6
    assert np.isfinite(slope).all()
    rim = np.linalg.norm(points[:, None] - many.ways.rings.centre, axis=-1) - many.ways.rings.radius
    outside = np.where(many.ways.rings.radius > 0, rim, np.inf).min(axis=1) > 0
    np.testing.assert_allclose(np.linalg.norm(slope, axis=-1)[outside], 1.0, atol=1e-6)
    assert 0.5 < outside.mean() < 1
    for axis in range(2):
        push = small * (np.arange(2) == axis)
        ahead, behind = (np.asarray(ways_of(many.ways, points + way * push)[0]) for way in (1, -1))
        difference = (ahead - behind) / (2 * small)
        # Two ways of the same length meet on lines that hardly any of the points are on.
        assert (np.abs(difference - slope[:, axis]) < 1e-4).mean() > 0.98


@pytest.mark.slow
def test_the_length_is_continuous_and_gradients_are_finite_everywhere(many):
    """Along lines across whole scenes, through discs, rings and goals."""
    share = np.linspace(0, 1, 801)[:, None]
    both = jax.jit(jax.vmap(jax.vmap(lambda ways, x: (way(ways, x), jax.jacrev(way, 1)(ways, x)), (None, 0))))
    few = jax.tree.map(lambda leaf: leaf[:12], many)
    centre = few.discs.centre[:, 0]
    ends = [(few.start, few.goal), (few.goal - 1.0, few.goal + 1.0), (centre - 2.0, centre + 2.0)]
    for start, end in ends:
        points = start[:, None] + share * (end - start)[:, None]
        found, slopes = both(few.ways, points)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, slopes)))
        jump = np.abs(np.diff(found[0], axis=1))
        apart = np.linalg.norm(np.diff(points, axis=1), axis=-1)
        # No length changes by more than the point moves; inside of a ring the point's shadow moves as well.
        rings = few.ways.rings
        away = np.linalg.norm(points[:, :, None] - rings.centre[:, None], axis=-1)
        shadow = np.where(
            away < rings.radius[:, None], 1 + rings.radius[:, None] / np.maximum(away, 1e-9), 1.0
        )
        shadow = shadow.max(axis=-1)
        assert (jump <= apart * np.maximum(shadow[:, 1:], shadow[:, :-1]) + 1e-6).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both(few.ways, few.goal[:, None])))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both(few.ways, centre[:, None])))


def test_rings_that_meet_are_refused():
    goal, centre = np.array([[4.0, 0.0]]), np.array([[[0.0, 0.0], [2.5, 0.0]]])
    with pytest.raises(ValueError, match="widen the gaps"):
        shortest_ways(goal, centre, np.ones((1, 2)), 0.3)
    with pytest.raises(ValueError, match="widen the gaps"):
        shortest_ways(goal, centre, np.array([[1.0, -1.0]]), 3.1)
