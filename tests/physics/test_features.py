"""Every MJCF feature is exact in every physics or refused: see docs/models.md, which is checked here too."""

import re

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from mjcf_features import FEATURES
from models_page import COMMAND, PAGE, inputs, moved, page

from safebench.physics import reference
from safebench.physics.agreement import compiled_steps
from safebench.physics.dynamics import fingerprint, mechanical
from safebench.physics.supported import check_supported, controls, without_collisions

SECTIONS = list(dict.fromkeys(feature.section for feature in FEATURES))


def expected(section, *kinds):
    return [feature for feature in FEATURES if feature.section == section and feature.expected in kinds]


def agree(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_accepted_steps_in_c_mujoco_as_compiled(section):
    for feature in expected(section, "moves", "harmless"):
        model, without = feature.models()
        check_supported(model)
        agree(compiled_steps(model)(*inputs(model)), reference.steps(model, *inputs(model)))
        if feature.expected == "moves":  # else the agreement above would mean nothing
            assert moved(model, without) > 1e-6, feature.shown
            assert fingerprint(model) != fingerprint(without), feature.shown
        else:
            assert moved(model, without) < 1e-12, feature.shown


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_refused_is_refused_in_both_physics(section):
    for feature in expected(section, "refused"):
        model, _ = feature.models()
        messages = set()
        for physics in ("mjx", "compiled"):
            with pytest.raises(ValueError, match=r"not supported .*docs/models.md") as refused:
                mechanical(model, np.zeros((model.nv, 1)), physics)
            messages.add(str(refused.value))
        assert len(messages) == 1


@jax.jit
def mjx_steps(model, q, v, ctrl):
    from mujoco import mjx

    def step(q, v, ctrl):
        data = mjx.step(model, mjx.make_data(model).replace(qpos=q, qvel=v, ctrl=ctrl))
        return jnp.concatenate([data.qpos, data.qvel])

    return jax.vmap(step)(q, v, ctrl)


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_accepted_steps_in_mjx_as_in_c_mujoco(section):
    from mujoco import mjx

    for feature in expected(section, "moves", "harmless"):
        model, _ = feature.models()
        x, a = inputs(model)
        device = mjx.put_model(without_collisions(model), impl="jax")
        ours = mjx_steps(device, x[:, : model.nq], x[:, model.nq :], controls(model, a))
        agree(ours, reference.steps(model, x, a))


# ---------------------------------------------------------------- the list is whole


PARENTS = {"option": "mujoco", "flag": "option", "general": "actuator"}
LOOKED_AT = (*PARENTS, *"inertial joint freejoint body geom site".split())
NAMES = set("name class material childclass".split())
"""Attributes that name things, or looks."""
SHORTCUTS = (
    "motor position velocity intvelocity orientation pid damper cylinder muscle adhesion dcmotor".split()
)


def schema():
    """{element: attributes} of the elements looked at, as MuJoCo itself prints them."""
    found = {element: set() for element in LOOKED_AT}
    path, here = ["none"], None
    for line in mujoco.mj_printSchema(False, False).splitlines():
        head = re.match(r"( *)(?:\(world\))?(\w+) \(.\)", line)
        if head:
            depth = 1 + len(head[1]) // 3
            path[depth:] = [head[2]]
            parent = PARENTS.get(path[-1], "body")
            here = path[-1] if path[-1] == "body" or (path[-2] == parent and "default" not in path) else None
        if here in found and (head or not line[:30].strip()):
            found[here].update(line[30:].split())
    return found


def written():
    """{element: attributes} in the list of features."""
    found = {}
    for feature in FEATURES:
        for tag, attributes in re.findall(r"<(\w+)([^>]*)>", f"{feature.shown} {feature.setting}"):
            found.setdefault(tag, set()).update(re.findall(r"(\w+)=", attributes))
    return found


def test_the_list_has_every_attribute_of_hinge_and_slide_models():
    listed, known = written(), schema()
    assert {"spring", "damper", "ipc"} <= known["flag"]
    missing = {element: known[element] - listed[element] - NAMES for element in LOOKED_AT}
    assert {element: names for element, names in missing.items() if names} == {}
    assert set(SHORTCUTS) <= listed.keys()
    assert {"fixed", "spatial", "connect", "weld", "tendon", "pair", "exclude"} <= listed.keys()


@pytest.mark.slow
def test_the_page_is_what_the_code_does():
    assert PAGE.read_text() == page(), f"write it again: {COMMAND}"
