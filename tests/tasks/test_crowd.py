"""The crowd: its way round the middle, its models, its starts, collisions, and that it can be crossed."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench import registry
from safebench.env import task as tasks
from safebench.env.environment import Env
from safebench.runs.api import guard
from safebench.sets.proof import prove
from safebench.tasks import crowd as module

SIZES = [4, pytest.param(8, marks=pytest.mark.slow), pytest.param(16, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def task(task_of):
    return task_of("crowd", "compiled")


# ---------------------------------------------------------------------------------- the way


def test_the_way_is_the_taut_string_counter_clockwise():
    """From (-2, 0) to (2, 0) round the unit disc: below it, two tangents and sixty degrees of the rim."""
    way = jax.jit(lambda place, goal: module.way(place, goal, 1.0))
    length, direction = way(jnp.array([-2.0, 0.0]), jnp.array([2.0, 0.0]))
    assert float(length) == pytest.approx(2 * math.sqrt(3) + math.pi / 3)
    np.testing.assert_allclose(direction, [math.sqrt(3) / 2, -0.5], atol=1e-12)
    there, _ = way(jnp.array([2.0, 0.0]), jnp.array([2.0, 0.0]))
    assert float(there) == pytest.approx(0.0, abs=1e-12)
    seen, direct = way(jnp.array([2.0, 0.0]), jnp.array([2.0, 1.0]))
    assert float(seen) == pytest.approx(1.0)
    np.testing.assert_allclose(direct, [0.0, 1.0], atol=1e-12)
    back, _ = way(jnp.array([2.0, 0.5]), jnp.array([2.0, -0.5]))
    assert float(back) == pytest.approx(1.0)  # passed by less than a quarter turn


def test_following_the_direction_walks_the_length_and_stays_outside_the_disc():
    rng = np.random.default_rng(0)
    angle, turn = rng.uniform(-np.pi, np.pi, 64), rng.uniform(0.1, 1.45 * np.pi, 64)
    far, there = rng.uniform(1.1, 4.0, (2, 64))
    start = far[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    goal = there[:, None] * np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=1)
    pace = 0.01

    @jax.jit
    @jax.vmap
    def walk(place, goal):
        def step(place, _):
            length, direction = module.way(place, goal, 1.0)
            after = place + jnp.minimum(length, pace) * direction
            return after, (length, jnp.linalg.norm(after), jnp.cross(place, after) / jnp.sum(place**2))

        last, walked = jax.lax.scan(step, place, length=1200)
        return last, *walked

    last, length, far, turned = walk(jnp.asarray(start), jnp.asarray(goal))
    np.testing.assert_allclose(last, goal, atol=0.02)
    moving = length[:, :-1] > 0.05
    shorter = (length[:, :-1] - length[:, 1:])[moving]
    np.testing.assert_allclose(shorter, pace, atol=5e-4)  # the direction is the steepest way down
    assert far.min() > 0.999
    around = np.where(length > 0.05, turned, 0.0).sum(axis=1)
    np.testing.assert_allclose(around, turn, atol=0.1)  # every one the same way round


def test_the_gradient_of_the_way_is_its_direction():
    rng = np.random.default_rng(1)
    place, goal = rng.uniform(-3, 3, (2, 200, 2))
    slope = jax.jit(jax.vmap(jax.grad(lambda p, g: module.way(p, g, 1.0)[0])))
    gradient = slope(place, goal)
    _, direction = jax.jit(jax.vmap(lambda p, g: module.way(p, g, 1.0)))(place, goal)
    outside = np.linalg.norm(place, axis=1) > 1.01
    np.testing.assert_allclose(gradient[outside], -direction[outside], atol=1e-9)
    assert np.isfinite(gradient).all()
    assert outside.mean() > 0.5
    special = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.5]])  # the middle, the rim, the goal itself
    assert np.isfinite(slope(np.resize(special, (200, 2)), np.resize([2.0, 0.5], (200, 2)))).all()


# ------------------------------------------------------------------------------- the model


@pytest.mark.parametrize("bodies", [4, 8, 16])
def test_every_body_is_a_copy_of_one(bodies):
    model = module.model(bodies)
    names = tasks.state_names(model)
    assert [name[0] for name in names] == ["x", "y"] * 2 * bodies
    assert len(set(names)) == 4 * bodies
    assert all(name.endswith("dot") == (index >= 2 * bodies) for index, name in enumerate(names))
    assert model.nu == model.nv == 2 * bodies
    assert [model.joint(int(j)).id for j in model.actuator_trnid[:, 0]] == list(range(2 * bodies))
    np.testing.assert_array_equal(model.body_mass[1:], 1.0)
    np.testing.assert_array_equal(model.actuator_gear[:, 0], 2.0)
    np.testing.assert_array_equal(model.geom_size[:, 0], module.RADIUS)


def test_one_step_moves_every_body_alone(task):
    affine = task.dynamics.linearise(jnp.zeros(16))
    eye, zero, dt = np.eye(8), np.zeros((8, 8)), task.control_period
    np.testing.assert_allclose(affine.control, np.vstack([2 * dt**2 * eye, 2 * dt * eye]), atol=1e-12)
    drift = task.dynamics.linearise(jnp.arange(16.0)).drift
    np.testing.assert_allclose(drift, np.block([[eye, dt * eye], [zero, eye]]) @ np.arange(16.0), atol=1e-12)


def test_other_numbers_of_bodies_are_refused():
    with pytest.raises(ValueError, match="bodies must be one of 4, 8, 16, not 5"):
        module.make(bodies=5)


# ------------------------------------------------------------------------------- the task


@pytest.mark.parametrize("bodies", SIZES)
def test_episodes_begin_apart_at_rest_and_lead_across(task_of, bodies):
    task = task_of(module.name_of(bodies), "compiled")

    def at(key):
        x, crossing, corridor = tasks.start(task, key)
        clear = task.corridors.clearance(crossing, corridor)
        return x, crossing.goals, clear, tasks.violation(task, x, crossing), tasks.reached(task, x, crossing)

    x, goals, clear, (violated, _), reached = jax.jit(jax.vmap(at))(jax.random.split(jax.random.key(0), 256))
    assert (clear > 0).all()
    assert not violated.any()
    assert not reached.any()
    np.testing.assert_array_equal(x[:, 2 * bodies :], 0.0)
    np.testing.assert_allclose(goals.reshape(256, -1), -x[:, : 2 * bodies])
    assert len(np.unique(x[:, 0])) > 200
    longest = np.linalg.norm(goals, axis=-1).max()
    assert longest < task.constraints.upper[0] - module.FREE


def test_bodies_that_overlap_are_a_violation(task):
    x, crossing, _ = jax.jit(lambda key: tasks.start(task, key))(jax.random.key(0))
    violation = jax.jit(lambda x: tasks.violation(task, x, crossing))
    for apart, violates in ((0.49, True), (0.51, False)):
        beside = x.at[2:4].set(x[:2] + jnp.array([apart, 0.0]))
        violated, beyond = violation(beside)
        assert bool(violated) is violates
        assert float(beyond) == pytest.approx(max(1 - apart / 0.5, float(beyond)))


def test_reward_is_best_with_everybody_at_the_goal(task):
    x, crossing, _ = jax.jit(lambda key: tasks.start(task, key))(jax.random.key(0))
    reward = jax.jit(lambda after: task.reward(x, jnp.zeros(8), after, crossing))
    there = x.at[:8].set(crossing.goals.ravel())
    assert float(reward(there)) == pytest.approx(0.0, abs=1e-9)
    one_short = there.at[:2].set(x[:2])
    assert float(reward(one_short)) < -1.0
    assert tasks.reached(task, there, crossing).all()
    np.testing.assert_array_equal(tasks.reached(task, one_short, crossing), [False, True, True, True])


def test_gradients_are_finite_where_bodies_coincide(task):
    x, crossing, corridor = jax.jit(lambda key: tasks.start(task, key))(jax.random.key(0))
    slope = jax.jit(jax.jacrev(lambda x: task.observe(x, crossing, corridor)))
    for place in (x, jnp.zeros(16), x.at[:8].set(crossing.goals.ravel())):
        assert np.isfinite(slope(place)).all()


# ---------------------------------------------------------------------------- the certificate


@pytest.mark.slow
@pytest.mark.parametrize("bodies", [4, 8, 16])
def test_its_certificate_is_proven_and_a_larger_set_is_not(bodies):
    task = registry.make_task(module.name_of(bodies), "compiled")
    found = prove(task)
    assert found.passed, found.failures
    assert len(task.certificate.translation_limits) == 2 * bodies
    own = task.certificate
    larger = dataclasses.replace(own, offsets=1.02 * own.offsets, base_offsets=1.02 * own.base_offsets)
    assert not prove(dataclasses.replace(task, certificate=larger)).passed


# ------------------------------------------------------------------------------- crossing it


def drive(bodies, preset, act, steps=None, episodes=24):
    """Whether each body of each episode came to its goal, and the safety counters of all steps."""
    task = registry.make_task(module.name_of(bodies), "compiled")
    env = Env(task, guard(preset))
    assert steps is None or steps <= task.horizon, "a new episode would begin, and count"

    def step(episode, _):
        episode, outcome = env.advance(episode, act(bodies, episode))
        return episode, (outcome.reached, outcome.safety)

    many = jax.vmap(env.begin)(jax.random.split(jax.random.key(7), episodes))
    run = jax.jit(jax.vmap(lambda one: jax.lax.scan(step, one, length=steps or task.horizon)[1]))
    reached, safety = run(many)
    return np.asarray(reached).any(axis=1), jax.tree.map(np.asarray, safety)


def along_the_way(bodies, episode):
    """Everybody at nearly full speed along its way, veering right where its free box soon ends.

    Without veering two that meet head-on stay in each other's way: 98.4 to 99.0 % of eight came across.
    """
    places, speeds = episode.x.reshape(2, bodies, 2)
    radius = bodies * module.ROOM / (2 * math.pi)
    length, direction = jax.vmap(lambda p, g: module.way(p, g, radius))(places, episode.context.goals)
    low, high = (side.reshape(bodies, 2) for side in episode.corridor)
    room = jnp.where(direction > 0, high + module.FREE - places, places - low + module.FREE)
    ahead = jnp.min(room / jnp.maximum(jnp.abs(direction), 1e-6), axis=-1, keepdims=True)
    right = jnp.stack([direction[:, 1], -direction[:, 0]], axis=-1)
    direction += 2.0 * jnp.clip(1 - ahead / 0.5, 0.0, 1.0) * right
    direction /= jnp.linalg.norm(direction, axis=-1, keepdims=True)
    wanted = 0.95 * jnp.minimum(length, 1.0)[:, None] * direction
    return jnp.clip(2.5 * (wanted - speeds), -1, 1).ravel()


def at_the_next(bodies, episode):
    """Everybody at another body, again another one after a while, as hard as it can."""
    places, speeds = episode.x.reshape(2, bodies, 2)
    other = jnp.roll(places, 1 + episode.steps // 60 % (bodies - 1), axis=0)
    return (10 * (other - places) - 2 * speeds).ravel()


@pytest.mark.slow
@pytest.mark.parametrize("bodies", [4, 8, 16])
def test_a_scripted_crowd_crosses_guarded_without_a_fault(bodies):
    reached, safety = drive(bodies, "ray-mask", along_the_way)
    assert reached.mean() >= 0.99
    for count in (safety.violations, safety.departures, safety.infeasible, safety.last_line):
        assert count.sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["boundary-projection", "ray-mask", "replacement"])
def test_bodies_that_chase_each_other_never_touch_unless_unguarded(preset):
    _, safety = drive(4, preset, at_the_next, steps=250, episodes=32)
    for count in (safety.violations, safety.departures, safety.infeasible, safety.last_line):
        assert count.sum() == 0
    assert safety.interventions.sum() > 0
    assert safety.worst_margin.max() > -0.5, "nobody came near another"
    _, unguarded = drive(4, "none", at_the_next, steps=60, episodes=8)
    assert unguarded.violations.any()
