"""The exchange of corridors: no two bodies ever share room, wherever they are moved and however they grow."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env import safe_set
from safebench.env import task as tasks
from safebench.env.corridor import Corridor
from safebench.navigation.crowd import crowd_clearance, least_separation, next_corridors

APART = 0.5  # m
BATCH, STEPS = 64, 60
BODIES = 4


@pytest.fixture(scope="module")
def task(task_of):
    return task_of("crowd", "compiled")


@functools.cache
def boxes_only() -> safe_set.SafeSet:
    """A set of four bodies as simple as can be: every position is within 0.2 m of its reference."""
    eye = np.eye(4 * BODIES)
    rows, T = np.vstack([eye, -eye]), eye[:, : 2 * BODIES]
    offsets = np.tile(np.repeat([0.2, 1.0], 2 * BODIES), 2)
    rates = rows @ T
    return safe_set.SafeSet(
        normals=rows,
        offsets=offsets,
        row_scale=np.ones(len(rows)),
        gain=np.zeros((2 * BODIES, 4 * BODIES)),
        feedforward=np.zeros(2 * BODIES),
        translations=T,
        translation_limits=np.full(2 * BODIES, 5.0),
        base_normals=rows,
        base_offsets=offsets,
        low_rates=np.minimum(rates, 0.0),
        high_rates=np.maximum(rates, 0.0),
        free_low=np.full(2 * BODIES, -0.2),
        free_high=np.full(2 * BODIES, 0.2),
    )


@functools.cache
def exchanged():
    """(x, corridors, apart, turn) -> the next corridors, their clearance; of many crowds; compiled once."""

    def one(x, corridor, apart, turn):
        places, velocity = x.reshape(2, BODIES, 2)
        towards = -places / (jnp.linalg.norm(places, axis=1, keepdims=True) + 1e-6)
        following = next_corridors(boxes_only(), x, velocity, towards, corridor, apart, turn)
        return following, crowd_clearance(boxes_only(), following, APART)

    return jax.jit(jax.vmap(one, in_axes=(0, 0, None, None)))


def thrown_about(apart: float, steps: int = STEPS):
    """Corridors of crowds whose bodies are put anywhere in their boxes at every step, mostly inwards."""
    rng = np.random.default_rng(0)
    angle = np.arange(BODIES) * np.pi / 2 + rng.uniform(-0.3, 0.3, (BATCH, BODIES))
    at = 1.5 * np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(BATCH, -1)
    corridors, found = Corridor(at, at), []
    for step in range(steps):
        low, high = (np.asarray(side) for side in corridors)
        inward = np.clip(0.0, low - 0.199, high + 0.199)
        place = np.where(rng.random(low.shape) < 0.6, inward, rng.uniform(low - 0.199, high + 0.199))
        x = np.concatenate([place, rng.uniform(-1, 1, place.shape)], axis=1)
        corridors, _ = exchanged()(x, corridors, apart, step)
        low, high = (np.asarray(side) for side in corridors)
        assert (low <= high).all()
        assert (np.maximum(-low, high) <= 5.0).all()
        assert (np.abs(place - np.clip(place, low, high)) <= 0.2).all()  # x lies in its new corridor's set
        found.append(corridors)
    return Corridor(*(np.stack([each[side] for each in found]) for side in range(2)))


def separation(made: safe_set.SafeSet, corridors: Corridor) -> np.ndarray:
    """The least distance between the free boxes of two bodies, by numpy in double precision."""
    low, high = (np.asarray(side, float) for side in corridors)
    lower, upper = low + made.free_low, high + made.free_high
    lower, upper = (side.reshape(*side.shape[:-1], -1, 2) for side in (lower, upper))
    least = np.full(low.shape[:-1], np.inf)
    for one in range(lower.shape[-2]):
        for other in range(one):
            gap = np.maximum(
                lower[..., one, :] - upper[..., other, :], lower[..., other, :] - upper[..., one, :]
            )
            least = np.minimum(least, np.linalg.norm(np.maximum(gap, 0.0), axis=-1))
    return least


def rule(task, apart: float = APART):
    """A task's `move` with everybody heading for the middle at rest; apart below 0 ignores the others."""

    def move(x, crossing, corridor):
        places, velocity = x.reshape(2, -1, 2)
        towards = -places / (jax.vmap(jnp.linalg.norm)(places)[:, None] + 1e-6)
        return next_corridors(task.safe_set, x, velocity, towards, corridor, apart, crossing.step)

    return move


def wander(task, move, checked, steps=STEPS, batch=BATCH):
    """Crowds of the task thrown about in S(corridor), mostly inwards, more wildly than they could move.

    checked: whether the environment asks if a proposed corridor is clear. Gives (corridors, whether each
    state is in its new corridor's set, whether the proof covers that one, whether it is a new one).
    """
    made, radius = task.safe_set, task.constraints.radius
    changes = {"move": move} if checked else {"move": move, "clearance": lambda crossing, corridor: jnp.inf}
    asking = dataclasses.replace(task, corridors=dataclasses.replace(task.corridors, **changes))

    def episode(key):
        begin_key, walk_key = jax.random.split(key)
        x, crossing, corridor = tasks.start(task, begin_key)
        x, corridor = 0.6 * x, jax.tree.map(lambda side: 0.6 * side, corridor)  # nearer to each other

        def step(at, key):
            (x, crossing, corridor), (way_key, far_key) = at, jax.random.split(key)
            places = x[: len(x) // 2]
            way = jax.random.normal(way_key, x.shape, x.dtype) - 0.5 * jnp.concatenate([places, places])
            way = way * jnp.asarray(radius, x.dtype)
            rates = jnp.asarray(made.normals, x.dtype) @ way
            slack = safe_set.offsets_of(made, corridor, x.dtype) - jnp.asarray(made.normals, x.dtype) @ x
            reach = jnp.min(jnp.where(rates > 0, slack / jnp.where(rates > 0, rates, 1.0), jnp.inf))
            share = jnp.minimum(1.5 * jax.random.uniform(far_key, dtype=x.dtype), 0.999)
            there = x + share * reach * way
            x = jnp.where(safe_set.contains(made, there, corridor), there, x)
            crossing = crossing._replace(step=crossing.step + 1)
            following = tasks.moved(asking, x, crossing, corridor)
            kept, covered = safe_set.contains(made, x, following), safe_set.may_be(made, following)
            new = jnp.any(following.low != corridor.low)
            return (x, crossing, following), (following, kept, covered, new)

        return jax.lax.scan(step, (x, crossing, corridor), jax.random.split(walk_key, steps))[1]

    run = jax.jit(jax.vmap(episode))
    return jax.tree.map(np.asarray, run(jax.random.split(jax.random.key(0), batch)))


def test_boxes_stay_apart_wherever_the_bodies_are_thrown():
    corridors = thrown_about(APART)
    apart = separation(boxes_only(), corridors)
    assert apart.min() >= APART
    assert np.mean(corridors.high - corridors.low) > 0.2, "nothing ever grew"
    assert (apart < APART + 1e-3).mean() > 0.3, "boxes hardly ever met"


def test_a_rule_that_ignores_the_others_overlaps():
    """The negative control: what keeps boxes apart is that each sees the others."""
    assert (separation(boxes_only(), thrown_about(-1.0)) == 0).mean() > 0.3


@pytest.mark.slow
def test_a_hundred_thousand_exchanges_keep_boxes_apart_unasked(task):
    corridors, kept, covered, new = wander(task, rule(task), checked=False, steps=400, batch=256)
    apart = separation(task.safe_set, corridors)
    assert apart.size >= 1e5
    assert apart.min() >= APART
    assert kept.all()
    assert covered.all()
    assert new.mean() > 0.99
    assert (apart < APART + 1e-3).mean() > 0.3, "boxes hardly ever met"


@pytest.mark.slow
def test_the_environment_refuses_a_rule_that_ignores_the_others(task):
    ignoring = rule(task, apart=-1.0)
    corridors, *_ = wander(task, ignoring, checked=False)
    assert (separation(task.safe_set, corridors) == 0).mean() > 0.3
    corridors, kept, _, new = wander(task, ignoring, checked=True)
    assert separation(task.safe_set, corridors).min() >= APART
    assert kept.all()
    assert 0 < new.mean() < 0.9


@pytest.mark.slow
def test_single_precision_keeps_boxes_apart(task, single_precision):
    corridors, kept, covered, new = wander(task, rule(task), checked=False, steps=200)
    assert corridors.low.dtype == np.float32
    assert separation(task.safe_set, corridors).min() >= APART
    assert kept.all()
    assert covered.all()
    assert new.mean() > 0.9


def test_the_clearance_is_the_least_separation_rounded_down():
    rng = np.random.default_rng(0)
    low = rng.uniform(-4, 4, (500, 2 * BODIES))
    corridors = Corridor(low, low + rng.uniform(0, 1, low.shape))
    found = jax.jit(jax.vmap(lambda corridor: crowd_clearance(boxes_only(), corridor, APART)))(corridors)
    true = separation(boxes_only(), corridors) - APART
    assert (found < true).all()
    np.testing.assert_allclose(found, true, rtol=0, atol=1e-12)
    assert 0.1 < (found < 0).mean() < 0.95


def test_separations_of_boxes_by_hand():
    corner = jnp.array([[0.0, 0.0], [4.0, 5.0], [0.0, 9.0]])
    size = jnp.array([[1.0, 1.0], [6.0, 6.0], [1.0, 1.0]])
    least = jax.jit(jax.vmap(lambda size: least_separation(corner[:2], corner[:2] + size)))(size)
    np.testing.assert_allclose(least, [5.0, 0.0, 5.0])  # 3 and 4 apart, overlapping, 3 and 4


def test_everybody_has_the_first_turn():
    """Two bodies that want the same room: who grows first gets it, and that is another one each time."""
    x = np.zeros((BATCH, 4 * BODIES))
    x[:, : 2 * BODIES] = [-0.6, 0.0, 0.6, 0.0, 4.0, 4.0, -4.0, -4.0]
    at = Corridor(x[:, : 2 * BODIES], x[:, : 2 * BODIES])
    for turn, first in ((0, 0), (1, 1), (4, 0), (5, 1)):
        following, clear = exchanged()(x, at, APART, turn)
        gained = [float(following.high[0, 0]) + 0.6, 0.6 - float(following.low[0, 2])]
        assert gained[first] > gained[1 - first] + 0.05
        assert (np.asarray(clear) >= 0).all()
