"""The runner: a failure stays in its cell; order, repetitions, collisions and trackers."""

import dataclasses
import io

import pytest
from pretended import CELLS, execute, pretend, resumed
from rich.console import Console
from tiny_cells import result_of, tiny

from safebench.record import files
from safebench.runs import events, here, runner
from safebench.runs.events import Event
from safebench.runs.paths import path_of


def test_a_cell_that_fails_leaves_the_others_alone(tmp_path, monkeypatch):
    resumed(monkeypatch)
    ran = []
    outcome = execute(CELLS, tmp_path, pretend(ran, wrong=CELLS[:1]))
    assert [found.title for found in outcome.results] == [CELLS[1].title]
    assert outcome.failed == {CELLS[0]: "it broke"}
    details = path_of(CELLS[0], tmp_path).with_suffix(".error.txt")
    assert details.read_text() == "all about it"
    assert files.load_folder(tmp_path)[1] == []
    outcome = execute(CELLS, tmp_path, pretend(ran))
    assert ran == [*CELLS, CELLS[0]]
    assert (len(outcome.results), outcome.failed) == (2, {})
    assert not details.exists()


def test_an_exception_in_this_process_is_a_failed_cell_with_its_traceback(tmp_path, monkeypatch):
    def broken(cell, *others):
        if cell == CELLS[0]:
            raise ZeroDivisionError("by zero")
        return result_of(cell)

    monkeypatch.setattr(here, "run", broken)
    outcome = execute(CELLS, tmp_path, here.here)
    assert outcome.failed == {CELLS[0]: "ZeroDivisionError: by zero"}
    assert [found.title for found in outcome.results] == [CELLS[1].title]
    assert "in broken" in path_of(CELLS[0], tmp_path).with_suffix(".error.txt").read_text()


def test_a_result_that_breaks_the_schema_is_a_failed_cell(tmp_path):
    def place(cells, handle):
        for cell in cells:
            found = result_of(cell)
            if cell == CELLS[0]:
                found = dataclasses.replace(found, precision="float16")
            handle(Event(cell, "done", result=found))

    outcome = execute(CELLS, tmp_path, place)
    assert "float16" in outcome.failed[CELLS[0]]
    assert [found.title for found in outcome.results] == [CELLS[1].title]
    assert not path_of(CELLS[0], tmp_path).exists()


def test_results_come_in_the_order_asked_for_and_once(tmp_path):
    ran = []
    outcome = execute(
        [*CELLS, CELLS[0]], tmp_path, lambda cells, handle: pretend(ran)([*cells][::-1], handle)
    )
    assert ran == CELLS[::-1]
    assert [found.title for found in outcome.results] == [cell.title for cell in CELLS]


def test_two_cells_for_one_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="same file"):
        execute([CELLS[0], tiny("ray-mask", seeds=3)], tmp_path, pretend([]))
    assert not list(tmp_path.iterdir())


def test_trackers_see_every_event(tmp_path):
    seen = []
    execute(CELLS, tmp_path, pretend([]), track=seen.append)
    assert [event.state for event in seen] == ["compiling", "done"] * 2


def test_a_result_that_cannot_be_written_leaves_the_others_alone(tmp_path, monkeypatch):
    write = files.write

    def full(found, path):
        if found.title == CELLS[0].title:
            raise OSError(28, "No space left on device")
        write(found, path)

    monkeypatch.setattr(files, "write", full)
    outcome = execute(CELLS, tmp_path, pretend([]))
    path = path_of(CELLS[0], tmp_path)
    assert outcome.failed == {CELLS[0]: f"{path}: cannot be written: No space left on device"}
    assert [found.title for found in outcome.results] == [CELLS[1].title]


def test_a_reason_that_cannot_be_written_either_ends_nothing(tmp_path):
    path_of(CELLS[0], tmp_path).with_suffix(".error.txt").mkdir(parents=True)
    outcome = execute(CELLS, tmp_path, pretend([], wrong=CELLS[:1]))
    assert outcome.failed == {CELLS[0]: "it broke"}
    assert len(outcome.results) == 1


def test_a_tracker_that_breaks_ends_no_training(tmp_path):
    seen = []

    def broken(event):
        seen.append(event)
        raise OSError(28, "No space left on device")

    console = Console(record=True, width=200, file=io.StringIO(), markup=False)
    outcome = runner.execute(CELLS, tmp_path, False, console, pretend([]), broken)
    assert (len(outcome.results), outcome.failed) == (2, {})
    assert len(seen) == 1
    assert "trackers are told nothing more: OSError: [Errno 28] No space" in console.export_text()


def unlearnt(cell):
    """A result of which every update of seed 1 was skipped."""
    found = result_of(cell)
    run = found.runs[1]
    curve = dataclasses.replace(run.curve, skipped=run.curve.updates)
    runs = (found.runs[0], dataclasses.replace(run, curve=curve))
    return dataclasses.replace(found, runs=runs)


def test_a_cell_that_learnt_nothing_is_written_and_failed_now_and_later(tmp_path, monkeypatch):
    resumed(monkeypatch)

    def place(cells, handle):
        for cell in cells:
            found = unlearnt(cell)
            handle(Event(cell, "failed", result=found, problem=events.nothing_learnt(found), details="all"))

    outcome = execute(CELLS[:1], tmp_path, place)
    said = "every update of seed 1 was skipped: a loss or gradient was not finite"
    assert outcome.failed == {CELLS[0]: said}
    path = path_of(CELLS[0], tmp_path)
    assert outcome.results == [files.load(path)]
    assert path.with_suffix(".error.txt").read_text() == "all"
    again = execute(CELLS[:1], tmp_path, pretend([]))
    assert again.failed == {CELLS[0]: f"{said} (finished before; --force redoes it)"}
    assert again.results == outcome.results


def test_remarks_are_printed_and_handed_back(tmp_path):
    seen = []

    def place(cells, handle):
        for cell in cells:
            handle(Event(cell, "compiling"))
            handle(Event(cell, "compiling", remark="[/a] goes on"))
            handle(Event(cell, "done", result=result_of(cell), remark="2 of 8 updates were skipped"))

    console = Console(record=True, width=200, file=io.StringIO(), markup=False)
    outcome = runner.execute(CELLS[:1], tmp_path, False, console, place, seen.append)
    assert outcome.remarks == {CELLS[0]: "2 of 8 updates were skipped"}
    assert f"{CELLS[0].title}: [/a] goes on" in console.export_text()
    assert [event.state for event in seen] == ["compiling", "done"]
