"""The planar quadrotor among obstacles: its proof, its scenes, and that it can be flown through them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from safebench.env.corridor import Corridor
from safebench.env.environment import Env
from safebench.env.shipped import shipped_model
from safebench.runs.api import guard
from safebench.sets.polytope import Box
from safebench.sets.proof import prove
from safebench.tasks import quadrotor_obstacles as module

STATE = jnp.zeros(6)


@pytest.fixture(scope="module")
def task(task_of):
    return task_of("quadrotor-obstacles", "compiled")


@pytest.fixture(scope="module")
def start(task):
    return task.corridors.begin(jax.random.key(1))


@pytest.mark.slow
def test_the_set_is_proven_for_all_corridors_and_not_for_more_wind(task):
    proven = prove(task)
    assert proven.passed, proven.failures
    assert proven.slacks["corridors"] >= 0
    wind = Box(1.2 * task.disturbance.lower, 1.2 * task.disturbance.upper)
    # A certificate for that wind that says otherwise the same, so that only the set itself is at fault.
    claimed = replace(task, disturbance=wind, certificate=replace(task.certificate, disturbance=wind))
    refused = prove(claimed)
    assert not refused.passed
    assert refused.slacks["corridors"] < 0


def test_the_body_lies_inside_its_disc_whatever_its_roll():
    model, reach = shipped_model(module.__file__), 0.0
    round_ones = {int(mujoco.mjtGeom.mjGEOM_CAPSULE): 1.0, int(mujoco.mjtGeom.mjGEOM_CYLINDER): 0.0}
    for index in range(model.ngeom):
        kind, size = int(model.geom_type[index]), model.geom_size[index]
        if kind in round_ones:  # about its own axis; no wider than a box around it
            size = [size[0], size[0], size[1] + round_ones[kind] * size[0]]
        else:
            assert kind == int(mujoco.mjtGeom.mjGEOM_BOX)
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, model.geom_quat[index])
        extent = np.abs(rotation.reshape(3, 3)) @ size
        reach = max(reach, float(np.hypot(*(np.abs(model.geom_pos[index]) + extent)[[0, 2]])))
    assert reach <= module.BODY
    assert reach > 0.95 * module.BODY  # a disc no larger than it need be


def test_a_centre_in_a_disc_violates_and_the_body_touches_the_obstacle_there():
    scene = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), module.scenes(module.ARENA, count=4))
    shown = module.picture(STATE, scene, Corridor(scene.start, scene.start))
    centre, radius = np.asarray(scene.discs.centre[0]), float(scene.discs.radius[0])
    excess = jax.jit(module.excess)
    for share, violates in ((0.99, True), (1.01, False)):
        x = STATE.at[:2].set(centre + np.array([share * radius, 0.0]))
        deepest = float(excess(x, scene).max())
        assert (deepest > 0) is violates
        assert deepest == pytest.approx(1 - share)
        touches = share * radius < float(shown.obstacles.radius[0]) + module.BODY
        assert touches is violates
    there = np.asarray(scene.discs.radius) > 0
    assert (np.asarray(shown.obstacles.radius) > 0).tolist() == there.tolist()


@pytest.mark.slow
def test_the_reward_is_the_way_left_and_the_motion(task, start):
    scene, reward = (
        start.context,
        jax.jit(lambda after: task.reward(STATE, jnp.zeros(2), after, start.context)),
    )
    at_goal = STATE.at[:2].set(scene.goal)
    assert float(reward(at_goal)) == pytest.approx(0.0, abs=1e-6)
    assert float(reward(at_goal.at[3].set(0.5))) == pytest.approx(-0.1 * 0.25, abs=1e-6)
    assert bool(task.reached(at_goal, scene)[0])
    assert not bool(task.reached(start.x, scene)[0])
    straight = float(np.linalg.norm(scene.goal - scene.start))
    assert straight <= -float(reward(start.x)) < 2 * straight


@pytest.mark.slow
def test_observation_and_reward_have_finite_values_and_derivatives_everywhere(task, start):
    scene, corridor = start.context, start.corridor
    disc = scene.discs.centre[0]
    places = [scene.goal, scene.start, disc, disc + jnp.array([scene.discs.radius[0], 0.0]), corridor.low]
    anywhere = jax.random.uniform(jax.random.key(0), (512, 2), minval=-8.0, maxval=8.0)
    x = jnp.pad(jnp.concatenate([jnp.stack(places), anywhere]), ((0, 0), (0, 4)))

    def both(x):
        return task.observe(x, scene, corridor), task.reward(x, jnp.zeros(2), x, scene)

    values = jax.jit(jax.vmap(both))(x)
    derivatives = jax.jit(jax.vmap(jax.jacrev(both)))(x)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((values, derivatives)))
    assert float(jnp.abs(values[0]).max()) < 6  # of the order of one
    assert float(jnp.abs(derivatives[1][..., :2]).max()) > 0.9  # towards the goal it is one


def steer(observation):
    """Fly along the shortest way: a velocity to follow, and the roll that gives the acceleration."""
    _, *speeds = observation[2:5] * jnp.array([module.ROLL, module.SPEED, module.CLIMB])
    direction, left = observation[-3:-1], 8.0 * observation[-1]
    wanted = jnp.minimum(left, 1.0) * direction * jnp.array([module.SPEED, module.CLIMB])
    acceleration = 1.5 * (wanted - jnp.array(speeds))
    roll = jnp.clip(acceleration[0] / 9.81, -0.25, 0.25) * 70 / 55
    return jnp.clip(jnp.array([acceleration[1] * 7 / 6, roll / module.ROLL]), -1, 1)


def flown(task, preset, keys):
    """Per episode: whether the goal was reached, and the safety of every step."""
    env = Env(task, guard(preset))

    def step(episode, _):
        episode, outcome = env.advance(episode, steer(env.observe(episode)))
        return episode, (outcome.reached[0], outcome.safety)

    run = jax.jit(jax.vmap(lambda episode: jax.lax.scan(step, episode, length=task.horizon)[1]))
    reached, safety = run(jax.vmap(env.begin)(keys))
    return np.asarray(reached).any(axis=1), jax.tree.map(np.asarray, safety)


def unharmed(safety):
    counts = (safety.violations, safety.departures, safety.infeasible, safety.last_line, safety.non_finite)
    return not any(count.any() for count in counts)


@pytest.mark.slow
def test_a_scripted_pilot_reaches_its_goal_guarded_and_hits_obstacles_unguarded(task):
    keys = jax.random.split(jax.random.key(7), 32)
    reached, safety = flown(task, "ray-mask", keys)
    assert reached.all()  # of 256 scenes three are not: the body comes to rest in a corner between two discs
    assert unharmed(safety)
    assert safety.interventions.sum() > 0
    assert safety.switches.sum() > 0
    _, unguarded = flown(task, "none", keys)
    assert unguarded.violations.any(axis=1).mean() > 0.2
    assert not unharmed(unguarded)
