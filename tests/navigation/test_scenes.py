"""Scenes are what their arena says, the same for everybody; arenas that do not fit are refused."""

import dataclasses

import jax
import numpy as np
import pytest

from safebench.navigation.scenes import Arena, pick, scenes

ARENA = Arena(half_width=5.0, radius=(0.5, 1.5), gap=0.8, apart=5.0, margin=0.3)


@pytest.fixture(scope="module")
def many():
    return scenes(ARENA, count=2000)


def test_every_scene_keeps_its_distances(many):
    centre, radius = many.discs
    there = radius > 0
    assert there[:, 0].all()
    counts = there.sum(axis=1)
    assert set(counts) == {1, 2, 3, 4, 5}
    assert np.bincount(counts)[1:].min() > 0.1 * len(counts)
    inside = radius[there]
    assert inside.min() >= 0.5
    assert inside.max() <= 1.5
    assert inside.std() > 0.25
    both = there[:, :, None] & there[:, None] & ~np.eye(5, dtype=bool)
    gap = np.linalg.norm(centre[:, :, None] - centre[:, None], axis=-1) - radius[:, :, None] - radius[:, None]
    assert gap[both].min() >= ARENA.gap - 1e-12
    wall = ARENA.half_width - np.abs(centre).max(axis=-1) - radius
    assert wall[there].min() >= ARENA.gap - 1e-12
    for end in (many.start, many.goal):
        rim = np.linalg.norm(centre - end[:, None], axis=-1) - radius
        assert rim[there].min() >= ARENA.gap / 2 - 1e-12
        assert np.abs(end).max() <= ARENA.half_width - ARENA.gap
    assert np.linalg.norm(many.goal - many.start, axis=-1).min() >= ARENA.apart


def test_one_disc_is_always_between_start_and_goal(many):
    line = many.goal - many.start
    spoke = many.discs.centre[:, 0] - many.start
    share = (spoke * line).sum(-1) / (line**2).sum(-1)
    nearest = np.linalg.norm(spoke - share[:, None] * line, axis=-1)
    assert (nearest < many.discs.radius[:, 0]).all()
    assert ((share > 0) & (share < 1)).all()


def test_scenes_are_the_same_for_everybody_and_others_for_another_seed(many):
    again = scenes.__wrapped__(ARENA, 2000)
    assert all(
        np.array_equal(a, b) for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(again), strict=True)
    )
    other = scenes.__wrapped__(ARENA, 2000, seed=1)
    assert not np.array_equal(many.start, other.start)


def test_every_scene_is_picked_about_as_often(many):
    few = jax.tree.map(lambda leaf: leaf[:8], many)
    picked = jax.jit(jax.vmap(lambda key: pick(few, key)))(jax.random.split(jax.random.key(0), 4000))
    same = (np.asarray(picked.start)[:, None] == few.start).all(axis=-1)
    assert (same.sum(axis=1) == 1).all()
    assert same.mean(axis=0) == pytest.approx(np.full(8, 1 / 8), abs=0.03)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"radius": (1.5, 0.5)}, "radius"),
        ({"radius": (0.0, 0.5)}, "radius"),
        ({"margin": 0.4}, "margin"),
        ({"margin": 0.0}, "margin"),
        ({"half_width": 2.3}, "does not fit"),
        ({"apart": 8.4}, "apart"),
        ({"discs": 0}, "discs"),
        ({"radius": (0.5, float("nan"))}, "radius"),
    ],
)
def test_an_arena_that_does_not_fit_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(ARENA, **change)


def test_an_arena_with_hardly_any_scenes_says_so():
    full = dataclasses.replace(ARENA, radius=(3.4, 3.5), gap=1.4, apart=7.1)
    with pytest.raises(ValueError, match="of 50 scenes were not found"):
        scenes(full, count=50)
