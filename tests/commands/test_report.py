"""`safebench report` and `safebench leaderboard`: what they write, and what they leave out and why."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_results import make

from safebench.commands import claims
from safebench.record import files, result
from safebench.record.strict_json import plain
from safebench.report import summary
from safebench.runs import reproduce

GOOD = Path(__file__).parents[2] / "results" / "quick" / "pendulum"
NAME = "pendulum/ray-mask--shac.json"


@pytest.mark.parametrize("command", ["report", "leaderboard"])
def test_what_was_written_and_left_out_is_said(command, tmp_path, safebench):
    source = tmp_path / "results"
    (source / "pendulum").mkdir(parents=True)
    for name in ("none--shac.json", "ray-mask--shac.json"):
        (source / "pendulum" / name).write_text((GOOD / name).read_text())
    (source / "pendulum" / "cbf-qp--shac.json").write_text("{")
    out = tmp_path / "out"
    code, output, error = safebench(command, str(source), "--out", str(out))
    assert code == 0, error
    written = [line.strip() for line in output.splitlines() if line.startswith("  ")]
    assert written
    assert all(Path(path).is_relative_to(out) and Path(path).exists() for path in written)
    assert f"left out {source / 'pendulum' / 'cbf-qp--shac.json'}" in output
    assert "Nothing is ranked" not in output


def with_runs(cell, runs):
    """The cell with other seeds, its times made to fit."""
    seconds = 1000 * cell.timing.train_seconds / (cell.interactions * len(runs))
    timing = dataclasses.replace(cell.timing, seconds_per_1000_interactions=seconds)
    return dataclasses.replace(cell, runs=tuple(runs), timing=timing)


def picked(curve, keep):
    """A curve with some of its evaluations."""

    def columns(record):
        return dataclasses.replace(
            record,
            **{
                name: tuple(values[i] for i in keep)
                for name, values in vars(record).items()
                if isinstance(values, tuple)
            },
        )

    return dataclasses.replace(
        columns(curve), training=columns(curve.training), evaluation=columns(curve.evaluation)
    )


def other_steps(cell):
    """One seed without its second evaluation; its totals agree."""
    first, second, *others = cell.runs
    kept = [i for i in range(len(second.curve.interactions)) if i != 1]
    return with_runs(cell, [first, result.make_run(second.seed, picked(second.curve, kept)), *others])


def half_the_budget(cell):
    kept = range(len(cell.runs[0].curve.interactions) // 2)
    runs = [result.make_run(run.seed, picked(run.curve, kept)) for run in cell.runs]
    return with_runs(dataclasses.replace(cell, interactions=runs[0].curve.interactions[-1]), runs)


def copied_seed(cell):
    first, second, *others = cell.runs
    return with_runs(cell, [first, dataclasses.replace(first, seed=second.seed), *others])


def final_edited(cell):
    first, *others = cell.runs
    return with_runs(
        cell, [dataclasses.replace(first, final=dataclasses.replace(first.final, return_mean=0.0)), *others]
    )


def certificate(**changes):
    return lambda cell: dataclasses.replace(
        cell, certificate=dataclasses.replace(cell.certificate, **changes)
    )


TAMPERED = {
    "other-steps": (other_steps, "seeds were evaluated at different interactions"),
    "final": (final_edited, "final.return_mean is 0.0, but its curve gives"),
    "copied": (copied_seed, "seeds 0 and 1 have the same curve"),
    "digest": (certificate(sha256="12" * 32), "certificate: 121212121212... is not known for pendulum"),
    "unverified": (certificate(verified=False), "certificate: was not verified before training"),
    "missing": (lambda cell: dataclasses.replace(cell, certificate=None), "certificate: is missing"),
    "two-seeds": (lambda cell: with_runs(cell, cell.runs[:2]), "seeds: 2, 3, 4 missing"),
    "half": (half_the_budget, "of a budget of 100000"),
    "suite": (lambda cell: dataclasses.replace(cell, suite="paper"), "seeds: 5, 6, 7, 8, 9 missing"),
    "no-suite": (lambda cell: dataclasses.replace(cell, suite="best"), "unknown suite 'best'"),
    "physics": (
        lambda cell: dataclasses.replace(cell, physics="compiled", schema_version=5),
        "equality: compiled physics is standard only where it was compared with MJX",
    ),
    "precision": (lambda cell: dataclasses.replace(cell, precision="float32"), "precision: float32 instead"),
    "module": (
        lambda cell: dataclasses.replace(cell, safeguard=dataclasses.replace(cell.safeguard, module="none")),
        "safeguard.module: none instead of ray-mask",
    ),
}


@pytest.fixture(scope="module")
def tampered(tmp_path_factory):
    """A folder for every way to tamper with one result, and the untouched one, which is found last."""
    folder = tmp_path_factory.mktemp("tampered")
    honest = files.load(GOOD / "ray-mask--shac.json")
    for case, (change, _) in TAMPERED.items():
        path = folder / case / NAME
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(plain(change(honest))))
    (folder / "place" / "quadrotor").mkdir(parents=True)
    shutil.copy(GOOD / "ray-mask--shac.json", folder / "place" / "quadrotor")
    (folder / "z-honest" / "pendulum").mkdir(parents=True)
    shutil.copy(GOOD / "ray-mask--shac.json", folder / "z-honest" / "pendulum")
    return folder


@pytest.mark.parametrize("command", ["report", "leaderboard"])
def test_what_was_tampered_with_is_left_out_and_named(command, tampered, tmp_path, safebench):
    code, output, error = safebench(command, str(tampered), "--out", str(tmp_path))
    assert code == 0, error
    left_out = [line for line in output.splitlines() if line.startswith("left out") and str(tampered) in line]
    assert len(left_out) == len(TAMPERED) + 1
    for case, (_, reason) in TAMPERED.items():
        (line,) = (line for line in left_out if str(tampered / case) in line)
        assert reason in line
    (line,) = (line for line in left_out if str(tampered / "place") in line)
    assert "which its path does not say" in line
    if command == "report":
        rows = [line for line in (tmp_path / "tables.md").read_text().splitlines() if "| ray-mask |" in line]
        honest = files.load(GOOD / "ray-mask--shac.json")
        assert f"{honest.counted.violations:,} |" in rows[0]
        shown = f"| pendulum | ray-mask | shac | {summary.row(honest).returns.value:.2f} "
        assert len([row for row in rows if row.startswith(shown)]) == 1
    else:
        (entry,) = json.loads((tmp_path / "leaderboard.json").read_text())["entries"]
        assert (entry["rank"], entry["suite"], entry["seeds"]) == (1, "quick", 5)


@pytest.mark.parametrize("command", ["report", "leaderboard"])
def test_a_task_that_is_not_installed_is_shown_by_the_report_alone(command, tmp_path, safebench):
    cell = make(task="elsewhere", suite="custom", seeds=10, interactions=200_000, points=3)
    cell = dataclasses.replace(cell, settings=result.Settings(False, ("task.source",)))
    cell = dataclasses.replace(cell, task=dataclasses.replace(cell.task, source="ab" * 32))
    files.write(cell, tmp_path / "elsewhere" / "ray-mask--shac.json")
    code, output, error = safebench(command, str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 0, error
    if command == "report":
        assert "note the certificates of elsewhere/ray-mask--shac could not be checked" in output
        assert "ray-mask (changed)" in (tmp_path / "out" / "tables.md").read_text()
    else:
        assert "left out elsewhere/ray-mask--shac (custom): not standard (changed: task.source)" in output
        assert "Nothing is ranked: every result was kept off" in output


@pytest.mark.parametrize("command", ["report", "leaderboard"])
@pytest.mark.parametrize(
    ("held", "message"),
    [
        (
            {"pendulum/none--shac.json": "{"},
            "1 file cannot be read: {}/pendulum/none--shac.json: not valid JSON",
        ),
        (
            {"pendulum/none--shac.json.damaged": "{"},
            "1 file cannot be read: {}/pendulum/none--shac.json.damaged",
        ),
        (
            {"a.json": "{}"},
            "none of its files is named TASK/SAFEGUARD--LEARNER.json, as results are: {}/a.json",
        ),
        ({}, "{}: no results"),
    ],
)
def test_a_folder_without_results_is_one_line_that_says_what_it_holds(
    command, held, message, tmp_path, safebench
):
    folder = tmp_path / "no[/x]such"
    folder.mkdir(parents=True)
    for name, text in held.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    code, output, error = safebench(command, str(folder))
    assert (code, output) == (2, "")
    assert message.format(folder) in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["report", "leaderboard"])
def test_foreign_text_is_printed_as_it_is(command, tmp_path, safebench):
    folder = tmp_path / "[red]odd[/red]"
    (folder / "pendulum").mkdir(parents=True)
    shutil.copy(GOOD / "ray-mask--shac.json", folder / "pendulum")
    cell = dataclasses.replace(
        files.load(GOOD / "none--shac.json"),
        settings=result.Settings(False, ("[/a]\x1b[2J", "b\nc", ":smile:")),
    )
    files.write(cell, folder / "pendulum" / "none--shac.json")
    (folder / "pendulum" / "[").mkdir()
    (folder / "pendulum" / "[/x]--shac.json").write_text("<html>")
    code, output, error = safebench(command, str(folder), "--out", str(folder / "[/out]"))
    assert code == 0, error
    assert f"left out {folder}/pendulum/[/x]--shac.json: not valid JSON but HTML" in output
    assert f"  {folder}/[/out]/" in output
    assert "\x1b" not in output
    if command == "leaderboard":
        assert r"not standard (changed: [/a]\x1b[2J, b c, :smile:)" in output


def test_an_out_that_cannot_be_written_is_said_before_the_work(tmp_path, safebench):
    (tmp_path / "file").write_text("")
    for command in ("report", "leaderboard"):
        code, output, error = safebench(command, str(GOOD), "--out", str(tmp_path / "file" / "x"))
        assert (code, output) == (2, "")
        assert "cannot be written" in error


def test_claims_agree_with_what_needs_jax():
    """Certificates and CERTIFIED, read without importing a plug-in, are those of the imported ones."""
    found = files.load(GOOD / "ray-mask--shac.json")
    assert claims.known_certificates()["pendulum"] == reproduce.standard_of(found).certificates
    assert list(claims.contradictions(found)) == []
    for name, certified in (("ray-mask", True), ("none", False), ("cbf-qp", True)):
        safeguard = result.SafeguardRecord(name, name, not certified, {})
        (line,) = claims.contradictions(
            dataclasses.replace(found, safeguard=safeguard, suite="custom", **CUSTOM)
        )
        assert line == f"safeguard.certified: {not certified} instead of {certified}"


CUSTOM = {"settings": result.Settings(False, ("seeds",))}

CODE = """
import sys
class Refuse:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("jax", "jaxlib", "mujoco", "brax", "flax", "optax"):
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Refuse())
from safebench import cli
_, source, out = sys.argv
for command in ("leaderboard", "report"):
    sys.argv = ["safebench", command, source, "--out", out]
    try:
        cli.main()
    except SystemExit as stopped:
        assert not stopped.code, stopped.code
"""


@pytest.mark.slow
def test_neither_command_needs_jax(tmp_path):
    (tmp_path / "pendulum").mkdir()
    shutil.copy(GOOD / "ray-mask--shac.json", tmp_path / "pendulum")
    command = [sys.executable, "-c", CODE, str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"left out {tmp_path}" not in done.stdout
    assert {"leaderboard.json", "tables.md"} <= {path.name for path in tmp_path.iterdir()}
