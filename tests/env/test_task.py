"""What a task need not state, and what it is told when that cannot be derived."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from safebench.env import safe_set
from safebench.env.task import Task, action_names, state_names, uniform_starts

STATED = (
    "name",
    "summary",
    "horizon",
    "dynamics",
    "constraints",
    "disturbance",
    "certificate",
    "observe",
    "reward",
)


def stated(task, **changes):
    """A task that states no more than it must."""
    return Task(**{name: getattr(task, name) for name in STATED} | changes)


@pytest.fixture
def pendulum(task_of):
    return task_of("pendulum", "compiled")


def test_what_follows_is_derived(pendulum):
    task = stated(pendulum)
    assert task.version == 1
    assert task.control_period == 0.05
    assert task.state_names == ("theta", "thetadot")
    assert task.action_names == ("torque",)
    for ours, theirs in zip(task.safe_set, safe_set.from_certificate(task.certificate), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(task.starts, uniform_starts(task.certificate))
    assert task.begin(jax.random.key(0), jnp.zeros(2)) == ()
    assert task.advance("context") == "context"
    drawn = jax.vmap(lambda key: task.disturb(key, ()))(jax.random.split(jax.random.key(0), 1000))
    assert drawn.shape == (1000, 1)
    assert -0.1 <= drawn.min() < -0.09
    assert 0.09 < drawn.max() <= 0.1
    assert task.reference_start is None


def test_what_is_stated_stays(pendulum):
    task = stated(
        pendulum,
        version=3,
        control_period=0.1,
        state_names=("angle", "speed"),
        action_names=("push",),
        starts=np.zeros((1, 2)),
        begin=lambda key, x: x,
        advance=lambda context: context + 1,
        disturb=lambda key, context: jnp.ones(1),
    )
    assert (task.version, task.control_period) == (3, 0.1)
    assert (task.state_names, task.action_names) == (("angle", "speed"), ("push",))
    assert task.starts.shape == (1, 2)
    assert task.advance(1) == 2
    assert task.disturb(jax.random.key(0), ()) == 1.0
    assert dataclasses.replace(task, horizon=7).starts is task.starts


def test_what_can_be_neither_derived_nor_was_stated_is_named(pendulum, task_of):
    energy = task_of("energy")
    with pytest.raises(ValueError, match="no MuJoCo model to derive control_period from: state it"):
        stated(energy)
    with pytest.raises(ValueError, match="no MuJoCo model to derive state_names from"):
        stated(energy, control_period=1.0)
    with pytest.raises(ValueError, match=r"state_names has 1 entries \('angle',\), expected 2"):
        stated(pendulum, state_names=("angle",))
    with pytest.raises(ValueError, match="action_names has 2 entries"):
        stated(pendulum, action_names=("a", "b"))


def test_names_come_from_the_model_and_are_missed():
    text = (
        "<mujoco><worldbody><body><inertial pos='0 0 0' mass='1' diaginertia='1 1 1'/>"
        "<joint {joint} type='slide'/></body></worldbody>"
        "<actuator><motor {motor} joint='x'/></actuator></mujoco>"
    )
    model = mujoco.MjModel.from_xml_string(text.format(joint="name='x'", motor="name='push'"))
    assert state_names(model) == ("x", "xdot")
    assert action_names(model) == ("push",)
    nameless = mujoco.MjModel.from_xml_string(text.format(joint="name='x'", motor=""))
    with pytest.raises(ValueError, match="actuator 0 of the model has no name"):
        action_names(nameless)
