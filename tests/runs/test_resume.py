"""What an interruption leaves behind: damaged files are kept aside, leftovers removed."""

import dataclasses
import io
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pretended import CELLS, execute, pretend, resumed
from rich.console import Console
from tiny_cells import result_of, tiny

from safebench.record import files
from safebench.record.result import CertificateRecord
from safebench.runs import runner, suites
from safebench.runs.paths import path_of
from safebench.runs.prepare import evaluation_of, prepare, schedule
from safebench.runs.resume import cut_short, differences, finished
from safebench.sets import certificate


def written(path):
    """Which file it is, and when it was written."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


@pytest.mark.parametrize("damage", ["empty", "truncated", "zeroed"])
def test_a_file_cut_short_is_kept_aside_and_its_cell_alone_run_again(tmp_path, monkeypatch, damage):
    resumed(monkeypatch)
    ran = []
    execute(CELLS, tmp_path, pretend(ran))
    path, other = (path_of(cell, tmp_path) for cell in CELLS)
    whole, untouched = path.read_bytes(), written(other)
    damaged = {"empty": b"", "truncated": whole[: len(whole) // 2], "zeroed": b"\0" * len(whole)}[damage]
    path.write_bytes(damaged)
    console = Console(record=True, width=1000, file=io.StringIO())
    runner.execute(CELLS, tmp_path, False, console, pretend(ran))
    assert ran == [*CELLS, CELLS[0]]
    assert path.read_bytes() == whole
    assert path.with_name(path.name + ".damaged").read_bytes() == damaged
    assert f"{path.name}.damaged" in console.export_text()
    assert written(other) == untouched


def test_whole_json_that_is_no_result_is_not_ours_to_move(tmp_path):
    path = path_of(CELLS[0], tmp_path)
    path.parent.mkdir()
    for text in ('{"schema_version": 2}', "[1, 2]", "[" * 200_000):
        path.write_text(text)
        ran = []
        if text.startswith("[["):  # brackets without end
            assert not cut_short(path)
        with pytest.raises(ValueError, match="--force"):
            execute(CELLS, tmp_path, pretend(ran))
        assert (ran, path.read_text()) == ([], text)
    execute(CELLS, tmp_path, pretend(ran), force=True)
    assert files.load(path).title == CELLS[0].title


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_every_truncation_is_seen(tmp_path, share):
    path = tmp_path / "cell.json"
    files.write(result_of(CELLS[0]), path)
    assert not cut_short(path)
    data = path.read_bytes().rstrip()
    path.write_bytes(data[: int(share * len(data))])
    assert cut_short(path)


def test_only_old_temporary_files_are_removed(tmp_path):
    folder = path_of(CELLS[0], tmp_path).parent
    folder.mkdir()
    old, fresh, checkpoint = folder / ".old.part", folder / ".fresh.part", folder / ".cell.checkpoint.part"
    checkpoint.mkdir()
    for path in (old, fresh, checkpoint / "data"):
        path.write_text("half")
    for path in (old, checkpoint):
        os.utime(path, (time.time() - 1e5,) * 2)
    execute(CELLS, tmp_path, pretend([]))
    assert fresh.exists()
    assert not old.exists()
    assert not checkpoint.exists()


def recorded(prepared):
    """The result that a cell would give, as far as its settings go."""
    cell, task = prepared.cell, prepared.task
    updates, points = schedule(prepared)
    return dataclasses.replace(
        result_of(cell),
        task=prepared.task_record,
        safeguard=prepared.safeguard_record,
        learner=prepared.learner_record,
        settings=suites.settings_of(cell),
        interactions=updates * points * prepared.learner.interactions,
        budget=cell.interactions,
        precision=cell.precision,
        physics=task.dynamics.physics,
        certificate=CertificateRecord(certificate.digest(task.certificate), True),
        evaluation=evaluation_of(prepared),
    )


OTHER = {
    "interactions": {"interactions": 40},
    "seeds": {"seeds": (0, 2)},
    "evaluation.episodes": {"evaluation_starts": 5},
    "evaluation.horizon": {"evaluation_horizon": 17},
    "evaluation.points": {"evaluations": 3},
    "learner.discount": {"learner_changes": (*tiny().learner_changes, ("discount", "0.9"))},
    "safeguard.centre": {"safeguard_changes": (("centre", "orthogonal"),)},
    "physics": {"physics": "mjx"},
    "precision": {"precision": "float32"},
}


@pytest.mark.parametrize("name", OTHER)
def test_every_setting_that_decides_a_result_is_compared(tmp_path, name):
    """Asked for otherwise than the folder has it, a cell is neither skipped nor overwritten."""
    asked = prepare(tiny())
    found = recorded(asked)
    assert list(differences(found, asked)) == []  # the control
    files.write(found, path_of(tiny(), tmp_path))
    assert finished(asked, tmp_path) == found
    other = prepare(dataclasses.replace(tiny(), **OTHER[name]))
    (line, *_) = differences(found, other)
    assert line.startswith(f"{name}: ")
    with pytest.raises(ValueError, match=rf"other settings \({name}: .* there, .* asked for.*--force"):
        finished(other, tmp_path)


def test_another_task_version_source_or_certificate_is_another_cell():
    asked = prepare(tiny())
    found = recorded(asked)
    changed = {
        "task.version": {"task": dataclasses.replace(found.task, version=2)},
        "task.source": {"task": dataclasses.replace(found.task, source="ab" * 32)},
        "safeguard.source": {"safeguard": dataclasses.replace(found.safeguard, source="ab" * 32)},
        "learner.source": {"learner": dataclasses.replace(found.learner, source="ab" * 32)},
        "certificate": {"certificate": CertificateRecord("0" * 64, True)},
    }
    for name, change in changed.items():
        (line,) = differences(dataclasses.replace(found, **change), asked)
        assert line.startswith(f"{name}: ")


def test_a_file_of_the_first_version_is_compared_by_what_it_says():
    asked = prepare(tiny())
    found = recorded(asked)
    old = dataclasses.replace(
        found, budget=None, evaluation=dataclasses.replace(found.evaluation, points=None)
    )
    assert list(differences(old, asked)) == []
    (line,) = differences(dataclasses.replace(old, interactions=24), asked)
    assert line == "interactions: 24 there, 32 asked for"
