"""The arm among obstacles: its proof, its geometry against the model's, its ground truth, a scripted run."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from arm_gap import arm_gap

from safebench.env.corridor import Corridor
from safebench.env.environment import Env
from safebench.env.picture import Discs
from safebench.env.shipped import shipped_model
from safebench.physics.dynamics import mechanical
from safebench.runs.api import guard
from safebench.sets.polytope import Box
from safebench.sets.proof import prove
from safebench.tasks import arm2_obstacles as module


@pytest.fixture(scope="module")
def task(task_of):
    return task_of("arm2-obstacles", "compiled")


@pytest.fixture(scope="module")
def start(task):
    return jax.jit(task.corridors.begin)(jax.random.key(1))


@pytest.mark.slow
def test_the_set_is_proven_for_all_corridors_and_not_for_more_wind(task):
    proven = prove(task)
    assert proven.passed, proven.failures
    assert proven.slacks["corridors"] >= 0
    wind = Box(2 * task.disturbance.lower, 2 * task.disturbance.upper)
    claimed = replace(task, disturbance=wind, certificate=replace(task.certificate, disturbance=wind))
    refused = prove(claimed)
    assert not refused.passed
    assert refused.slacks["corridors"] < 0


@pytest.mark.slow
def test_torques_are_bounded_at_all_angles_and_a_limit_that_cannot_be_kept_is_not_proven(task):
    proven = prove(task)
    assert [force.limit for force in proven.forces] == [17, 5]
    # By the model's own inverse dynamics at the corners and at random states of the whole box.
    model = shipped_model(module.__file__)
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    found = np.zeros(2)
    for _ in range(3000):
        x = rng.choice([-1.0, 1.0, rng.uniform(-1, 1)], 4) * task.constraints.upper
        data.qpos[:], data.qvel[:], data.qacc[:] = x[:2], x[2:], 5 * rng.choice([-1.0, 1.0], 2)
        mujoco.mj_inverse(model, data)
        found = np.maximum(found, np.abs(data.qfrc_inverse))
    for force, largest in zip(proven.forces, found, strict=True):
        assert 0.9 * force.largest < largest <= force.largest <= force.limit
    model.actuator_forcerange[1] = [-4.0, 4.0]
    weak = mechanical(model, np.eye(2), "compiled", commands="acceleration")
    refused = prove(replace(task, dynamics=weak))
    assert refused.slacks["forces"] < 0


def test_the_free_box_reaches_no_farther_than_the_task_says(task):
    """Observation and scenes count on `FREE`."""
    np.testing.assert_allclose(task.safe_set.free_high, module.FREE, rtol=1e-5)
    np.testing.assert_allclose(task.safe_set.free_low, -module.FREE, rtol=1e-5)
    assert (task.safe_set.free_high <= module.FREE).all()
    assert (task.safe_set.free_low >= -module.FREE).all()


def test_the_arm_is_the_models():
    model = shipped_model(module.__file__)
    data = mujoco.MjData(model)
    capsules = [k for k in range(model.ngeom) if model.geom_type[k] == mujoco.mjtGeom.mjGEOM_CAPSULE]
    assert len(capsules) == 2
    for q in np.random.default_rng(0).uniform(-2.8, 2.8, (20, 2)):
        data.qpos[:] = q
        mujoco.mj_kinematics(model, data)
        corners = np.asarray(module.arm_corners(module.ARM, jnp.asarray(q)))
        for k, geom in enumerate(capsules):
            radius, half = model.geom_size[geom][:2]
            assert radius == module.ARM.radius
            axis = half * data.geom_xmat[geom].reshape(3, 3)[:, 2]
            ends = np.stack([data.geom_xpos[geom] + axis, data.geom_xpos[geom] - axis])[:, [0, 2]]
            np.testing.assert_allclose(ends, corners[k : k + 2], atol=1e-12)
        np.testing.assert_allclose(data.site("tip").xpos[[0, 2]], corners[2], atol=1e-12)


def test_violations_are_the_true_distance_to_the_true_disc(start):
    discs = Discs(jnp.array([[0.7, 0.24], [0.1, 0.0], [0.0, 0.0]]), jnp.array([0.1, 0.05, -1.0]))
    scene = start.context._replace(discs=discs)
    excess = jax.jit(module.excess)(jnp.zeros(4), scene)
    np.testing.assert_allclose(excess, [-1.0, 1.8, -1.0], atol=1e-12)  # 0.1 m away; 0.05 + 0.04 m deep; none
    # Above 0 just where the independent distance is below 0, in scenes and at angles drawn at random.
    many, rng = module.arm_scenes(module.ARENA), np.random.default_rng(0)
    number, q = rng.integers(0, len(many.goal), 2000), rng.uniform(-2.5, 2.5, (2000, 2))
    centre, radius = (np.asarray(part)[number] for part in many.discs)

    def deepest(q, centre, radius):
        return module.excess(jnp.zeros(4).at[:2].set(q), scene._replace(discs=Discs(centre, radius))).max()

    found = np.asarray(jax.jit(jax.vmap(deepest))(q, centre, radius))
    np.testing.assert_array_equal(found > 0, arm_gap(q, centre, radius) < 0)
    assert 0.05 < (found > 0).mean() < 0.95


def test_the_goal_is_where_the_tip_should_be(start):
    goal = start.context.goal
    at_goal = jnp.zeros(4).at[:2].set(goal)
    assert bool(module.reached(at_goal, start.context)[0])
    assert not bool(module.reached(start.x, start.context)[0])
    # Turning the whole arm by t moves the tip by 2 sin(t / 2) times its distance from the shoulder.
    away = float(jnp.linalg.norm(module.target(start.context)))
    for far, there in ((0.049, True), (0.051, False)):
        turned = at_goal.at[0].add(2 * np.arcsin(far / away / 2))
        assert bool(module.reached(turned, start.context)[0]) is there


def test_the_reward_is_the_way_left(start):
    scene = start.context
    reward = jax.jit(lambda after: module.reward(jnp.zeros(4), jnp.zeros(2), after, scene))
    assert float(reward(jnp.zeros(4).at[:2].set(scene.goal))) == pytest.approx(0, abs=1e-5)
    straight = float(jnp.linalg.norm(scene.goal - scene.start))
    assert 0.95 * straight < -float(reward(start.x)) < 10 * straight
    assert float(reward(start.x.at[0].set(50.0))) < -100, "leaving the joints' range pays"


def test_observations_are_of_the_order_of_one_everywhere(start):
    places = jax.random.uniform(jax.random.key(0), (512, 4), minval=-1.0, maxval=1.0)
    places = places * module.CONSTRAINTS.upper

    def seen(x):
        here = Corridor(*[jnp.clip(x[:2], -2.35, 2.35)] * 2)
        return module.observe(x, start.context, here)

    values, slopes = jax.jit(jax.vmap(lambda x: (seen(x), jax.jacrev(seen)(x))))(places)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    assert 0.5 < np.abs(values).max() < 6


def steer(observation):
    """Follow the shortest way, faster than the joints may turn."""
    speeds, direction, left = module.SPEED * observation[2:4], observation[8:10], 3.0 * observation[10]
    wanted = 1.3 * module.SPEED * jnp.minimum(2 * left, 1.0) * direction
    return jnp.clip((wanted - speeds) * 4 / 5, -1, 1)


def straight(observation):
    """Straight to the goal's angles, whatever is in the way."""
    speeds, towards = module.SPEED * observation[2:4], 3.0 * observation[:2]
    return jnp.clip((jnp.clip(3 * towards, -1.4, 1.4) - speeds) * 4 / 5, -1, 1)


def moved(task, preset, policy, count=64):
    """Per episode: whether the goal was reached, joint angles, scene and the safety of every step."""
    env = Env(task, guard(preset))

    def step(episode, _):
        episode, outcome = env.advance(episode, policy(env.observe(episode)))
        return episode, (outcome.reached[0], episode.x[:2], outcome.safety)

    # A step less than the horizon: the last one begins another episode.
    run = jax.jit(jax.vmap(lambda episode: jax.lax.scan(step, episode, length=task.horizon - 1)[1]))
    begun = jax.vmap(env.begin)(jax.random.split(jax.random.key(7), count))
    reached, q, safety = jax.tree.map(np.asarray, run(begun))
    discs = [np.asarray(part)[:, None] for part in begun.context.discs]
    return reached.any(axis=1), arm_gap(q, *discs), safety


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["boundary-projection", "ray-mask"])
def test_a_scripted_arm_reaches_its_goal_guarded_and_never_touches(task, preset):
    reached, gap, safety = moved(task, preset, steer)
    assert reached.mean() >= 0.9
    assert gap.min() > 0
    for count in (safety.violations, safety.departures, safety.infeasible, safety.last_line):
        assert count.sum() == 0
    assert safety.interventions.sum() > 0
    assert safety.switches.sum() > 0


@pytest.mark.slow
def test_straight_to_the_goal_touches_obstacles_unguarded_and_none_guarded(task):
    _, gap, safety = moved(task, "none", straight)
    assert (gap < 0).any(axis=1).mean() > 0.3
    np.testing.assert_array_equal((gap < 0).any(axis=1) & ~safety.violations.any(axis=1), False)
    _, gap, safety = moved(task, "ray-mask", straight)
    assert gap.min() > 0
    assert safety.violations.sum() == 0
