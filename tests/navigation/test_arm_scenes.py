"""Scenes of an arm: what is drawn, and that chains of certified boxes lead from every start to its goal."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from arm_gap import arm_gap

from safebench.navigation.arm_scenes import ArmArena, arm_scenes, free_nodes, pick_arm_scene
from safebench.navigation.joint_space import JointGrid, TwoLinks

ARENA = ArmArena(
    arm=TwoLinks((0.5, 0.5), 0.04),
    grid=JointGrid((2.82, 2.52)),
    reach=0.15,
    spare=0.05,
    references=(2.65, 2.35),
    radius=(0.05, 0.15),
    away=(0.3, 1.05),
    gap=0.05,
    apart=1.0,
)
COUNT = 64
HALF = 0.2
"""Half of the width of a node's box: reach and spare."""


@functools.cache
def scenes():
    return arm_scenes(ARENA, count=COUNT)


def nodes_of(points):
    return np.round((points - ARENA.lattice.low) / ARENA.lattice.size).astype(int)


def test_discs_are_where_they_may_be():
    centre, radius = scenes().discs
    there = radius > 0
    assert there[:, 0].all()
    assert set(there.sum(axis=1)) == {1, 2, 3}
    away = np.linalg.norm(centre, axis=-1)[there]
    assert (away >= 0.3).all()
    assert (away <= 1.05).all()
    assert (radius[there] >= 0.05).all()
    assert (radius[there] <= 0.15).all()
    apart = (
        np.linalg.norm(centre[:, :, None] - centre[:, None], axis=-1) - radius[:, :, None] - radius[:, None]
    )
    both = there[:, :, None] & there[:, None] & ~np.eye(3, dtype=bool)
    assert apart[both].min() >= 0.05 - 1e-12


def chain(scene, start):
    """Nodes from a start to the goal, always to the nearest neighbour."""
    free = free_nodes(ARENA, scenes().image[scene])
    length = np.where(free, scenes().length[scene], np.inf)
    node = tuple(nodes_of(start))
    while length[node] > 0:
        yield node
        around = [(node[0] + i, node[1] + j) for i, j in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        best = min(around, key=lambda other: length[other])
        assert length[best] < length[node], "a chain ends before the goal"
        node = best
    yield node


def test_chains_of_boxes_lead_from_starts_to_goals_and_no_arm_in_them_collides():
    rng, count = np.random.default_rng(0), 0
    for scene in range(COUNT):
        goal, discs = scenes().goal[scene], [part[scene] for part in scenes().discs]
        links = list(chain(scene, scenes().starts[scene, 0]))
        nodes = ARENA.lattice.low + np.array(links) * ARENA.lattice.size
        np.testing.assert_allclose(nodes[-1], goal, atol=1e-9)
        # The free box of the corridor from a node to the next holds both nodes' boxes.
        lower, upper = np.minimum(nodes[:-1], nodes[1:]) - HALF, np.maximum(nodes[:-1], nodes[1:]) + HALF
        q = lower + rng.random((64, *lower.shape)) * (upper - lower)
        assert arm_gap(q, *discs).min() > 0
        count += q[..., 0].size
    assert count > 50_000


def test_starts_are_far_from_goals_in_free_boxes_and_something_is_in_the_way():
    made = scenes()
    goal = made.goal[:, None]
    assert (np.abs(made.starts - goal).max(axis=-1) > ARENA.apart - ARENA.spare).all()
    corners = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) * ARENA.reach
    at = made.starts[:, :, None] + corners
    discs = [part[:, None, None] for part in made.discs]
    assert arm_gap(at, *discs).min() > 0
    assert (np.abs(made.starts) <= ARENA.references).all()
    line = goal[..., None, :] + np.linspace(0, 1, 200)[:, None] * (made.starts - goal)[:, :, None]
    crossed = line[..., None, :] + 1.5 * HALF * corners / ARENA.reach
    gaps = arm_gap(
        crossed, *[part[..., None, :, :] if part.ndim > 4 else part[..., None, :] for part in discs]
    )
    assert (gaps.min(axis=(-1, -2)) < 0).mean() > 0.9
    straight = arm_gap(line, *discs).min(axis=-1)
    assert 0.3 < (straight < 0).mean() <= 1  # on the others it passes too close for a box


def test_each_scene_and_start_is_as_likely_and_the_same_for_everybody():
    made = scenes()
    keys = jax.random.split(jax.random.key(0), 4096)
    picked = jax.jit(jax.vmap(lambda key: pick_arm_scene(made, key)))(keys)
    number = np.asarray(picked.number)
    assert (np.bincount(number, minlength=COUNT) > 4096 / COUNT / 2).all()
    np.testing.assert_array_equal(picked.goal, made.goal[number])
    same = (np.asarray(picked.start)[:, None] == made.starts[number]).all(axis=-1)
    assert same.any(axis=1).all()
    again = arm_scenes.__wrapped__(ARENA, count=4)
    few = arm_scenes.__wrapped__(ARENA, count=4)
    np.testing.assert_array_equal(again.starts, few.starts)
    np.testing.assert_array_equal(again.length, few.length)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": (0.2, 0.1)}, "radius must be two positive numbers"),
        ({"away": (0.1, 1.0)}, "no disc lies on the shoulder"),
        ({"reach": 0.0}, "reach, spare and apart must be positive"),
        ({"discs": 0}, "discs must be at least 1"),
        ({"apart": 20.0}, "0 of 2 scenes were found"),
    ],
)
def test_arenas_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        arm_scenes(dataclasses.replace(ARENA, **changes), count=2)
