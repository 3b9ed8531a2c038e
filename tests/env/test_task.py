"""What a task need not state, and what it is told when that cannot be derived."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from safebench.env import safe_set
from safebench.env.corridor import Corridors
from safebench.env.shipped import MissingCertificate, shipped_certificate, shipped_model, with_certificate
from safebench.env.task import Task, action_names, state_names, uniform_starts, violation
from safebench.sets import certificate as certificates
from safebench.sets.polytope import Box, Polytope, box, half_spaces, symmetric_box

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


BAD = {
    "name": ["", "my task", "[/a]", "-x", "x" * 65, 3, None],
    "summary": [None, 3],
    "horizon": [0, -1, 2.5, True, "10", None, 10**20],
    "version": [-1, 1.5, True, 10**20],
    "dynamics": [None, "mjx"],
    "certificate": [None, "pendulum.npz"],
    "constraints": [
        None,
        [2.5, 8.0],
        symmetric_box([2.5]),
        Box(np.array([1.0, -8.0]), np.array([-1.0, 8.0])),
        Box(np.array([-np.inf, -8.0]), np.array([1.0, 8.0])),
        box([0.0, -1.0], [0.0, 1.0]),
        Box(np.zeros((2, 1)), np.ones((2, 1))),
    ],
    "half_spaces": [
        3, "cone", symmetric_box([1.0, 1.0]), ([[1.0, 0.0]], [1.0]), Polytope(np.eye(3), np.ones(3)),
        Polytope([[1.0, 0.0]], [1.0]),
        Polytope(np.eye(2), np.ones(3)), Polytope(np.eye(2), np.array([1.0, np.nan])),
        Polytope(np.zeros((1, 2)), np.ones(1)), Polytope(np.eye(2), np.array([1.0, -9.0])),
        Polytope(np.array([[1.0, 0.0], [-1.0, 0.0]]), -np.ones(2)),
    ],
    "disturbance": [None, 0.1, symmetric_box([0.1, 0.1]), Box(np.array([np.nan]), np.array([1.0]))],
    "control_period": [0.0, -0.1, np.nan, np.inf, "fast", np.zeros(2)],
    "state_names": [("a", "a"), ("a", ""), ("a", 3), "ab", ["a", "b"], ("a", "b", "c")],
    "action_names": ["a", (), (None,)],
    "state_units": [("m",), None, "ab", (1, 2)],
    "safe_set": ["S"],
    "starts": [np.zeros(2), np.zeros((0, 2)), np.zeros((5, 3)), np.full((1, 2), np.nan), "here", [[0], 0]],
    "observe": [None, 3],
    "reward": [None, np.zeros(1)],
    "begin": [None, ()],
    "advance": [None],
    "disturb": [0.1],
    "reference_start": [
        np.zeros(2), (np.zeros(2),), (np.zeros(3), ()), (np.array([0.0, np.inf]), ()), ("ab", ()), 3,
    ],
    "excess": [3, np.zeros(1)],
    "reached": ["goal", ()],
    "picture": [0],
    "corridors": [3, (print, print, print), Corridors(begin=print, move=print, clearance=print)],
}  # fmt: skip


@pytest.mark.parametrize("field", BAD)
def test_a_field_of_another_kind_is_named_when_the_task_is_made(pendulum, field):
    stated(pendulum)
    for value in BAD[field]:
        with pytest.raises(ValueError, match=rf"\b{field}\b") as refused:
            dataclasses.replace(pendulum, **{field: value})
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 400


def test_numbers_of_numpy_become_those_of_python(pendulum):
    task = stated(pendulum, horizon=np.int64(7), version=np.int32(2), control_period=np.float32(0.5))
    assert [type(value) for value in (task.horizon, task.version, task.control_period)] == [int, int, float]
    assert (task.horizon, task.version, task.control_period) == (7, 2, 0.5)


# -------------------------------------------------------------------------- what lies beside the file


@settings(max_examples=30, deadline=None)
@given(
    x=arrays(float, 2, elements=st.floats(-20, 20)),
    normal=arrays(float, 2, elements=st.floats(-2, 2)).filter(lambda row: np.abs(row).max() > 0.1),
    end=st.floats(-0.5, 5),
)
def test_leaving_a_half_space_is_a_violation_as_far_as_it_is_left(task_of, x, normal, end):
    """In half-widths of the box along the normal: as of the box's own sides."""
    pendulum = task_of("pendulum", "compiled")
    cut = dataclasses.replace(pendulum, half_spaces=half_spaces([normal], [end]))
    radius = pendulum.constraints.radius
    violated, beyond = violation(cut, jnp.asarray(x), ())
    by_box = np.max(np.abs(x) / radius - 1)
    by_row = (normal @ x - end) / (np.abs(normal) @ radius)
    assert float(beyond) == pytest.approx(max(by_box, by_row), abs=1e-12)
    if abs(by_row) > 1e-9 and abs(by_box) > 1e-9:
        assert bool(violated) == (max(by_box, by_row) > 0)
    side = dataclasses.replace(pendulum, half_spaces=half_spaces(np.eye(2), radius))
    alone = violation(pendulum, jnp.asarray(x), ())
    np.testing.assert_allclose(violation(side, jnp.asarray(x), ()), alone, rtol=1e-12, atol=1e-12)


def test_a_state_of_no_number_violates_half_spaces_too(pendulum):
    cut = dataclasses.replace(pendulum, half_spaces=half_spaces([[1.0, 1.0]], [1.0]))
    assert bool(violation(cut, jnp.array([jnp.nan, 0.0]), ())[0])
    assert not bool(violation(cut, jnp.array([0.5, 0.4]), ())[0])


MJCF = """<mujoco>{include}<worldbody><body><inertial pos='0 0 0' mass='1' diaginertia='1 1 1'/>
<joint name='x' type='slide'/></body></worldbody></mujoco>"""


def test_the_model_beside_a_file_is_found_with_what_it_includes(tmp_path, monkeypatch):
    file = tmp_path / "my_task.py"
    with pytest.raises(FileNotFoundError, match=r"no model file .*assets/my_task\.xml"):
        shipped_model(str(file))
    (tmp_path / "assets").mkdir()
    path = tmp_path / "assets" / "my_task.xml"
    path.write_text(MJCF.format(include="<include file='option.xml'/>"))
    with pytest.raises(ValueError, match=r"assets/my_task\.xml: .*option\.xml") as refused:
        shipped_model(str(file))
    assert "\n" not in str(refused.value)
    (tmp_path / "assets" / "option.xml").write_text("<mujoco><option timestep='0.125'/></mujoco>")
    assert shipped_model(str(file)).opt.timestep == 0.125
    monkeypatch.chdir(tmp_path)
    assert shipped_model("my_task.py").opt.timestep == 0.125
    for broken in ("", "not xml", "<mujoco><bdy/></mujoco>", "<mujoco>", "\x00"):
        path.write_text(broken)
        with pytest.raises(ValueError, match=r"^assets/my_task\.xml: ") as refused:
            shipped_model(str(file))
        assert "\n" not in str(refused.value)


def test_a_bare_name_is_a_built_in_task_and_its_file_is_the_same(task_of):
    from safebench.tasks import pendulum

    dynamics = task_of("pendulum", "compiled").dynamics
    for made in map(shipped_model, ("pendulum", pendulum.__file__)):
        assert made.joint(0).name == "theta"
    digests = {certificates.digest(shipped_certificate(x, dynamics)) for x in ("pendulum", pendulum.__file__)}
    assert len(digests) == 1
    for load in (shipped_model, functools.partial(shipped_certificate, dynamics=dynamics)):
        with pytest.raises(
            (FileNotFoundError, ValueError), match=r"of its own writes shipped_\w+\(__file__\)"
        ):
            load("my_task")


def test_the_certificate_beside_a_file_is_found_or_how_to_find_one_is_said(tmp_path, monkeypatch, task_of):
    monkeypatch.chdir(tmp_path)
    pendulum, other = task_of("pendulum", "compiled"), task_of("cartpole", "compiled")
    file = str(tmp_path / "my_task.py")
    command = r"`safebench certify my_task\.py --synthesise --save certificates/my_task\.npz`"
    with pytest.raises(MissingCertificate, match=rf"no certificate certificates/my_task\.npz.*{command}"):
        shipped_certificate(file, pendulum.dynamics)
    with with_certificate(pendulum.certificate):
        assert shipped_certificate(file, pendulum.dynamics) is pendulum.certificate
        with pytest.raises(ValueError, match=rf"proven for other dynamics.*{command}"):
            shipped_certificate(file, other.dynamics)
    with pytest.raises(MissingCertificate):
        shipped_certificate(file, pendulum.dynamics)
    certificates.save(pendulum.certificate, "certificates/my_task.npz")
    found = shipped_certificate(file, pendulum.dynamics)
    assert certificates.digest(found) == certificates.digest(pendulum.certificate)
    with pytest.raises(
        ValueError, match=rf"certificates/my_task\.npz was proven for other dynamics.*{command}"
    ):
        shipped_certificate(file, other.dynamics)
