"""`safebench run`: what it says at the end, and when it fails."""

import dataclasses

import pytest
from pretended import CELLS, pretend
from rich.console import Console
from tiny_cells import result_of

from safebench.commands import ending, run
from safebench.record import files
from safebench.record.result import column
from safebench.runs.events import Event
from safebench.runs.paths import path_of


def test_failed_cells_make_the_command_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "place_of", lambda on, workers: pretend([], wrong=CELLS[:1]))
    console = Console(width=200)
    assert not run.run_cells(CELLS, tmp_path, False, "here", None, [], console)
    output = capsys.readouterr().out
    assert "failed pendulum/ray-mask--shac: it broke" in output
    assert str(path_of(CELLS[1], tmp_path)) in output
    assert f"  {path_of(CELLS[0], tmp_path)}" not in output


def with_skipped(result, counts):
    """The result with so many skipped updates of each seed, of ten."""
    runs = []
    for run_, count in zip(result.runs, counts, strict=True):
        points = len(run_.curve.interactions)
        updates, lost = [[total] * points for total in (10, count)]
        curve = dataclasses.replace(run_.curve, updates=column(updates), skipped=column(lost))
        runs.append(dataclasses.replace(run_, curve=curve))
    return dataclasses.replace(result, runs=tuple(runs))


@pytest.mark.parametrize(
    ("counts", "passed", "said"),
    [
        ((0, 0), True, None),
        ((3, 1), True, "skipped pendulum/ray-mask--shac: 4 of 20 updates: a loss or gradient was not finite"),
        ((3, 10), False, "failed pendulum/ray-mask--shac: every update of seed 1 was skipped"),
        ((10, 10), False, "failed pendulum/ray-mask--shac: every update of seeds 0, 1 was skipped"),
    ],
)
def test_skipped_updates_are_said_and_a_cell_that_learnt_nothing_has_failed(
    counts, passed, said, tmp_path, monkeypatch, capsys
):
    """Whatever the place says of such a cell: the result is what counts."""

    def place(cells, handle):
        for cell in cells:
            handle(Event(cell, "done", result=with_skipped(result_of(cell), counts)))

    monkeypatch.setattr(run, "place_of", lambda on, workers: place)
    monkeypatch.setattr(run.plots, "save", lambda figure, path: [])
    assert run.run_cells(CELLS[:1], tmp_path, False, "here", None, [], Console(width=300)) == passed
    lines = capsys.readouterr().out.splitlines()
    ends = [line for line in lines if line.startswith(("failed ", "skipped "))]
    assert len(ends) == (said is not None)
    assert all(line.startswith(said) for line in ends)


def test_the_learning_curves_are_those_of_all_that_the_folder_holds(tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(run.plots, "learning_curves", lambda results: drawn.append(list(results)))
    monkeypatch.setattr(run.plots, "save", lambda figure, path: [])
    monkeypatch.setattr(run, "place_of", lambda on, workers: pretend([]))
    for cell in CELLS:
        run.run_cells([cell], tmp_path, True, "here", None, [], Console())
    titles = [[result.title for result in results] for results in drawn]
    assert titles == [[CELLS[0].title], sorted(cell.title for cell in CELLS)] or titles == [
        [CELLS[0].title],
        [cell.title for cell in CELLS],
    ]
    broken = path_of(CELLS[0], tmp_path)
    broken.write_text(broken.read_text()[:-30])
    run.run_cells(CELLS[1:], tmp_path, True, "here", None, [], Console())
    assert [result.title for result in drawn[-1]] == [CELLS[1].title]


def test_a_result_that_is_not_what_it_claims_is_not_drawn(tmp_path):
    found = result_of(CELLS[0])
    edited = dataclasses.replace(
        found.runs[0], final=dataclasses.replace(found.runs[0].final, return_mean=99.0)
    )
    for result, count in ((found, 1), (dataclasses.replace(found, runs=(edited, *found.runs[1:])), 0)):
        files.write(result, path_of(CELLS[0], tmp_path))
        assert len(run._all_of(tmp_path, [])) == count


def test_ctrl_c_says_what_is_kept_and_nothing_more(tmp_path, monkeypatch, capsys):
    def place(cells, handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "place_of", lambda on, workers: place)

    def command(_):
        run.run_cells(CELLS, tmp_path, False, "here", None, [], Console())

    assert ending.run(command, ()) == 130
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == run.INTERRUPTED
    assert captured.err == ""
