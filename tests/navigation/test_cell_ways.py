"""Shortest ways over a lattice against Dijkstra's, straight lines, and by their own gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from safebench.navigation.cell_ways import Lattice, length_at, shortest_lengths, way_at

NODES = 40
LATTICE = Lattice(np.array([-2.0, -1.5]), np.array([0.1, 0.08]), NODES)
SCENES = 12
TEN_NODES = 1.0
"""Nearer to the goal upwind differences of first order are up to a tenth too long: about a node in all."""


@functools.cache
def drawn():
    """Walls with gaps, and rectangles: (free, goal, lengths)."""
    rng = np.random.default_rng(0)
    free = np.ones((SCENES, NODES, NODES), bool)
    for scene in range(SCENES):
        for _ in range(scene % 4):
            i, j = rng.integers(2, NODES - 12, 2)
            wide, high = rng.integers(3, 12, 2)
            free[scene, i : i + wide, j : j + high] = False
        if scene % 3 == 1:
            free[scene, 20, :-4] = False  # around its end
        if scene % 3 == 2:
            free[scene, :, 25] = False  # two rooms without a door
    goal = np.array([rng.permutation(np.argwhere(part))[0] for part in free])
    return free, goal, shortest_lengths(LATTICE, free, goal)


def by_dijkstra(free, goal):
    """Over straight and diagonal steps: at most 1 / cos(pi / 8) times as long as the shortest way."""
    index = np.arange(NODES * NODES).reshape(NODES, NODES)
    rows, columns, costs = [], [], []
    for step in ((1, 0), (0, 1), (1, 1), (1, -1)):
        here = (slice(0, NODES - step[0]), slice(max(0, -step[1]), NODES - max(0, step[1])))
        there = (slice(step[0], NODES), slice(max(0, step[1]), NODES - max(0, -step[1])))
        open_ = free[here] & free[there]
        if all(step):  # not between two corners
            side = (slice(step[0], NODES), here[1]), (here[0], there[1])
            open_ &= free[side[0]] & free[side[1]]
        rows.append(index[here][open_])
        columns.append(index[there][open_])
        costs.append(np.full(open_.sum(), np.hypot(*(np.array(step) * LATTICE.size))))
    graph = coo_matrix(
        (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), (NODES**2,) * 2
    )
    found = dijkstra(graph.tocsr(), directed=False, indices=index[tuple(goal)])
    return found.reshape(NODES, NODES)


def test_lengths_are_those_of_dijkstra_up_to_the_lattice():
    free, goal, length = drawn()
    assert np.isfinite(length).all()
    for scene in range(SCENES):
        expected = by_dijkstra(free[scene], goal[scene])
        there = np.isfinite(expected) & (expected > TEN_NODES)
        ratio = length[scene][there] / expected[there]
        assert ratio.min() > 0.91
        assert ratio.max() < 1.08
        assert length[scene][tuple(goal[scene])] == 0
    # In the open, a straight line; upwind differences are too long, by little.
    nodes = np.stack(np.meshgrid(*[np.arange(NODES)] * 2, indexing="ij"), axis=-1)
    straight = np.linalg.norm((nodes - goal[0]) * LATTICE.size, axis=-1)
    assert (length[0] - straight).max() < 1.5 * LATTICE.size.min()
    far = straight > TEN_NODES
    assert free[0].all()
    assert (length[0][far] > straight[far] - 1e-5).all()
    assert (length[0][far] / straight[far]).max() < 1.08


def test_from_everywhere_else_some_neighbour_is_nearer_and_free_ones_lead_on_in_free_ones():
    free, goal, length = drawn()
    for scene in range(SCENES):
        joined = np.isfinite(by_dijkstra(free[scene], goal[scene]))

        def nearest(value):
            wide = np.pad(value, 1, constant_values=np.inf)
            return np.minimum.reduce([wide[2:, 1:-1], wide[:-2, 1:-1], wide[1:-1, 2:], wide[1:-1, :-2]])

        others = np.ones_like(joined)
        others[tuple(goal[scene])] = False
        assert (nearest(length[scene])[others] < length[scene][others]).all()
        within = np.where(joined, length[scene], np.inf)
        assert (nearest(within)[joined & others] < within[joined & others]).all()


def test_what_is_shut_off_or_not_free_is_farther_than_the_way_out_of_it():
    free, goal, length = drawn()
    shut = np.isinf(by_dijkstra(free[2], goal[2]))
    assert shut.any()
    assert length[2][shut].min() > length[2][~shut].min()
    wall = ~free[1]
    assert wall.any()
    assert (length[1][wall] > 0).all()


@functools.cache
def seen():
    _, _, table = drawn()
    return jax.jit(jax.vmap(lambda scene, point: way_at(LATTICE, table, scene, point)))


def test_at_nodes_it_is_the_nodes_length_and_between_them_no_jump():
    _, _, table = drawn()
    rng = np.random.default_rng(1)
    scene, node = rng.integers(0, SCENES, 500), rng.integers(0, NODES, (500, 2))
    at_node, _ = seen()(scene, LATTICE.low + node * LATTICE.size)
    np.testing.assert_allclose(at_node, table[scene, node[:, 0], node[:, 1]], atol=1e-6)
    near, _ = seen()(scene, LATTICE.low + (node - 1e-9) * LATTICE.size)
    np.testing.assert_allclose(near, at_node, atol=1e-7)


def test_far_outside_it_is_farther_and_the_direction_leads_back():
    """A way that went on below zero there would be a reward for leaving."""
    rng = np.random.default_rng(4)
    scene, angle = rng.integers(0, SCENES, 500), rng.uniform(-np.pi, np.pi, 500)
    outwards = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    middle = LATTICE.low + LATTICE.size * NODES / 2
    lengths = [np.asarray(seen()(scene, middle + far * outwards)[0]) for far in (4, 5, 100)]
    assert (lengths[0] > 0).all()
    assert (np.diff(lengths, axis=0) > 2).all()
    _, direction = seen()(scene, middle + 5 * outwards)
    assert ((np.asarray(direction) * outwards).sum(axis=-1) < 0).all()


def test_the_direction_leads_to_the_goal():
    free, goal, _ = drawn()
    rng = np.random.default_rng(2)
    scene = np.arange(SCENES)
    nodes = np.array([rng.permutation(np.argwhere(part))[0] for part in free])
    point = LATTICE.low + nodes * LATTICE.size
    joined = np.array(
        [np.isfinite(by_dijkstra(*pair))[tuple(n)] for *pair, n in zip(free, goal, nodes, strict=True)]
    )
    for _ in range(400):
        _, direction = seen()(scene, point)
        point = point + 0.02 * np.asarray(direction)
    left = np.linalg.norm(point - LATTICE.low - goal * LATTICE.size, axis=1)
    assert joined.sum() >= 8
    assert (left[joined] < 0.1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivatives_are_finite_and_right_everywhere(dtype):
    _, goal, table = drawn()
    rng = np.random.default_rng(3)
    scene = rng.integers(0, SCENES, 400)
    point = rng.uniform(-2.5, 2.5, (400, 2)).astype(dtype)  # outside of the lattice too
    point[:SCENES] = LATTICE.low + goal * LATTICE.size
    scene[:SCENES] = np.arange(SCENES)

    def both(scene, point):
        return way_at(LATTICE, table, scene, point)

    slopes = jax.jit(jax.vmap(jax.jacfwd(both, argnums=1)))(scene, point)
    assert all(np.isfinite(leaf).all() for leaf in slopes)
    assert slopes[0].dtype == dtype
    if dtype == np.float64:
        step = 1e-7
        for axis in range(2):
            ahead, behind = (
                np.asarray(seen()(scene, point + sign * step * (np.arange(2) == axis))[0]) for sign in (1, -1)
            )
            close = np.abs((ahead - behind) / (2 * step) - slopes[0][:, axis]) < 1e-4
            assert close.mean() > 0.9  # not where a line between nodes is crossed: at the goals
    nothing = jnp.full(2, jnp.nan, dtype)
    assert bool(jnp.isnan(length_at(LATTICE, table, jnp.array(0), nothing)))
