"""Hundreds of altered certificates: each is refused in plain words, or C MuJoCo cannot break its claim."""

import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from altered_certificates import alterations
from ball_models import SYSTEMS
from certified_systems import cornered
from mechanisms import load as load_model
from set_attack import Plant, attack, linear_plant, mujoco_plant

import safebench
from safebench.physics.dynamics import Dynamics, linear, mechanical
from safebench.sets.certificate import Certificate, load, save
from safebench.sets.polytope import Box, Polytope, contains, half_spaces, symmetric_box
from safebench.sets.proof import prove
from safebench.sets.search import Search
from safebench.sets.synthesis import prove_safe_set

DT = 0.1
SOURCE = Path(safebench.__file__).parent


@dataclass(frozen=True)
class SmallTask:
    """As much of a task as a proof looks at."""

    name: str
    dynamics: Dynamics
    constraints: Box
    disturbance: Box
    certificate: Certificate
    half_spaces: Polytope | None = None


def small(name: str, dynamics: Dynamics, constraints: Box, disturbance: Box, **options) -> SmallTask:
    search = Search(candidates=12, refinements=5, samples=20_000)
    found = prove_safe_set(dynamics, constraints, disturbance, name, search=search, **options)
    half_spaces = options.get("half_spaces")
    return SmallTask(name, dynamics, constraints, disturbance, found, half_spaces)


# ---------------------------------------------------------------------------- what is altered

XML = (
    '<mujoco><option timestep="0.1"><flag contact="disable" constraint="disable" eulerdamp="disable" '
    'clampctrl="disable"/></option><worldbody>{}</worldbody><actuator>{}</actuator></mujoco>'
)
BODY = (
    '<body><inertial pos="0 0 0" mass="{}" diaginertia="1 1 1"/>'
    '<joint name="{}" type="slide" axis="1 0 0" stiffness="{}"/>{}</body>'
)
MOTOR = '<motor name="{0}" joint="{0}"/>'
SLIDE = XML.format(BODY.format(1, "q", 0, ""), MOTOR.format("q"))
INNER = BODY.format(0.5, "p", 1, "")
CARRIED = XML.format(BODY.format(1, "q", 1, INNER), MOTOR.format("q") + MOTOR.format("p"))


def double() -> tuple[Any, Plant]:
    """A double integrator, in numpy."""
    state, push = np.array([[1.0, DT], [0.0, 1.0]]), np.array([[DT**2], [DT]])
    boxes = symmetric_box([1.0, 1.0]), symmetric_box([0.2])
    task = small("double", linear(state, push, push, np.zeros(2)), *boxes)
    return task, linear_plant(state, push, push, np.zeros(2), *boxes)


def cut() -> tuple[Any, Plant]:
    """A double integrator that must brake in time and not turn back too fast: half-spaces beside its box."""
    state, push = np.array([[1.0, DT], [0.0, 1.0]]), np.array([[DT**2], [DT]])
    boxes, beside = symmetric_box([1.0, 1.0]), half_spaces([[1.0, 1.0], [-0.5, -1.0]], [0.8, 0.9])
    loud = symmetric_box([0.2])
    task = small("cut", linear(state, push, push, np.zeros(2)), boxes, loud, half_spaces=beside)
    plant = linear_plant(state, push, push, np.zeros(2), boxes, loud)
    return task, plant._replace(half_spaces=tuple(beside))


def slide() -> tuple[Any, Plant]:
    """1 kg on a slide; its set is carried along by a reference."""
    model, one = mujoco.MjModel.from_xml_string(SLIDE), np.ones((1, 1))
    boxes = symmetric_box([8.0, 1.0]), symmetric_box([0.01])
    task = small("slide", mechanical(model, one, "compiled"), *boxes, translations=(0,))
    return task, mujoco_plant(model, one, *boxes)


def carried() -> tuple[Any, Plant]:
    """A slide on a slide, springs on both: the inertia matrix is not diagonal."""
    model, first = mujoco.MjModel.from_xml_string(CARRIED), np.array([[1.0], [0.0]])
    boxes = symmetric_box([0.5, 0.5, 0.5, 0.5]), symmetric_box([0.1])
    return small("carried", mechanical(model, first, "compiled"), *boxes), mujoco_plant(model, first, *boxes)


def shipped(name: str) -> tuple[Any, Plant]:
    module = import_module(f"safebench.tasks.{name}")
    task, boxes = module.make("compiled"), (module.CONSTRAINTS, module.DISTURBANCE)
    if name == "energy":
        state, action, noise, _ = SYSTEMS["energy"]
        return task, linear_plant(state, action, noise, np.zeros(3), *boxes)
    return task, mujoco_plant(load_model(name), module.DISTURBANCE_INPUT, *boxes)


SYSTEMS_TO_ALTER = {"double": double, "cut": cut, "slide": slide, "carried": carried} | {
    name: lambda name=name: shipped(name) for name in ("pendulum", "energy", "quadrotor", "cartpole")
}
EVERY = {"cartpole": 6, "quadrotor": 10}
"""Of the doubtful alterations of a large set only every such one is looked at: a proof takes seconds."""


def bounded_once(task: Any) -> Any:
    """The task, whose dynamics are bounded once for all its certificates."""
    inclusion = task.dynamics.include(task.constraints, task.disturbance)
    return replace(task, dynamics=replace(task.dynamics, include=lambda *boxes: inclusion))


# ---------------------------------------------------------------------------- what becomes of it


def in_our_own_words(error: ValueError) -> bool:
    """Whether a `raise` in our own files made it, not numpy or scipy, called from there or not."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = SOURCE in Path(last.filename).parents and (last.line or "").startswith("raise ")
    return type(error) is ValueError and ours


def outcome(task: Any, path: Path) -> tuple[str, Certificate | None]:
    """("refused by loading" | "refused by proof" | "accepted", the certificate if accepted).

    Only a ValueError in our own words is a refusal; every other error passes through.
    """
    stage = "refused by loading"
    try:
        certificate = load(path)
        stage = "refused by proof"
        passed = prove(replace(task, certificate=certificate)).passed
    except ValueError as error:
        if not in_our_own_words(error):
            raise
        return stage, None
    return ("accepted", certificate) if passed else (stage, None)


def forged(path: Path) -> Iterator[str]:
    """The file, changed with its digest left as it was, in several ways; the kinds."""
    content = path.read_bytes()
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name in ("offsets", "gain", "magnitude"):
        np.savez(path, **(arrays | {name: 1.001 * arrays[name]}))
        yield f"{name} forged"
    np.savez(path, **{name: array for name, array in arrays.items() if name != "normals"})
    yield "normals missing"
    np.savez(path, **(arrays | {"offsets": arrays["offsets"].astype("f4")}))
    yield "offsets in single precision"
    path.write_bytes(content[: len(content) // 2])
    yield "half a file"


def cases(name: str, certificate: Certificate, path: Path) -> Iterator[tuple[str, bool]]:
    """(kind, harmless) of each alteration, written to `path` when it comes."""
    every = EVERY.get(name, 1)
    for number, (kind, harmless, altered) in enumerate(alterations(certificate, sum(name.encode()))):
        lasting = every > 1 and kind.startswith("a new reference")  # eliminating it takes minutes
        if harmless or (number % every == 0 and not lasting):
            save(altered, path)
            yield kind, harmless
    save(certificate, path)
    for kind in forged(path):
        yield kind, False


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS_TO_ALTER)
def test_whatever_is_accepted_survives_mujoco(name, tmp_path, capsys):
    path, count, wrong = tmp_path / "c.npz", Counter(), []
    task, plant = SYSTEMS_TO_ALTER[name]()
    task = bounded_once(task)
    for kind, harmless in cases(name, task.certificate, path):
        try:
            result, certificate = outcome(task, path)
        except Exception as error:  # a bare error of numpy or scipy is what is looked for
            wrong.append(f"{kind}: {type(error).__name__}: {error}")
            continue
        count[result] += 1
        count["harmless"] += harmless
        if harmless and certificate is None:
            wrong.append(f"{kind}: refused, though it says the same")
        for problem in attack(certificate, plant)[:1] if certificate else ():
            wrong.append(f"{kind}: accepted, but {problem}")
    made = count.total() - count["harmless"]
    with capsys.disabled():
        print(f"\n{name}: {made} altered certificates: {dict(count)}")
    assert not wrong, "\n".join(wrong)
    assert made >= (20 if name in EVERY else 120)
    assert min(count["refused by loading"], count["refused by proof"]) >= (5 if name in EVERY else 40)
    assert count["harmless"] <= count["accepted"] < made / 2


# ---------------------------------------------------------------------------- controls


def test_the_attack_breaks_sets_that_are_not_invariant():
    """A proven set survives; with a false claim of its size, its rows or its disturbance it does not."""
    task, plant = double()
    sound = task.certificate
    assert attack(sound, plant) == []
    assert attack(replace(sound, offsets=1.02 * sound.offsets), plant)
    sides = np.count_nonzero(sound.normals, axis=1) == 1
    box = replace(sound, normals=sound.normals[sides], offsets=sound.offsets[sides])
    assert all("best action leaves" in problem for problem in attack(box, plant))
    assert attack(box, plant)
    louder = plant._replace(disturbance=tuple(1.5 * end for end in plant.disturbance))
    assert attack(sound, louder)
    assert attack(replace(sound, normals=-np.abs(sound.normals)), plant)


def test_errors_of_numpy_are_no_refusals(tmp_path):
    task, _ = double()
    save(task.certificate, tmp_path / "c.npz")
    assert outcome(task, tmp_path / "c.npz")[0] == "accepted"

    def fails(constraints, disturbance):  # inside one of our own files, in numpy's words
        return contains(task.certificate.polytope, np.zeros(3))

    with pytest.raises(ValueError, match="matmul"):
        outcome(replace(task, dynamics=replace(task.dynamics, include=fails)), tmp_path / "c.npz")
    assert outcome(replace(task, name="another"), tmp_path / "c.npz") == ("refused by proof", None)


def test_a_negative_reach_of_a_reference_is_refused(tmp_path):
    model, one = mujoco.MjModel.from_xml_string(SLIDE), np.ones((1, 1))
    dynamics = mechanical(model, one, "compiled")
    claimed = replace(cornered(-6.5), fingerprint=dynamics.fingerprint)
    task = SmallTask("slide", dynamics, claimed.constraints, claimed.disturbance, claimed)
    assert any("limit" in failure for failure in prove(task).failures)
    save(claimed, tmp_path / "c.npz")
    assert outcome(task, tmp_path / "c.npz") == ("refused by loading", None)
    plant = mujoco_plant(model, one, claimed.constraints, claimed.disturbance)
    assert any("best action leaves" in problem for problem in attack(claimed, plant))
