"""The runner: damaged files, leftovers, failures, a killed run; nothing finished is lost or repeated."""

import dataclasses
import io
import os
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tiny_cells import ARGUMENTS, result_of, tiny

from safebench import cli
from safebench.commands import run
from safebench.record import files
from safebench.runs import here, runner
from safebench.runs.events import Event
from safebench.runs.paths import path_of
from safebench.runs.resume import cut_short

CELLS = [tiny("ray-mask"), tiny("none")]


def pretend(ran, wrong=()):
    """A place whose cells all end at once, in their order; those in `wrong` fail."""

    def place(cells, handle):
        for cell in cells:
            ran.append(cell)
            handle(Event(cell, "compiling"))
            if cell in wrong:
                handle(Event(cell, "failed", problem="it broke", details="all about it"))
            else:
                handle(Event(cell, "done", result=result_of(cell)))

    return place


def execute(cells, folder, place, force=False, track=None):
    return runner.execute(cells, folder, force, Console(quiet=True), place, track)


def resumed(monkeypatch):
    """Results that never ran have settings of their own: take any whole file for finished."""

    def finished(prepared, folder):
        path = path_of(prepared.cell, folder)
        return files.load(path) if path.exists() and not cut_short(path) else None

    monkeypatch.setattr(runner, "finished", finished)


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "not 0"),
        (["--on", "mars"], "'mars'"),
        (["--track", "mlflow"], "known: tensorboard, wandb"),
    ],
)
def test_bad_places_and_trackers_are_one_clear_line(arguments, message, tmp_path, monkeypatch, capsys):
    command = ["safebench", "run", "-g", "none", *ARGUMENTS, "--out", str(tmp_path), *arguments]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_failed_cells_make_the_command_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "place_of", lambda on, workers: pretend([], wrong=CELLS[:1]))
    console = Console(width=200)
    assert not run.run_cells(CELLS, tmp_path, False, "here", None, [], console)
    output = capsys.readouterr().out
    assert "failed pendulum/ray-mask--shac: it broke" in output
    assert str(path_of(CELLS[1], tmp_path)) in output
    assert f"  {path_of(CELLS[0], tmp_path)}" not in output
