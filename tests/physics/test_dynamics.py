"""MJX against C MuJoCo and the closed form; exact affinity; names and ranges of what acts."""

import every_task
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from safebench.env.task import shipped_model
from safebench.physics.affine import predict
from safebench.physics.dynamics import linear, mechanical

TASKS = every_task.FILES
QUICK = ("pendulum", "energy")
EACH = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in TASKS]


def random_inputs(task, count, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(task.extent.lower, task.extent.upper, (count, len(task.state_names)))
    a = rng.uniform(-1, 1, (count, len(task.action_names)))
    w = rng.uniform(task.disturbance.lower, task.disturbance.upper, (count, len(task.disturbance.lower)))
    return x, a, w


def test_the_pendulum_is_the_closed_form(task_of):
    task = task_of("pendulum")
    x, a, w = random_inputs(task, 200)
    stepped = jax.vmap(task.dynamics.step)(x, a, w)
    acceleration = 1.5 * 9.81 * np.sin(x[:, 0]) + 3 * 30 * a[:, 0] + w[:, 0]
    speed = x[:, 1] + 0.05 * acceleration
    expected = np.stack([x[:, 0] + 0.05 * speed, speed], axis=1)
    np.testing.assert_allclose(stepped, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", EACH)
def test_mjx_equals_c_mujoco_with_the_disturbance_as_a_force(name, task_of):
    task = task_of(name)
    model = task.dynamics.model
    if model is None:
        assert task.dynamics.physics == "plain"
        return
    x, a, w = random_inputs(task, 50)
    stepped = jax.vmap(task.dynamics.step)(x, a, w)
    noise = np.asarray(jax.jit(task.dynamics.linearise)(jnp.asarray(x[0])).noise)
    data = mujoco.MjData(model)
    mass = np.zeros((model.nv, model.nv))
    ctrl = np.asarray(jax.jit(jax.vmap(task.dynamics.controls))(x, a))
    for i in range(len(x)):
        mujoco.mj_resetData(model, data)
        data.qpos, data.qvel, data.ctrl = x[i, : model.nq], x[i, model.nq :], ctrl[i]
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, mass)
        acceleration = noise[model.nq :] @ w[i] / model.opt.timestep
        data.qfrc_applied = mass @ acceleration
        mujoco.mj_step(model, data)
        np.testing.assert_allclose(stepped[i], np.r_[data.qpos, data.qvel], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", EACH)
def test_the_one_step_model_is_exact(name, task_of):
    task = task_of(name)
    x, a, w = random_inputs(task, 200, seed=1)
    models = jax.vmap(task.dynamics.linearise)(jnp.asarray(x))
    predicted = jax.vmap(predict)(models, a, w)
    stepped = jax.vmap(task.dynamics.step)(x, a, w)
    scale = np.abs(stepped).max()
    np.testing.assert_allclose(predicted, stepped, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("name", EACH)
def test_no_constraint_row_is_active(name, task_of):
    model = task_of(name).dynamics.model
    if model is not None:
        from mujoco import mjx

        assert mjx.make_data(mjx.put_model(model, impl="jax"))._impl.efc_J.shape[0] == 0


NAMELESS = """<mujoco><option><flag contact="disable" constraint="disable" eulerdamp="disable"
clampctrl="disable"/></option><worldbody><body><inertial pos="0 0 1" mass="1" diaginertia="1 1 1"/>
<joint axis="0 1 0"/><joint name="slide" type="slide" axis="1 0 0"/></body></worldbody>
<actuator><motor joint="slide"/><motor name="force" joint="slide" ctrlrange="0 13"/></actuator></mujoco>"""


def test_states_and_actions_have_names_also_where_the_model_gives_none():
    dynamics = mechanical(mujoco.MjModel.from_xml_string(NAMELESS), np.ones((2, 1)), "compiled")
    assert dynamics.state_names == ("joint 0", "slide", "joint 0dot", "slidedot")
    assert dynamics.action_names == ("actuator 0", "force")
    plain = linear(np.eye(2), np.eye(2), np.eye(2), np.zeros(2))
    assert plain.state_names == plain.action_names == ()


@pytest.mark.parametrize("physics", ["mjx", "compiled"])
def test_an_action_is_scaled_onto_the_control_range(physics):
    model = mujoco.MjModel.from_xml_string(NAMELESS)
    step = mechanical(model, np.ones((2, 1)), physics).step
    data = mujoco.MjData(model)
    for action, ctrl in [(-1.0, 0.0), (0.0, 6.5), (1.0, 13.0)]:
        mujoco.mj_resetData(model, data)
        data.ctrl = 0.5, ctrl
        mujoco.mj_step(model, data)
        x = step(jnp.zeros(4), jnp.array([0.5, action]), jnp.zeros(1))
        np.testing.assert_allclose(x, np.r_[data.qpos, data.qvel], rtol=0, atol=1e-14)
    assert abs(x[3]) > 1e-3


def test_unknown_physics_are_refused():
    with pytest.raises(ValueError, match="'warp'"):
        mechanical(shipped_model("pendulum"), np.ones((1, 1)), "warp")


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (np.ones((2, 1)), r"shape \(2, 1\), expected \(1, disturbances\)"),
        (np.ones(1), "a row for each joint"),
        (np.array([[np.nan]]), "not finite"),
    ],
)
def test_a_disturbance_input_that_does_not_fit_is_refused(noise, reason):
    with pytest.raises(ValueError, match=reason):
        mechanical(shipped_model("pendulum"), noise, "compiled")
