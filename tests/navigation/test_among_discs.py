"""The rule of one body among discs: what it proposes is free, covers the body, leads where that heads."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env import safe_set
from safebench.env.adversary import somewhere
from safebench.env.corridor import Corridor
from safebench.env.picture import Discs
from safebench.navigation.among_discs import among_discs, next_corridor
from safebench.navigation.scenes import Arena, scenes


@pytest.fixture(scope="module")
def task(task_of):
    return task_of("seeker", "compiled")


@pytest.fixture(scope="module")
def starts(task):
    """States, scenes and corridors from all over the arena."""
    return jax.jit(jax.vmap(lambda key: somewhere(task, key)))(jax.random.split(jax.random.key(0), 2048))


def proposed(task, starts, shrink=1.0):
    """What the rule proposes. shrink: of the discs' radii, as a rule sees them that forgets their size."""

    def one(start):
        discs = start.context.discs
        seen = start.context._replace(discs=Discs(discs.centre, shrink * discs.radius))
        new = task.corridors.move(start.x, seen, start.corridor)
        covers = safe_set.contains(task.safe_set, start.x, new)
        return new, covers, safe_set.may_be(task.safe_set, new)

    return jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(starts))


def overlaps(task, discs, corridor):
    """Whether free boxes overlap discs, by nearest points in numpy."""
    lower = corridor.low + task.safe_set.free_low
    upper = corridor.high + task.safe_set.free_high
    centre, radius = map(np.asarray, discs)
    nearest = np.clip(centre, lower[:, None], upper[:, None])
    return (np.linalg.norm(centre - nearest, axis=-1) < radius).any(axis=1)


def test_what_it_proposes_is_free_covers_the_body_and_is_within_the_proof(task, starts):
    new, covers, allowed = proposed(task, starts)
    assert covers.all()
    assert allowed.all()
    assert not overlaps(task, starts.context.discs, new).any()
    other = (new.low != starts.corridor.low).any(axis=1) | (new.high != starts.corridor.high).any(axis=1)
    assert 0.1 < other.mean() < 1, "it switches often, not always"


def test_a_rule_that_sees_discs_too_small_overlaps_them(task, starts):
    """The negative control."""
    new, *_ = proposed(task, starts, shrink=0.8)
    assert overlaps(task, starts.context.discs, new).mean() > 0.1


def test_it_takes_the_box_ahead_and_leaves_none_for_a_trifle(task):
    """An empty arena: the body gets far the way it goes, and keeps the box that is good enough."""
    nothing = Discs(jnp.array([[4.0, 4.0]]), jnp.array([-1.0]))
    still = jnp.zeros(4)
    here = Corridor(jnp.zeros(2), jnp.zeros(2))

    @jax.jit
    def rule(velocity, corridor, towards):
        x = still.at[2:].set(velocity)
        return next_corridor(task.safe_set, nothing, x, velocity, towards, corridor)

    def following(velocity, corridor, towards=(1.0, 0.0)):
        return rule(jnp.array(velocity), corridor, jnp.array(towards))

    first = following((0.0, 0.0), here)
    assert float(first.high[0]) > 2
    for kept in (following((0.0, 0.0), first), following((0.05, 0.0), first)):
        np.testing.assert_array_equal(kept, first)
    tight = Corridor(jnp.array([-3.0, -3.0]), jnp.array([0.3, 3.0]))
    assert float(following((0.0, 0.0), tight).high[0]) > 2
    np.testing.assert_array_equal(following((0.0, 0.0), tight, (-1.0, 0.0)), tight)


def test_a_body_outside_of_its_set_gets_a_box_where_it_is(task, starts):
    """Unguarded: its corridor is of no use any more, and the next one is around it, if it may be."""
    far = starts.x.at[:, :2].set(jnp.roll(starts.x[:, :2], 1, axis=0)).at[:, 2:].set(0.0)
    new, covers, allowed = proposed(task, starts._replace(x=far))
    assert allowed.all()
    assert np.isfinite(new.low).all()
    discs = jax.tree.map(np.asarray, starts.context.discs)
    rim = np.linalg.norm(discs.centre - np.asarray(far)[:, None, :2], axis=-1) - discs.radius
    clear = np.where(discs.radius > 0, rim, np.inf).min(axis=1) > 0.3
    assert clear.mean() > 0.5
    assert not overlaps(task, starts.context.discs, new)[clear].any()
    assert covers[clear].mean() > 0.9


@pytest.mark.slow
def test_derivatives_are_finite_across_switches(task):
    """Of the whole rule, along a line on which the box changes."""
    start = jax.jit(task.corridors.begin)(jax.random.key(3))
    line = start.context.goal - start.x[:2]

    def at(share):
        x = start.x.at[:2].add(share * line)
        here = Corridor(x[:2], x[:2])
        return task.corridors.move(x, start.context, here)

    shares = jnp.linspace(0.0, 1.0, 300)
    sides = jax.jit(jax.vmap(at))(shares)
    assert (np.abs(np.diff(sides.high, axis=0)).max(axis=1) > 0.3).sum() >= 2, "the box never switched"
    slopes = jax.jit(jax.vmap(jax.jacfwd(at)))(shares[::10])
    assert all(np.isfinite(leaf).all() for leaf in slopes)


def test_what_does_not_fit_is_refused(task):
    arena = Arena(half_width=5.0, radius=(0.5, 1.5), gap=0.3, apart=5.0, margin=0.1)
    with pytest.raises(ValueError, match="widen the scenes' gap"):
        among_discs(task.certificate, scenes(arena, count=512), velocity=(2, 3))
    wide = Arena(half_width=7.0, radius=(0.5, 1.5), gap=0.8, apart=5.0, margin=0.3)
    with pytest.raises(ValueError, match="beyond the certificate's translation limits"):
        among_discs(task.certificate, scenes(wide, count=512), velocity=(2, 3))
    one = replace(
        task.certificate,
        translations=task.certificate.translations[:, :1],
        translation_limits=task.certificate.translation_limits[:1],
    )
    with pytest.raises(ValueError, match="2 translations"):
        among_discs(one, scenes(arena, count=4), velocity=(2, 3))
