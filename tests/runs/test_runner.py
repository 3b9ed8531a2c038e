"""The runner: a failure stays in its cell; order, repetitions, collisions and trackers."""

import dataclasses

import pytest
from pretended import CELLS, execute, pretend, resumed
from tiny_cells import result_of, tiny

from safebench.record import files
from safebench.runs import here
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
    def broken(cell, report, checkpoint):
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
