"""The fingerprint: what moves the next state changes it, what cannot move it does not."""

import copy
import fnmatch

import mujoco
import numpy as np
import pytest
from mjcf_features import small_model
from models_page import moved

from safebench.physics.fingerprint import MOTIONLESS, fingerprint, motionless, numbers
from safebench.physics.supported import check_supported

RICH = {
    "top": """<asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/><material name="red"/></asset>
        <keyframe><key qpos="1 1 1" qvel="2 2 2"/></keyframe><custom><numeric name="n" data="1 2"/></custom>
        <sensor><jointpos joint="hinge" noise="0.1"/></sensor><visual><global fovy="30"/></visual>""",
    "world": '<light pos="0 0 3"/><camera pos="0 0 1"/><geom type="plane" size="1 1 1"/>'
    '<body><inertial pos="0 0 0" mass="2" diaginertia="1 1 1"/><joint type="slide" axis="1 0 0"/></body>',
    "body": 'quat="1 0.2 0.3 0.4" gravcomp="0.5" user="1 2"',
    "inertial": 'quat="1 0.2 0.3 0.4"',
    "joint": 'pos="0.1 0.2 0.1" stiffness="2" springref="0.3" ref="0.2" damping="0.3" armature="0.1" '
    'range="-1 1" limited="false" actuatorgravcomp="true"',
    "geom": 'type="mesh" mesh="m" material="red"',
    "site": 'quat="1 0.3 0.1 0.2"',
    "general": 'gaintype="affine" gainprm="1 2 3" biastype="affine" biasprm="1 2 3" ctrlrange="-2 5"',
    "actuator": '<general site="tip" gear="1 2 3 4 5 6" biastype="affine" biasprm="1"/>',
}
TINY = 1e-12
"""Rounding in the next state: it depends on computed numbers such as the mass of a subtree."""


FLAGS = {"opt.disableflags": mujoco.mjtDisableBit, "opt.enableflags": mujoco.mjtEnableBit}
ABORTS = (mujoco.mjtEnableBit.mjENBL_IPC,)
"""Without which other options C MuJoCo stops the program."""


def perturbed(model):
    """(field, the model with one number changed), for every number and flag that is no index or size."""
    for field, array in numbers(model):
        if array.dtype.kind not in "fb" and not field.startswith("opt."):
            continue
        name = field.removeprefix("opt.")
        for index in np.ndindex(array.shape):
            old = array[index]
            if field in FLAGS:
                bits = [int(bit) for bit in FLAGS[field].__members__.values() if bit not in ABORTS]
                changes = [int(old) ^ bit for bit in bits if bit.bit_count() == 1]
            else:
                changes = [old + 0.01 if old.dtype.kind == "f" else 1 - int(old)]
            for change in changes:
                other = copy.copy(model)
                holder = other.opt if field.startswith("opt.") else other
                if array.shape:
                    getattr(holder, name)[index] = change
                else:
                    setattr(holder, name, change)
                yield field, other


def supported(model):
    try:
        check_supported(model)
    except ValueError:
        return False
    return True


def test_whatever_moves_the_next_state_changes_the_fingerprint():
    model = small_model(RICH)
    known = fingerprint(model)
    seen, moving, unseen = set(), set(), set()
    for field, other in perturbed(model):
        seen.add(field)
        same = fingerprint(other) == known
        assert same == (motionless(field) is not None), field
        if moved(model, other) > TINY:
            moving.add(field)
            if same:
                unseen.add(field)
                assert not supported(other), field
    # The one computed number that C MuJoCo steps with: a model where it is stale is refused.
    assert unseen == {"dof_M0"}
    assert {"body_mass", "jnt_stiffness", "site_pos", "actuator_ctrlrange", "opt.gravity"} <= moving
    assert {"opt.disableflags", "qpos0", "actuator_forcelimited", "dof_dampingpoly"} <= moving
    assert {
        "geom_rgba",
        "key_qpos",
        "mat_rgba",
        "opt.tolerance",
        "numeric_data",
        "light_pos",
    } <= seen - moving


@pytest.mark.parametrize("reason", MOTIONLESS)
def test_every_pattern_that_is_left_out_names_fields(reason):
    fields = [field for field, _ in numbers(small_model(RICH))]
    for pattern in MOTIONLESS[reason].split():
        assert fnmatch.filter(fields, pattern), pattern


def test_names_and_decoration_do_not_matter():
    plain, noise = small_model({}), np.ones((2, 1))
    decorated = small_model(
        {
            "top": RICH["top"].replace("1 1 1", "1 1").replace("2 2 2", "2 2"),
            "world": '<light pos="0 0 3"/><camera pos="0 0 1"/><geom type="plane" size="1 1 1"/>',
            "geom": 'name="bar" rgba="1 0 0 1" size="0.3"',
        }
    )
    assert fingerprint(decorated, noise) == fingerprint(plain, noise)
    assert fingerprint(plain, 2 * noise) != fingerprint(plain, noise)


def test_the_last_bit_of_a_mass_matters():
    plain, other = small_model({}), small_model({})
    other.body_mass[1] = np.nextafter(other.body_mass[1], 2)
    assert fingerprint(other) != fingerprint(plain)


class Later:
    """A model as a later MuJoCo may have it: one field more."""

    def __init__(self, model, value):
        self._model, self.body_magnetism = model, value

    def __getattr__(self, name):
        return getattr(self._model, name)

    def __dir__(self):
        return [*dir(self._model), "body_magnetism"]


@pytest.mark.parametrize("value", [np.zeros(3), np.full(3, -1), np.zeros(0)])
def test_what_a_later_mujoco_adds_changes_nothing_while_it_is_at_rest(value):
    assert fingerprint(Later(small_model({}), value)) == fingerprint(small_model({}))


@pytest.mark.parametrize("value", [np.array([0, 0.1]), np.full(3, -1.0)])
def test_what_a_later_mujoco_adds_counts_and_is_refused_where_it_is_used(value):
    later = Later(small_model({}), value)
    assert fingerprint(later) != fingerprint(small_model({}))
    with pytest.raises(
        ValueError, match="its body_magnetism is set, which this version of safebench does not know"
    ):
        check_supported(later)
