"""The arms: chains of any length, targets that can be reached, torques that are proven."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import safebench
from safebench import registry
from safebench.commands import picture
from safebench.env.corridor import FIXED
from safebench.physics.dynamics import mechanical
from safebench.sets.proof import verify
from safebench.task import site_position
from safebench.tasks import arm2


@pytest.fixture(scope="module")
def two():
    return registry.make_task("arm2", "compiled")


@pytest.mark.parametrize("links", [2, 4, 7, 14])
def test_an_arm_has_its_links_and_every_joint_is_named(links):
    model = arm2.model(links)
    assert [model.joint(k).name for k in range(model.njnt)] == [f"joint{k + 1}" for k in range(links)]
    assert [model.actuator(k).name for k in range(model.nu)] == [f"motor{k + 1}" for k in range(links)]
    assert model.actuator_trnid[:, 0].tolist() == list(range(links))
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    if links != arm2.PANDA:
        np.testing.assert_allclose(data.site("tip").xpos, [links / 2, 0, 0], atol=1e-12)
        np.testing.assert_allclose(model.body_mass.sum(), links)


def test_the_seven_joint_arm_is_stretched_where_its_data_sheet_says():
    """0.333 + 0.316 + 0.384 m above the base, then 0.088 m aside and 0.107 m down to the flange."""
    model = arm2.model(7)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    np.testing.assert_allclose(data.site("tip").xpos, [0.088, 0, 0.333 + 0.316 + 0.384 - 0.107], atol=1e-12)


@pytest.mark.parametrize("links", [1, 33, 2.0, True, "2"])
def test_other_numbers_of_links_are_refused(links):
    with pytest.raises(ValueError, match=r"links must be a whole number from 2 to 32, not"):
        arm2.make("compiled", links)


def test_a_number_of_links_without_a_certificate_says_how_to_find_one():
    with pytest.raises(ValueError, match=r"no certificate .*arm3\.npz"):
        arm2.make("compiled", 3)


def test_a_third_of_the_targets_needs_the_elbow_near_an_end_of_its_range(two):
    keys = jax.random.split(jax.random.key(0), 4000)
    targets = np.asarray(jax.vmap(lambda key: two.begin(key, jnp.zeros(4)).target)(keys))
    distance = np.linalg.norm(targets, axis=1)
    elbow = 2 * np.arccos(np.clip(distance, 0, 1))  # two links of half a metre: the triangle's angle
    assert (elbow <= 2.5 + 1e-9).all()
    # An end of -2.5 .. 2.5 is near at 2 and beyond, on either side: a third, and a fifth of the others.
    assert abs((elbow >= 2.0).mean() - (1 / 3 + 2 / 3 / 5)) < 0.03


def test_the_reward_is_the_distance_and_the_goal_is_reached_there(two):
    goal = arm2.Goal(jnp.array([0.5, 0.0, -0.5]))
    there, away = jnp.array([0.0, np.pi / 2, 0.0, 0.0]), jnp.zeros(4)
    still = jnp.zeros(2)
    np.testing.assert_allclose(two.reward(there, still, there, goal), 0.0, atol=1e-12)
    np.testing.assert_allclose(two.reward(away, still, away, goal), -np.sqrt(0.5), atol=1e-12)
    assert two.reward(there, jnp.ones(2), there, goal) == pytest.approx(-0.01)
    assert two.reached(there, goal).tolist() == [True]
    assert two.reached(away, goal).tolist() == [False]


@pytest.mark.parametrize("name", ["arm2", "arm7"])
def test_the_arm_is_told_which_way_each_joint_brings_the_tip_nearer(name):
    """The transposed Jacobian of C MuJoCo, times the way to the target."""
    task = registry.make_task(name, "compiled")
    model = task.dynamics.model
    data, jacobian = mujoco.MjData(model), np.zeros((3, model.nv))
    x = task.starts[0]
    goal = arm2.Goal(jnp.array([0.2, -0.3, 0.4]))
    data.qpos[:] = x[: model.nq]
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_jacSite(model, data, jacobian, None, 0)
    way = np.asarray(goal.target) - data.site_xpos[0]
    *_, turn = np.split(np.asarray(task.observe(jnp.asarray(x), goal)), [-model.nv])
    np.testing.assert_allclose(turn, jacobian.T @ way, atol=1e-12)


def test_the_target_is_shown_where_the_camera_sees_it():
    """At angles that put the tip on the target, the star is where the picture of the model has its tip."""
    task = registry.make_task("arm7", "compiled")
    model = task.dynamics.model
    data = mujoco.MjData(model)
    data.qpos[:] = task.starts[1][: model.nq]
    mujoco.mj_kinematics(model, data)
    shown = task.picture(jnp.asarray(task.starts[1]), arm2.Goal(jnp.asarray(data.site_xpos[0])), FIXED)
    seen = data.site_xpos[0] @ picture.first_camera(model)
    np.testing.assert_allclose(shown.goals, [seen], atol=1e-12)
    view = picture.view_of(model, data.qpos[None], seen[None] + 5.0)
    assert (view.high > seen + 5.0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seconds"), [("arm2", 10), ("arm7", 15)])
def test_every_target_can_be_reached_in_an_episode_and_not_much_sooner(name, seconds):
    """Guarded, by a controller that is told the angles at the target and drives every joint there."""
    env = safebench.make(name, "boundary-projection", physics="compiled")
    task, n = env.task, len(env.task.action_names)
    low, high = (jnp.asarray(side[:n]) for side in (task.constraints.lower, task.constraints.upper))
    fastest = 0.9 * task.constraints.upper[n:]
    assert task.horizon * task.control_period == pytest.approx(seconds)

    def arrival(key):
        angles, start = jax.random.split(key)
        wanted = low + jax.random.uniform(angles, (n,)) * (high - low)
        tip = site_position(task.dynamics.model, "tip")
        episode = env.begin(start)._replace(context=arm2.Goal(tip(wanted)))

        def step(episode, _):
            q, v = jnp.split(episode.x, 2)
            speed = jnp.clip(2 * (wanted - q), -fastest, fastest)
            action = jnp.clip((speed - v) / task.control_period / acceleration, -1, 1)
            episode, outcome = env.advance(episode, action)
            return episode, outcome.reached[0]

        _, reached = jax.lax.scan(step, episode, length=task.horizon)
        return jnp.where(reached.any(), jnp.argmax(reached), jnp.inf)

    acceleration = task.dynamics.model.actuator_ctrlrange[:, 1]
    steps = jax.jit(jax.vmap(arrival))(jax.random.split(jax.random.key(0), 256))
    assert jnp.isfinite(steps).all()
    if name == "arm7":
        assert 0.05 < (steps >= 10 / task.control_period).mean() < 0.25


@pytest.mark.parametrize("limit", [5.0, 4.0])
def test_a_torque_limit_that_cannot_be_kept_is_not_proven(two, limit):
    model = arm2.model(2)
    model.actuator_forcerange[1] = [-limit, limit]
    dynamics = mechanical(model, np.eye(2), "compiled", "acceleration")
    proof = verify(two.certificate, dynamics.include(two.constraints, two.disturbance))
    assert proof.passed == (limit == 5.0)
    assert [failure.split(":")[0] for failure in proof.failures] == ([] if limit == 5.0 else ["forces"])
    assert proof.forces[1].limit == limit
    assert 4.0 < proof.forces[1].largest < 4.5
