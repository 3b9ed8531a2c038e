"""`safebench verify`: the verdict on every file, and a seed trained again."""

import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import make
from tiny_cells import tiny

from safebench.commands import verify
from safebench.record import files
from safebench.record.result import CertificateRecord, Equality, make_run
from safebench.runs import suites
from safebench.runs.paths import path_of
from safebench.runs.prepare import prepare
from safebench.sets import certificate

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "results" / "quick" / "pendulum" / "ray-mask--shac.json"


def test_each_file_has_its_own_verdict_and_one_refusal_fails_the_command(tmp_path, safebench):
    damaged = tmp_path / "pendulum" / "none--shac.json"
    damaged.parent.mkdir()
    damaged.write_text(GOOD.read_text()[:1000])
    code, output, error = safebench("verify", str(GOOD), str(damaged))
    assert code == 1, error
    assert f"accepted {GOOD}" in output
    assert f"refused {damaged}" in output
    assert safebench("verify", str(GOOD))[0] == 0


def test_an_accepted_file_is_trained_again_and_a_refused_one_is_not(tmp_path, safebench, monkeypatch):
    damaged = tmp_path / "none--shac.json"
    damaged.write_text("{")
    again = []

    def rerun(found, seed):
        again.append((found.title, seed))
        yield "seed 3: return after 100 interactions was -8.0, is -9.0 when run again"

    monkeypatch.setattr(verify.reproduce, "rerun", rerun)
    code, output, _ = safebench("verify", "--rerun", "3", str(damaged), str(GOOD))
    assert code == 1
    assert again == [(files.load(GOOD).title, 3)]
    assert f"refused {GOOD}: seed 3: return after 100" in output
    assert "accepted /" not in output


def test_a_seed_that_is_not_there_is_one_clear_line(safebench):
    code, _, error = safebench("verify", "--rerun", "99", str(GOOD))
    assert code == 2
    assert "has no seed 99" in error


def test_a_result_of_a_superseded_certificate_is_accepted_but_not_trained_again(task_of, tmp_path, safebench):
    """The set is the same; the margin for rounding, and so the last bits of a run, are not."""
    old = task_of("pendulum", "compiled").certificate.supersedes[-1]
    found = files.load(GOOD)
    stamped = replace(found, certificate=replace(found.certificate, sha256=old))
    path = tmp_path / "pendulum" / GOOD.name
    files.write(stamped, path)
    assert safebench("verify", str(path))[0] == 0
    code, _, error = safebench("verify", "--rerun", "0", str(path))
    assert code == 2
    assert f"was trained under the certificate {old[:12]}" in error
    unknown = replace(found, certificate=replace(found.certificate, sha256="0" * 64))
    files.write(unknown, path)
    assert safebench("verify", str(path))[0] == 1


GUARD = """
from dataclasses import dataclass
from safebench.safeguard import guard
CERTIFIED = True
@dataclass(frozen=True)
class Config:
    regularisation: float = 0.0
def make(config=Config()):
    return lambda a, actions: guard(a, actions, lambda a, actions: actions.centre)
"""


def without_first(columns):
    """A curve from its second point on: training evaluates nothing before its first update."""
    fields = {field.name: getattr(columns, field.name) for field in dataclasses.fields(columns)}
    changes = {
        name: without_first(value) if dataclasses.is_dataclass(value) else value[1:]
        for name, value in fields.items()
        if value is not None
    }
    return replace(columns, **changes)


@pytest.fixture
def of_a_file(tmp_path):
    """A safeguard's file, and the path of a result that was made with it."""
    guard = tmp_path / "my_guard.py"
    guard.write_text(GUARD)
    cell = replace(
        tiny(), safeguard=str(guard), evaluations=20, evaluation_starts=64, evaluation_horizon=None
    )
    prepared = prepare(cell)
    drawn = make("pendulum", "my-guard", "shac", seeds=2, suite="custom", interactions=32, points=5)
    found = replace(
        drawn,
        runs=tuple(make_run(run.seed, without_first(run.curve)) for run in drawn.runs),
        safeguard=prepared.safeguard_record,
        learner=prepared.learner_record,
        settings=suites.settings_of(cell),
        physics="compiled",
        equality=Equality(40, 0.25, 0.5),
        certificate=CertificateRecord(certificate.digest(prepared.task.certificate), True),
    )
    path = path_of(cell, tmp_path)
    files.write(found, path)
    return guard, path


def test_a_result_made_with_a_file_is_checked_with_that_file(of_a_file, safebench):
    guard, path = of_a_file
    code, output, _ = safebench("verify", str(path))
    assert code == 1
    assert "made with a file of its own for: safeguard (verify -g FILE)" in output
    code, output, _ = safebench("verify", "-g", str(guard), str(path))
    assert code == 0, output
    assert f"accepted {path} (not standard" in output
    guard.write_text(GUARD + "# another\n")
    code, output, _ = safebench("verify", "-g", str(guard), str(path))
    assert code == 1
    assert "safeguard.source: " in output


def test_what_a_file_does_not_excuse_is_refused(of_a_file, safebench):
    guard, path = of_a_file
    found = files.load(path)
    changed = replace(found, learner=replace(found.learner, config={**found.learner.config, "window": 9}))
    files.write(changed, path)  # 32 interactions are not so many updates any more
    code, output, _ = safebench("verify", "-g", str(guard), str(path))
    assert code == 1
    assert "curve.interactions: are not the 1 evaluations that its settings give" in output
    changed = replace(found, settings=replace(found.settings, changed=("interactions",)))
    files.write(changed, path)
    code, output, _ = safebench("verify", "-g", str(guard), str(path))
    assert code == 1
    assert "safeguard.source is not named" in output


def test_files_that_are_not_what_the_result_needs_are_one_line_each(of_a_file, tmp_path, safebench):
    guard, path = of_a_file
    code, output, _ = safebench("verify", "-t", str(guard), str(path))
    assert code == 1
    assert "its task is a registered one" in output
    guard.write_text("def (")
    code, output, error = safebench("verify", "-g", str(guard), str(path))
    assert code == 1
    assert "my_guard.py: line 1" in output
    assert "Traceback" not in output + error
    code, output, _ = safebench("verify", "-g", str(tmp_path / "absent.py"), str(path))
    assert code == 1
    assert "absent.py" in output
