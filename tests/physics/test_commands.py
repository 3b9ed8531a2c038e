"""Joints commanded by acceleration: what C MuJoCo and MJX make of the forces, and how large these can be."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from random_trees import random_tree

from safebench.physics import force_bound, reference
from safebench.physics.affine import predict
from safebench.physics.commands import commanded_actuators
from safebench.physics.compiled import compiled_controls, compiled_linearise, compiled_step
from safebench.physics.dynamics import mechanical, mjx_step
from safebench.physics.enclosure import include
from safebench.physics.force_bound import forces, sampled
from safebench.sets.polytope import Box, symmetric_box

OPTION = """<option timestep="0.05">
  <flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/></option>"""


def arm(links: int, motor: str = 'ctrlrange="-5 5"', joint: str = 'damping="0.3" armature="0.01"'):
    """A chain under gravity whose axes alternate between two directions; every feature that may act on it."""
    body = ""
    for k in reversed(range(links)):
        axis = "0 1 0" if k % 2 == 0 else "0 0.6 0.8"
        body = f"""<body name="link{k}" pos="{0.4 if k else 0} 0 0">
          <joint name="j{k}" type="hinge" axis="{axis}" {joint}/>
          <inertial pos="0.2 0.01 0" mass="{2 / (k + 1)}" diaginertia="0.02 0.03 0.01"/>{body}</body>"""
    motors = "".join(f'<motor name="m{k}" joint="j{k}" gear="{2 + k}" {motor}/>' for k in range(links))
    return mujoco.MjModel.from_xml_string(
        f"<mujoco>{OPTION}<worldbody>{body}</worldbody><actuator>{motors}</actuator></mujoco>"
    )


ROCKET = f"""<mujoco>{OPTION}<worldbody><body name="hull">
  <joint name="z" type="slide" axis="0 0 1"/><joint name="roll" type="hinge" axis="1 0 0" damping="0.2"/>
  <joint name="pitch" type="hinge" axis="0 1 0"/>
  <inertial pos="0 0 0.1" mass="2" diaginertia="0.1 0.12 0.05"/><site name="engine" pos="0 0 -0.5"/>
  <body name="mast"><joint name="mast" type="hinge" axis="1 0 0" stiffness="1"/>
    <inertial pos="0 0 0.3" mass="0.4" diaginertia="0.01 0.01 0.01"/></body></body></worldbody>
  <actuator><general name="thrust" site="engine" gear="0 0 1 0 0 0" ctrlrange="15 25"/>
  <motor name="rolls" joint="roll" ctrlrange="-3 3"/><motor name="pitches" joint="pitch" ctrlrange="-1 2"/>
  </actuator></mujoco>"""
"""Two joints commanded, a thrust that is a force, two joints free."""


def inputs(model, count=64, size=1.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-size, size, (count, 2 * model.nv)), rng.uniform(-1, 1, (count, model.nu))


@pytest.mark.parametrize(
    "links", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.weekly)]
)
def test_commanded_joints_are_double_integrators_in_every_physics(links):
    model = arm(links)
    commanded = commanded_actuators(model, "acceleration")
    x, a = inputs(model)
    speed = x[:, links:] + 0.05 * 5 * a
    expected = np.hstack([x[:, :links] + 0.05 * speed, speed])
    np.testing.assert_allclose(reference.steps(model, x, a, commanded), expected, rtol=0, atol=1e-12)
    none, still = np.zeros((links, 1)), np.zeros((len(x), 1))
    for step in (compiled_step(model, none, commanded), mjx_step(model, none, commanded)):
        np.testing.assert_allclose(jax.jit(jax.vmap(step))(x, a, still), expected, rtol=0, atol=1e-12)


def test_the_controls_are_those_of_mujocos_own_inverse_dynamics():
    model = arm(3)
    commanded = commanded_actuators(model, "acceleration")
    x, a = inputs(model)
    found = jax.jit(jax.vmap(compiled_controls(model, commanded)))(jnp.asarray(x), jnp.asarray(a))
    data = mujoco.MjData(model)
    for i in range(len(x)):
        data.qpos[:], data.qvel[:], data.qacc[:] = x[i, :3], x[i, 3:], 5 * a[i]
        mujoco.mj_inverse(model, data)
        np.testing.assert_allclose(
            found[i], data.qfrc_inverse / model.actuator_gear[:, 0], rtol=0, atol=1e-11
        )


def test_some_joints_are_commanded_and_the_others_follow():
    model = mujoco.MjModel.from_xml_string(ROCKET)
    commanded = commanded_actuators(model, ["roll", "pitch"])
    assert commanded == (1, 2)
    x, a = inputs(model, size=0.7)
    ends = reference.steps(model, x, a, commanded)
    np.testing.assert_allclose(ends[:, 5], x[:, 5] + 0.05 * 3 * a[:, 1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ends[:, 6], x[:, 6] + 0.05 * (0.5 + 1.5 * a[:, 2]), rtol=0, atol=1e-12)
    none = np.zeros((4, 1))
    step = jax.vmap(compiled_step(model, none, commanded))
    np.testing.assert_allclose(step(x, a, np.zeros((len(x), 1))), ends, rtol=0, atol=1e-12)
    affine = jax.vmap(compiled_linearise(model, none, commanded))(jnp.asarray(x))
    np.testing.assert_allclose(jax.vmap(predict)(affine, a, np.zeros((len(x), 1))), ends, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_mjx_has_the_derivatives_of_the_closed_form():
    model = arm(2)
    commanded = commanded_actuators(model, "acceleration")
    ours, closed = (make(model, np.eye(2), commanded) for make in (mjx_step, compiled_step))
    x, a = inputs(model, 3)
    for i in range(3):
        point = (jnp.asarray(x[i]), jnp.asarray(a[i]), jnp.array([0.1, -0.2]))
        for which in range(3):
            expected = jax.jacobian(closed, which)(*point)
            np.testing.assert_allclose(jax.jacrev(ours, which)(*point), expected, rtol=0, atol=1e-12)
            np.testing.assert_allclose(jax.jacfwd(ours, which)(*point), expected, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_long_code_with_free_joints_has_the_right_derivatives():
    model = mujoco.MjModel.from_xml_string(random_tree(5, 7))
    motors = [
        k
        for k in range(model.nu)
        if model.actuator_trntype[k] == mujoco.mjtTrn.mjTRN_JOINT
        and model.actuator_biastype[k] == mujoco.mjtBias.mjBIAS_NONE
    ]
    names = [model.joint(model.actuator_trnid[k, 0]).name for k in motors[:2]]
    commanded = commanded_actuators(model, names)
    assert commanded
    step = compiled_step(model, np.zeros((model.nv, 1)), commanded)
    x, a = inputs(model, 1, size=0.7)
    point = (jnp.asarray(x[0]), jnp.asarray(a[0]), jnp.zeros(1))
    linearise = compiled_linearise(model, np.zeros((model.nv, 1)), commanded)
    for which in (0, 1):
        expected = jax.jacfwd(lambda x, a, w: predict(linearise(x), a, w), which)(*point)
        np.testing.assert_allclose(jax.jacrev(step, which)(*point), expected, rtol=0, atol=1e-8)


def test_the_inclusion_is_the_double_integrator_up_to_rounding():
    model = arm(2)
    commanded = commanded_actuators(model, "acceleration")
    box, gusts = symmetric_box([2.5, 2.5, 1.5, 1.5]), symmetric_box([0.2, 0.2])
    found = include(model, np.eye(2), box, gusts, commanded)
    eye, zero = np.eye(2), np.zeros((2, 2))
    np.testing.assert_allclose(found.state, np.block([[eye, 0.05 * eye], [zero, eye]]), rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.action, np.vstack([0.05**2 * 5 * eye, 0.05 * 5 * eye]), atol=1e-15)
    support = found.support(np.eye(4))
    np.testing.assert_allclose(support, np.repeat([0.05**2 * 0.2, 0.05 * 0.2], 2), rtol=0, atol=1e-10)


@pytest.mark.parametrize("links", [1, 2, 4])
def test_forces_stay_below_their_bound_and_come_near_it(links, monkeypatch):
    model = arm(links)
    commanded = commanded_actuators(model, "acceleration")
    box = Box(
        np.r_[np.full(links, -2.0), np.full(links, -1.0)], np.r_[np.full(links, 1.5), np.full(links, 1.2)]
    )
    reached = sampled(model, box, commanded)
    bound = np.array([force.largest for force in forces(model, box, commanded)])
    assert (reached <= bound).all()
    if links <= 2:
        assert (bound <= 1.1 * reached).all()
    monkeypatch.setattr(force_bound, "MOST_CUT", -1)  # norms alone
    by_norms = np.array([force.largest for force in forces(model, box, commanded)])
    assert (reached <= by_norms).all()
    assert (bound <= by_norms).all()
    assert (by_norms <= 5 * reached).all()


def test_forces_of_a_mixed_model_stay_below_their_bound():
    model = mujoco.MjModel.from_xml_string(ROCKET)
    commanded = commanded_actuators(model, ["roll", "pitch"])
    box = symmetric_box([1.0, 0.3, 0.3, 0.2, 1.0, 1.0, 1.0, 1.0])
    bound = np.array([force.largest for force in forces(model, box, commanded)])
    assert (sampled(model, box, commanded) <= bound).all()
    assert np.isfinite(bound).all()


def test_sampled_forces_are_what_mujoco_applies():
    model = arm(2)
    commanded = commanded_actuators(model, "acceleration")
    box = symmetric_box([2.0, 2.0, 1.0, 1.0])
    x, a = force_bound.probes(model, box, 4096)
    data, applied = mujoco.MjData(model), np.zeros(2)
    for state, ctrl in zip(x, reference.controls_at(model, commanded)(x, a), strict=True):
        reference.place(model, data, state, ctrl)
        mujoco.mj_forward(model, data)
        applied = np.maximum(applied, np.abs(data.qfrc_actuator))
    np.testing.assert_allclose(sampled(model, box, commanded), applied, rtol=1e-12)


def test_a_limit_is_read_from_the_forcerange_and_moves_nothing():
    limited = arm(2, 'ctrlrange="-5 5" forcerange="-3 4"')
    free = arm(2)
    commanded = commanded_actuators(free, "acceleration")
    box = symmetric_box([2.0, 2.0, 1.0, 1.0])
    assert [force.limit for force in forces(limited, box, commanded)] == [3.0 * 2, 3.0 * 3]
    assert [force.limit for force in forces(free, box, commanded)] == [np.inf] * 2
    assert force_bound.sampled(limited, box, commanded).max() > 6  # it would be clamped
    x, a = inputs(free)
    assert (reference.steps(limited, x, a, commanded) == reference.steps(free, x, a, commanded)).all()
    step = jax.jit(jax.vmap(mjx_step(limited, np.zeros((2, 1)), commanded)))
    ours = step(x, a, np.zeros((len(x), 1)))
    np.testing.assert_allclose(ours, reference.steps(free, x, a, commanded), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="forcerange"):
        mechanical(limited, np.eye(2))


def test_commands_are_part_of_the_fingerprint():
    model = arm(2)
    made = [
        mechanical(model, np.eye(2), "compiled", commands) for commands in ("force", "acceleration", ["j0"])
    ]
    assert len({dynamics.fingerprint for dynamics in made}) == 3
    assert [dynamics.commanded for dynamics in made] == [(), (0, 1), (0,)]


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("torque", "commands is 'torque', expected 'force', 'acceleration'"),
        (["shoulder"], r"names \['shoulder'\], expected different joints among \['j0', 'j1'\]"),
        (["j0", "j0"], "expected different joints"),
    ],
)
def test_wrong_commands_are_refused(commands, message):
    with pytest.raises(ValueError, match=message):
        mechanical(arm(2), np.eye(2), "compiled", commands)


@pytest.mark.parametrize(
    ("actuators", "message"),
    [
        ('<position name="m" joint="j" kp="3"/>', "m cannot be commanded by acceleration: write a <motor>"),
        ('<motor name="m" joint="j" gear="0"/>', "gear is not 0"),
        ('<motor name="m" joint="j"/><motor name="n" joint="j"/>', "its joint has another actuator"),
        ('<motor name="m" site="s" gear="1 0 0 0 0 0"/>', "it acts on no joint"),
    ],
)
def test_actuators_that_cannot_be_commanded_are_refused(actuators, message):
    model = mujoco.MjModel.from_xml_string(
        f"""<mujoco>{OPTION}<worldbody>
        <body><joint name="j"/><geom size="0.1"/><site name="s"/></body></worldbody>
        <actuator>{actuators}</actuator></mujoco>"""
    )
    with pytest.raises(ValueError, match=message):
        commanded_actuators(model, "acceleration")


def test_a_joint_without_an_actuator_cannot_be_commanded():
    model = mujoco.MjModel.from_xml_string(ROCKET)
    with pytest.raises(ValueError, match="joint 'z', which has no actuator"):
        commanded_actuators(model, ["z"])
