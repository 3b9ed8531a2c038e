"""`safebench certify --attack`: what is attacked, the record and the verdict."""

import dataclasses
import io
import json

import corridor_task
import numpy as np
from rich.console import Console

from safebench.commands import attack
from safebench.env.attack import INFLATION, Record, inflated
from safebench.env.corridor import Corridor
from safebench.env.safe_set import offsets_of
from safebench.sets.proof import prove

FOUND = Record(
    task="pendulum",
    certificate="ab" * 32,
    target="ray-mask",
    control=False,
    physics="compiled",
    steps=1000,
    outside=0,
    infeasible=0,
    last_line=0,
    non_finite=0,
    largest_excess=-0.001,
    first=None,
    seconds=1.0,
)


def test_the_record_says_what_was_done(tmp_path, task_of, monkeypatch):
    monkeypatch.setattr(attack.presets, "names", lambda: ["boundary-projection"])
    out = tmp_path / "attack.json"
    assert attack.attack_all(["pendulum"], 1, "compiled", out, Console(quiet=True))
    document = json.loads(out.read_text())
    assert [record["control"] for record in document["records"]] == [False, True, True]
    safe = document["records"][0]
    assert document["guarded_steps"] == safe["steps"]
    assert safe["outside"] == 0
    assert np.isfinite(safe["largest_excess"])
    assert document["provenance"]["packages"]["jax"]


def test_every_certified_safeguard_is_attacked_once_and_each_task_has_two_controls(task_of):
    targets = attack.certified()
    assert {"boundary-projection", "ray-mask", "cbf-qp", "replacement"} <= set(targets)
    assert not any(name == "none" or name.endswith("+regularised") for name in targets)
    plans = attack.plans(task_of("pendulum", "compiled"), targets, 700)
    assert [(plan.target, plan.control, plan.steps) for plan in plans] == [
        *((name, False, 700) for name in targets),
        ("none", True, 1),
        ("offsets x 1.02", True, 1),
    ]


def test_of_a_moving_set_a_third_control_leaves_out_the_check_of_corridors():
    plans = attack.plans(corridor_task.make(), ["ray-mask"], 1)
    assert [(plan.target, plan.control, plan.checked) for plan in plans] == [
        ("ray-mask", False, True),
        ("none", True, True),
        ("offsets x 1.02", True, True),
        ("unchecked corridors", True, False),
    ]


def test_a_moving_set_is_inflated_about_its_reference():
    """Twice: in the certificate, and in the set of a corridor of one point, which is S0 about it."""
    task, wrong = corridor_task.make(), inflated(corridor_task.make())
    point = Corridor(np.array([0.5, -0.25]), np.array([0.5, -0.25]))
    for made, factor in ((task, 1.0), (wrong, INFLATION)):
        reach = made.safe_set.normals @ made.safe_set.translations @ point.low
        offsets = np.asarray(offsets_of(made.safe_set, point, float)) - reach
        proven = task.certificate
        carried = np.abs(proven.normals @ proven.translations) @ proven.translation_limits
        np.testing.assert_allclose(offsets, factor * (proven.offsets - carried), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(wrong.safe_set.base_offsets, INFLATION * task.safe_set.base_offsets)
    assert not prove(wrong).passed
    assert prove(task).passed  # the control


def test_the_table_says_what_went_wrong():
    broken = dataclasses.replace(FOUND, outside=3, first=96)
    missed = dataclasses.replace(FOUND, target="none", control=True)
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(attack.table([FOUND, broken, missed]))
    text = console.export_text()
    assert "2,000 guarded steps" in text
    assert text.count(" safe") == 2
    assert "NOT safe" in text
    assert "NOT control" in text


def test_the_command_line_attacks_and_fails_where_a_counterexample_is_found(safebench, monkeypatch, tmp_path):
    asked = []

    def pretend(task, target, guard, control, steps, seed=0, checked=True):
        asked.append((task.name, task.dynamics.physics, steps))
        return dataclasses.replace(FOUND, target=target, control=control, outside=1, first=10)

    monkeypatch.setattr(attack, "attack", pretend)
    monkeypatch.setattr(attack.presets, "names", lambda: ["ray-mask"])
    out = tmp_path / "new" / "attack.json"
    options = ("--steps", "50", "--physics", "compiled", "--out", str(out))
    code, output, error = safebench("certify", "pendulum", "--attack", *options)
    assert code == 1, error
    assert "NOT" in output
    assert asked == [("pendulum", "compiled", steps) for steps in (50, 1, 1)]
    assert json.loads(out.read_text())["guarded_steps"] == FOUND.steps
