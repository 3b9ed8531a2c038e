"""Accelerations from an MJCF: MuJoCo, closed forms, and what is refused."""

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import compiled, load, states, tree

from safebench.physics import rigid_body
from safebench.physics.compiled import compiled_step
from safebench.physics.expression import program

# ---------------------------------------------------------------- accelerations


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(1, 7))
@settings(max_examples=120, deadline=None)
def test_random_trees_move_as_in_mujoco(seed, joints):
    model = tree(seed, joints)
    data = mujoco.MjData(model)
    acceleration = compiled(model)
    for x, a in zip(*states(model, 3, seed=seed), strict=True):
        data.qpos, data.qvel, data.ctrl = x[:joints], x[joints:], a
        mujoco.mj_step(model, data)
        v = x[joints:] + model.opt.timestep * acceleration(x, a)
        ours = np.concatenate([x[:joints] + model.opt.timestep * v, v])
        theirs = np.concatenate([data.qpos, data.qvel])
        assert np.abs(ours - theirs).max() <= 1e-12 * (1 + np.abs(theirs).max())


def test_pendulum_closed_form():
    acceleration = compiled(load("pendulum"))
    for x, a in zip(*states(load("pendulum"), 20), strict=True):
        expected = 3.0 * (30.0 * a[0] + 0.5 * 9.81 * math.sin(x[0]))
        assert abs(acceleration(x, a)[0] - expected) <= 1e-12 * (1 + abs(expected))


def test_cartpole_closed_form():
    """Barto, Sutton and Anderson (1983) without friction; half-length 0.5, masses 1 and 0.1."""
    acceleration = compiled(load("cartpole"))
    for (_, theta, _, rate), (a,) in zip(*states(load("cartpole"), 20), strict=True):
        s, c = math.sin(theta), math.cos(theta)
        push = (10.0 * a + 0.1 * 0.5 * rate**2 * s) / 1.1
        pole = (9.8 * s - c * push) / (0.5 * (4.0 / 3.0 - 0.1 * c**2 / 1.1))
        cart = push - 0.1 * 0.5 * pole * c / 1.1
        np.testing.assert_allclose(
            acceleration((0.3, theta, 0.2, rate), (a,)), [cart, pole], rtol=1e-12, atol=1e-12
        )


def test_quadrotor_closed_form():
    acceleration = compiled(load("quadrotor"))
    for x, a in zip(*states(load("quadrotor"), 20), strict=True):
        r, rate = x[2], x[5]
        thrust, command = 9.81 + 6.0 / 7.0 * a[0], math.pi / 12.0 * a[1]
        expected = [
            thrust * math.sin(r),
            thrust * math.cos(r) - 9.81,
            55.0 * command - 70.0 * r - 17.0 * rate,
        ]
        np.testing.assert_allclose(acceleration(x, a), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "most"), [("pendulum", 8), ("cartpole", 24), ("quadrotor", 14)])
def test_code_is_as_short_as_written_by_hand(name, most):
    assert len(program(*rigid_body.accelerations_of(load(name))).operations) <= most


# ---------------------------------------------------------------- what is refused

ROD = '<inertial pos="0 0 1" mass="1" diaginertia="1 1 1"/>'
HINGE = '<joint name="hinge" axis="0 1 0"/>'
MOTOR = '<motor name="motor" joint="hinge"/>'
FLAG = '<flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/>'


def written(joint: str = HINGE, actuator: str = MOTOR, option: str = "", more: str = "", flag: str = FLAG):
    return (
        f"<mujoco><option {option}>{flag}</option><worldbody>"
        f'<body name="rod">{joint}{ROD}<site name="tip"/></body>'
        f"</worldbody><actuator>{actuator}</actuator>{more}</mujoco>"
    )


REFUSED = {
    "hinge and slide": written('<joint name="hinge" type="ball"/>'),
    "density or viscosity": written(option='viscosity="0.1"'),
    "tendons": written(
        more='<tendon><fixed name="t"><joint joint="hinge" coef="1"/></fixed></tendon>',
    ),
    "equality": written(more='<equality><joint name="e" joint1="hinge"/></equality>'),
    "internal state": written(actuator='<general name="g" joint="hinge" dyntype="integrator"/>'),
    "forcerange": written(actuator='<motor name="m" joint="hinge" forcelimited="true" forcerange="-1 1"/>'),
    "limits the actuator force": written(
        '<joint name="hinge" axis="0 1 0" actuatorfrclimited="true" actuatorfrcrange="-1 1"/>'
    ),
    "depends on position or velocity": written(
        actuator='<general name="g" site="tip" gear="1 0 0 0 0 0" biastype="affine" biasprm="0 0 -1"/>'
    ),
    "not Euler": written(option='integrator="RK4"'),
    "constraint": written(flag='<flag contact="disable" eulerdamp="disable" clampctrl="disable"/>'),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_models_outside_the_scope_are_refused(reason):
    model = mujoco.MjModel.from_xml_string(REFUSED[reason])
    with pytest.raises(ValueError, match=reason):
        compiled_step(model, np.zeros((model.nv, 1)))


def test_the_model_that_the_refused_ones_vary_is_accepted():
    compiled_step(mujoco.MjModel.from_xml_string(written()), np.ones((1, 1)))
