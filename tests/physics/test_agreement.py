"""MuJoCo against what is proven: they agree on what is supported, and what differs is named."""

import mujoco
import numpy as np
import pytest
from mechanisms import BOXES, DISTURBED, load

from safebench.env.task import Task
from safebench.physics import agreement, enclosure
from safebench.physics.conditioning import magnitude
from safebench.physics.dynamics import mjx_step
from safebench.sets.polytope import symmetric_box
from safebench.sets.rounding import allowance, largest

PLAIN = load("pendulum")
BOX = BOXES["pendulum"]
NAMES = ("theta", "thetadot")
GRANTED = np.array([3.0, 12.0])


def changed(old: str, new: str) -> mujoco.MjModel:
    """The pendulum with a piece of its MJCF replaced."""
    from importlib import resources

    text = (resources.files("safebench.tasks") / "assets" / "pendulum.xml").read_text()
    assert old in text
    return mujoco.MjModel.from_xml_string(text.replace(old, new))


@pytest.mark.parametrize("name", DISTURBED)
def test_c_mujoco_steps_as_compiled(name):
    model, box = load(name), BOXES[name]
    ours = agreement.compiled_steps(model)
    found = agreement.compare(model, ours, box, largest(box), ())
    assert found.differs is None
    assert 0 <= found.largest <= 1


def test_mjx_steps_as_compiled():
    steps = agreement.mjx_steps(PLAIN)
    found = agreement.compare(PLAIN, steps, BOX, GRANTED, NAMES, agreement.FEW)
    assert found.differs is None
    assert 0 < found.largest <= 1
    assert found.states == len(agreement.points(PLAIN, BOX, agreement.FEW)[0])


HINGE = 'type="hinge" axis="0 1 0"'
DIFFERENT = {
    "jnt_stiffness": changed(HINGE, f'{HINGE} stiffness="0.5"'),
    "dof_damping": changed(HINGE, f'{HINGE} damping="1e-6"'),
    "jnt_actfrclimited": changed(HINGE, f'{HINGE} actuatorfrclimited="true" actuatorfrcrange="-9 9"'),
    "tendon_stiffness": changed(
        "<actuator>",
        '<tendon><fixed name="t" stiffness="3"><joint joint="theta" coef="1"/></fixed></tendon><actuator>',
    ),
    "actuator_biasprm": changed(
        '<motor name="torque" joint="theta" gear="30"/>',
        '<general name="torque" joint="theta" gear="30" biastype="affine" biasprm="0.01 0 0"/>',
    ),
    "body_gravcomp": changed('<body name="rod">', '<body name="rod" gravcomp="0.1">'),
    "option viscosity": changed('integrator="Euler"', 'integrator="Euler" viscosity="0.1"'),
    "flag mjDSBL_GRAVITY": changed('contact="disable"', 'contact="disable" gravity="disable"'),
    "no single number": changed('mass="1"', 'mass="1.01"'),
}


@pytest.mark.parametrize("feature", DIFFERENT)
def test_what_c_mujoco_does_otherwise_is_named(feature):
    """The compiled dynamics know nothing of the feature: as if it had been forgotten in them."""
    problem = agreement.compare(
        DIFFERENT[feature], agreement.compiled_steps(PLAIN), BOX, GRANTED, NAMES
    ).differs
    assert problem is not None
    assert problem.startswith(("the next theta is", "the next thetadot is"))
    assert feature in problem
    assert "at the state [" in problem


def test_a_nan_is_a_disagreement():
    problem = agreement.compare(PLAIN, lambda x, a: np.full_like(x, np.nan), BOX, GRANTED, NAMES).differs
    assert "is nan" in problem


def test_a_task_is_compared_when_it_is_made(task_of, monkeypatch):
    task = task_of("pendulum", "compiled")
    stated = {name: getattr(task, name) for name in task.__dataclass_fields__}
    heavy = changed('mass="1"', 'mass="1.01"')
    Task(**stated)
    right = agreement.compiled_steps(PLAIN)
    monkeypatch.setattr(agreement, "compiled_steps", lambda model, commanded: right)
    dynamics = task.dynamics.__class__(**(vars(task.dynamics) | {"model": heavy}))
    with pytest.raises(ValueError, match=r"does not do what is proven: the next theta.*no single number"):
        Task(**stated | {"dynamics": dynamics})


# ---------------------------------------------------------------------------- conditioning

FLAG = '<flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/>'


def collinear(first: float, second: float) -> mujoco.MjModel:
    """Two slides along one line, of very different mass; each motor moves its mass at about 1 m/s^2."""
    return mujoco.MjModel.from_xml_string(
        f"""<mujoco><option timestep="0.01">{FLAG}</option><worldbody>
        <body name="a"><inertial pos="0 0 0" mass="{first}" diaginertia="1 1 1"/>
          <joint name="p" type="slide" axis="1 0 0"/>
          <body name="b"><inertial pos="0 0 0" mass="{second}" diaginertia="1 1 1"/>
            <joint name="q" type="slide" axis="1 0 0"/></body></body></worldbody>
        <actuator><motor name="m" joint="p" gear="{first}"/>
          <motor name="n" joint="q" gear="{second}"/></actuator></mujoco>"""
    )


@pytest.mark.parametrize("masses", [(1e-4, 10.0), (10.0, 1e-4), (1.0, 1.0)])
def test_what_a_badly_conditioned_model_loses_is_granted(masses):
    model, box = collinear(*masses), symmetric_box([1.0, 1.0, 1.0, 1.0])
    inclusion = enclosure.include(model, np.zeros((2, 1)), box, symmetric_box([0.0]))
    x, a = np.random.default_rng(0).uniform(-1, 1, (2, 50, 4))
    exact = agreement.compiled_steps(model)(x, a[:, :2])
    step = mjx_step(model, np.zeros((2, 1)))
    lost = np.abs(np.array([step(*each, np.zeros(1)) for each in zip(x, a[:, :2], strict=True)]) - exact)
    assert (lost.max(axis=0) <= inclusion.allowance).all()
    directions = np.eye(4)
    assert (inclusion.support(directions) >= lost.max(axis=0)).all()
    if masses[0] < masses[1]:  # control: 1e-12 of every model, as once assumed, is far too little
        assert lost.max() > 1e-9
    assert (inclusion.allowance <= 1e4 * np.maximum(lost.max(axis=0), 1e-14)).all()


def test_conditioning_of_a_single_joint_is_what_it_moves():
    found = magnitude(PLAIN, BOX)
    fastest = 0.05 * (1.5 * 9.81 + 90.0)
    assert fastest < found[1] < 4 * fastest
    assert found[0] == pytest.approx(0.05 * found[1])
    assert (allowance(found, np.float64) < 1e-12).all()
