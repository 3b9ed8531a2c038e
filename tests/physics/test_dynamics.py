"""MJX against C MuJoCo and the closed form; exact affinity; what `fingerprint` and `check_affine` catch."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from safebench import registry
from safebench.env.task import shipped_model
from safebench.physics.affine import check_affine, predict
from safebench.physics.dynamics import fingerprint, mechanical

TASKS = registry.names("task")


def random_inputs(task, count, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(task.constraints.lower, task.constraints.upper, (count, len(task.state_names)))
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


@pytest.mark.parametrize("name", TASKS)
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
    for i in range(len(x)):
        mujoco.mj_resetData(model, data)
        data.qpos, data.qvel, data.ctrl = x[i, : model.nq], x[i, model.nq :], a[i]
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, mass)
        acceleration = noise[model.nq :] @ w[i] / model.opt.timestep
        data.qfrc_applied = mass @ acceleration
        mujoco.mj_step(model, data)
        np.testing.assert_allclose(stepped[i], np.r_[data.qpos, data.qvel], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", TASKS)
def test_the_one_step_model_is_exact(name, task_of):
    task = task_of(name)
    x, a, w = random_inputs(task, 200, seed=1)
    models = jax.vmap(task.dynamics.linearise)(jnp.asarray(x))
    predicted = jax.vmap(predict)(models, a, w)
    stepped = jax.vmap(task.dynamics.step)(x, a, w)
    scale = np.abs(stepped).max()
    np.testing.assert_allclose(predicted, stepped, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("name", TASKS)
def test_no_constraint_row_is_active(name, task_of):
    model = task_of(name).dynamics.model
    if model is not None:
        from mujoco import mjx

        assert mjx.make_data(mjx.put_model(model, impl="jax"))._impl.efc_J.shape[0] == 0


def test_the_fingerprint_sees_a_changed_mass_and_ignores_colour():
    model, same, other = (shipped_model("pendulum") for _ in range(3))
    same.geom_rgba[:] = 0.5
    other.body_mass[1] *= 1 + 1e-15
    noise = np.ones((1, 1))
    assert fingerprint(model, noise) == fingerprint(same, noise)
    assert fingerprint(model, noise) != fingerprint(other, noise)
    assert fingerprint(model, noise) != fingerprint(model, 2 * noise)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('contact="disable"', "", "contact"),
        ('clampctrl="disable"', "", "clampctrl"),
        ('integrator="Euler"', 'integrator="RK4"', "integrator"),
        ('type="hinge" axis="0 1 0"', 'type="ball"', "hinge and slide"),
        ('gear="30"', 'gear="30" forcelimited="true" forcerange="-1 1"', "forcerange"),
    ],
)
def test_a_model_that_is_not_affine_is_refused(old, new, reason):
    from importlib import resources

    text = (resources.files("safebench.tasks") / "assets" / "pendulum.xml").read_text()
    assert old in text
    model = mujoco.MjModel.from_xml_string(text.replace(old, new))
    with pytest.raises(ValueError, match=reason):
        check_affine(model)


def test_unknown_physics_are_refused():
    with pytest.raises(ValueError, match="'warp'"):
        mechanical(shipped_model("pendulum"), np.ones((1, 1)), "warp")
