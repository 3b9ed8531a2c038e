"""Which models are refused, by whom, and how actions become controls."""

import fnmatch

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mjcf_features import small_model

from safebench.physics import enclosure, rigid_body
from safebench.physics.compiled import compiled_linearise, compiled_step
from safebench.physics.dynamics import mechanical, mjx_step
from safebench.physics.expression import Graph
from safebench.physics.fingerprint import motionless, numbers
from safebench.physics.supported import KNOWN, check_supported, controls, without_collisions
from safebench.sets.polytope import symmetric_box

RANGED = small_model({"general": 'ctrlrange="-3 3"', "actuator": '<motor joint="hinge" ctrlrange="0 13"/>'})
NOISE = np.zeros((2, 1))


@pytest.mark.parametrize(
    "use",
    [
        check_supported,
        rigid_body.accelerations_of,
        lambda model: mjx_step(model, NOISE),
        lambda model: compiled_step(model, NOISE),
        lambda model: compiled_linearise(model, NOISE),
        lambda model: mechanical(model, NOISE, "mjx"),
        lambda model: mechanical(model, NOISE, "compiled"),
        lambda model: enclosure.include(model, NOISE, symmetric_box(np.ones(4)), symmetric_box([1.0])),
    ],
)
def test_all_ways_in_refuse_with_every_reason(use):
    model = small_model({"flag": 'spring="disable"', "joint": 'range="-1 1"', "general": 'forcerange="-1 1"'})
    with pytest.raises(ValueError, match=r"spring=.*joint has limits.*limited=.*forcerange"):
        use(model)


def test_a_model_without_actuators_or_joints_is_refused():
    flags = 'contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"'
    bare = mujoco.MjModel.from_xml_string(f"<mujoco><option><flag {flags}/></option></mujoco>")
    with pytest.raises(ValueError, match=r"no joints.*no actuators"):
        check_supported(bare)


@pytest.mark.parametrize("flags", ["disableflags", "enableflags"])
def test_flags_of_a_later_mujoco_are_refused(flags):
    model = small_model({})
    check_supported(model)
    setattr(model.opt, flags, getattr(model.opt, flags) | 1 << 25)
    with pytest.raises(ValueError, match=r"bit 2\^25"):
        check_supported(model)


def test_plug_ins_are_refused():
    with pytest.raises(ValueError, match="plug-ins"):
        check_supported(With(small_model({}), nplugin=1))


class With:
    """A model with other numbers, that MuJoCo itself would not let us write."""

    def __init__(self, model, **numbers):
        self._model = model
        vars(self).update(numbers)

    def __getattr__(self, name):
        return getattr(self._model, name)


def test_a_mass_changed_in_python_needs_its_computed_inertias():
    model = small_model({})
    model.body_mass[2] *= 1 + 1e-9
    with pytest.raises(ValueError, match="mj_setConst"):
        check_supported(model)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    check_supported(model)


def test_every_field_of_this_mujoco_is_known():
    unknown = [
        field
        for field, _ in numbers(small_model({}))
        if not motionless(field) and not any(fnmatch.fnmatchcase(field, known) for known in KNOWN)
    ]
    assert unknown == []


def test_shapes_that_mjx_cannot_collide_are_for_looking_at():
    model = small_model({"world": '<geom type="cylinder" size="1 1"/><geom type="ellipsoid" size="1 2 1"/>'})
    check_supported(model)
    assert model.geom_contype.any()
    assert not without_collisions(model).geom_contype.any()


# ---------------------------------------------------------------- controls


def test_actions_are_scaled_onto_ranges():
    a = np.array([[-1.0, 0.25, -1.0], [1.0, -0.25, 1.0], [0.0, 0.0, 0.0]])
    expected = [[-3.0, 0.25, 0.0], [3.0, -0.25, 13.0], [0.0, 0.0, 6.5]]
    np.testing.assert_array_equal(controls(RANGED, a), expected)
    np.testing.assert_array_equal(controls(RANGED, jnp.asarray(a)), expected)
    np.testing.assert_array_equal(controls(RANGED, np.array([1, 1, 1])), [3.0, 1.0, 13.0])


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_precision_is_kept(kind):
    assert controls(RANGED, jnp.zeros(3, kind)).dtype == kind


def test_expressions_are_scaled_and_unlimited_ones_are_the_action_itself():
    graph = Graph()
    a = [graph.input() for _ in range(3)]
    scaled, same, shifted = controls(RANGED, a)
    assert same is a[1]
    assert scaled.operation == "mul"
    assert shifted.operation == "add"


@pytest.mark.parametrize("given", ["", 'ctrlrange="-3 3" ctrllimited="false"'])
def test_without_ranges_controls_are_the_action(given):
    action = np.array([0.1, -0.7])
    assert controls(small_model({"general": given}), action) is action
