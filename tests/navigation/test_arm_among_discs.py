"""The corridors of an arm: what is proposed is free, by distances of the arm itself, and covers the arm."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arm_gap import arm_gap

from safebench.env import safe_set
from safebench.env.adversary import somewhere
from safebench.navigation.arm_among_discs import arm_among_discs
from safebench.navigation.arm_scenes import arm_scenes
from safebench.tasks import arm2_obstacles as module

COUNT = 1024


@pytest.fixture(scope="module")
def task(task_of):
    return task_of("arm2-obstacles", "compiled")


@pytest.fixture(scope="module")
def starts(task):
    """States, scenes and corridors from all over the joint space."""
    return jax.jit(jax.vmap(lambda key: somewhere(task, key)))(jax.random.split(jax.random.key(0), COUNT))


@pytest.fixture(scope="module")
def propose(task):
    """(states, seen scenes, corridors) -> corridors, whether they cover, may be, and are clear."""

    def one(x, scene, corridor):
        new = task.corridors.move(x, scene, corridor)
        covers = safe_set.contains(task.safe_set, x, new)
        return new, covers, safe_set.may_be(task.safe_set, new), task.corridors.clearance(scene, new)

    return jax.jit(jax.vmap(one))


def collides(task, discs, corridor, points=200):
    """Whether the arm touches a disc at one of many joint angles in the free box, its corners among them."""
    lower = (np.asarray(corridor.low) + task.safe_set.free_low)[:, None]
    upper = (np.asarray(corridor.high) + task.safe_set.free_high)[:, None]
    share = np.random.default_rng(0).random((points, 2))
    share[:4] = [[0, 0], [0, 1], [1, 0], [1, 1]]
    centre, radius = (np.asarray(part)[:, None] for part in discs)
    return (arm_gap(lower + share * (upper - lower), centre, radius) < 0).any(axis=1)


def test_what_it_proposes_is_free_covers_the_arm_and_is_within_the_proof(task, starts, propose):
    new, covers, allowed, clear = propose(*starts)
    assert covers.all()
    assert allowed.all()
    assert (clear == 0).all()
    assert not collides(task, starts.context.discs, new).any()
    other = (new.low != starts.corridor.low).any(axis=1) | (new.high != starts.corridor.high).any(axis=1)
    assert 0.1 < other.mean() < 1, "it switches often, not always"
    assert np.median(np.asarray(new.high - new.low)) > 0.5


def test_a_rule_that_looks_at_another_scene_collides(task, starts, propose):
    """The negative control."""
    seen = starts.context._replace(number=jnp.roll(starts.context.number, 1))
    new, *_ = propose(starts.x, seen, starts.corridor)
    assert collides(task, starts.context.discs, new).mean() > 0.1
    boxed = jax.jit(jax.vmap(task.corridors.clearance))(starts.context, new)
    assert (np.asarray(boxed)[collides(task, starts.context.discs, new)] < 0).all()


def test_an_arm_outside_of_its_set_gets_a_box_where_it_is(task, starts, propose):
    """Unguarded: its corridor is of no use any more, and the next one is around it, if it may be."""
    far = starts.x.at[:, :2].set(jnp.roll(starts.x[:, :2], 1, axis=0)).at[:, 2:].set(0.0)
    new, covers, allowed, clear = (jax.tree.map(np.asarray, part) for part in propose(far, *starts[1:]))
    assert allowed.all()
    assert np.isfinite(new.low).all()
    free = clear == 0
    assert free.mean() > 0.4
    assert not collides(task, starts.context.discs, new)[free].any()
    assert covers[free].mean() > 0.9


def test_what_does_not_fit_is_refused(task):
    many = arm_scenes(module.ARENA)
    wide = many._replace(arena=replace(module.ARENA, reach=0.1))
    with pytest.raises(ValueError, match=r"reaches 0.15 rad around a reference, the arena has 0.1"):
        arm_among_discs(task.certificate, wide)
    far = many._replace(arena=replace(module.ARENA, references=(2.8, 2.5)))
    with pytest.raises(ValueError, match="exceed the certificate's"):
        arm_among_discs(task.certificate, far)
    one = replace(
        task.certificate,
        translations=task.certificate.translations[:, :1],
        translation_limits=task.certificate.translation_limits[:1],
    )
    with pytest.raises(ValueError, match="are not the two joint angles"):
        arm_among_discs(one, many)
