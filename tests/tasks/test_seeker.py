"""The seeker: its proof, its ground truth by hand, what the blind one does not see, and a scripted run."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench import registry
from safebench.env.corridor import Corridor
from safebench.env.environment import Env
from safebench.env.picture import Discs
from safebench.runs.api import guard
from safebench.sets.polytope import Box
from safebench.sets.proof import prove
from safebench.tasks import seeker as module


@pytest.fixture(scope="module")
def task(task_of):
    return task_of("seeker", "compiled")


@pytest.fixture(scope="module")
def start(task):
    return jax.jit(task.corridors.begin)(jax.random.key(1))


@pytest.mark.parametrize("name", ["seeker", "seeker-blind"])
def test_the_set_is_proven_for_all_corridors_and_not_for_more_wind(name, task_of):
    task = task_of(name, "compiled")
    proven = prove(task)
    assert proven.passed, proven.failures
    assert proven.slacks["corridors"] >= 0
    wind = Box(2 * task.disturbance.lower, 2 * task.disturbance.upper)
    claimed = replace(task, disturbance=wind, certificate=replace(task.certificate, disturbance=wind))
    refused = prove(claimed)
    assert not refused.passed
    assert refused.slacks["corridors"] < 0


def test_the_free_box_reaches_no_farther_than_the_task_says(task):
    """Observation and picture draw it with `FREE`."""
    np.testing.assert_allclose(task.safe_set.free_high, module.FREE, rtol=1e-6)
    np.testing.assert_allclose(task.safe_set.free_low, -module.FREE, rtol=1e-6)


def test_violations_are_the_true_distance_to_the_true_disc(task, start):
    discs = Discs(jnp.array([[1.0, 0.0], [-2.0, 0.0]]), jnp.array([0.5, -1.0]))
    scene = start.context._replace(discs=discs)
    for place, deepest in ((1.0, 1.0), (1.25, 0.5), (1.5, 0.0), (1.5001, -0.0002), (-2.0, -1.0)):
        excess = module.excess(jnp.array([place, 0.0, 0.0, 0.0]), scene)
        assert float(excess.max()) == pytest.approx(deepest, abs=1e-9)


def test_the_goal_is_a_disc(start):
    for far, there in ((0.0, True), (0.299, True), (0.301, False)):
        x = jnp.zeros(4).at[:2].set(start.context.goal + jnp.array([far, 0.0]))
        assert bool(module.reached(x, start.context)[0]) is there


def test_the_reward_is_the_way_left(start):
    reward = jax.jit(lambda after: module.reward(jnp.zeros(4), jnp.zeros(2), after, start.context))
    assert float(reward(jnp.zeros(4).at[:2].set(start.context.goal))) == 0
    straight = float(jnp.linalg.norm(start.context.goal - start.context.start))
    left = -float(reward(start.x))
    assert straight < left < 2 * straight


def test_the_blind_one_is_the_same_but_for_the_way(task, task_of, start):
    blind = task_of("seeker-blind", "compiled")
    one, other = (jax.jit(each.observe)(start.x, start.context, start.corridor) for each in (task, blind))
    assert len(one) == len(other) + 3
    np.testing.assert_array_equal(one[: len(other)], other)
    assert blind.name == "seeker-blind"
    assert "seeker-blind" in registry.names("task")
    assert blind.certificate.task == "seeker-blind"
    np.testing.assert_array_equal(blind.certificate.normals, task.certificate.normals)


def test_observations_are_of_the_order_of_one_everywhere(task, start):
    places = jax.random.uniform(jax.random.key(0), (512, 4), minval=-1.0, maxval=1.0) * task.constraints.upper

    def seen(x):
        here = Corridor(jnp.clip(x[:2], -4.8, 4.8), jnp.clip(x[:2], -4.8, 4.8))
        return task.observe(x, start.context, here)

    values, slopes = jax.jit(jax.vmap(lambda x: (seen(x), jax.jacrev(seen)(x))))(places)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    assert 0.5 < np.abs(values).max() < 4


def steer(observation):
    """Follow the shortest way at nearly full speed."""
    velocity, direction, left = observation[2:4], observation[-3:-1], 5.0 * observation[-1]
    return jnp.clip(2.5 * (0.95 * jnp.minimum(left, 1.0) * direction - velocity), -1, 1)


def steered(task, preset, count=48):
    env = Env(task, guard(preset))

    def step(episode, _):
        episode, outcome = env.advance(episode, steer(env.observe(episode)))
        return episode, (outcome.reached[0], outcome.safety)

    run = jax.jit(jax.vmap(lambda episode: jax.lax.scan(step, episode, length=task.horizon)[1]))
    reached, safety = run(jax.vmap(env.begin)(jax.random.split(jax.random.key(7), count)))
    return np.asarray(reached).any(axis=1), jax.tree.map(np.asarray, safety)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["boundary-projection", "ray-mask", "replacement", "cbf-qp"])
def test_a_scripted_body_reaches_its_goal_guarded(task, preset):
    reached, safety = steered(task, preset)
    assert reached.mean() >= 0.95
    for count in (safety.violations, safety.departures, safety.infeasible, safety.last_line):
        assert count.sum() == 0
    assert safety.interventions.sum() > 0
    assert safety.switches.sum() > 0


@pytest.mark.slow
def test_straight_to_the_goal_unguarded_hits_the_disc_between(task):
    env = Env(task, guard("none"))

    def step(episode, _):
        towards = episode.context.goal - episode.x[:2]
        episode, outcome = env.advance(episode, jnp.clip(2 * towards - 2 * episode.x[2:], -1, 1))
        return episode, outcome.safety.violations

    run = jax.jit(jax.vmap(lambda episode: jax.lax.scan(step, episode, length=task.horizon)[1]))
    hits = run(jax.vmap(env.begin)(jax.random.split(jax.random.key(7), 48)))
    assert np.asarray(hits).any(axis=1).mean() > 0.9
