"""`safebench run`: what it says at the end, and when it fails."""

from pretended import CELLS, pretend
from rich.console import Console

from safebench.commands import run
from safebench.runs.paths import path_of


def test_failed_cells_make_the_command_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "place_of", lambda on, workers: pretend([], wrong=CELLS[:1]))
    console = Console(width=200)
    assert not run.run_cells(CELLS, tmp_path, False, "here", None, [], console)
    output = capsys.readouterr().out
    assert "failed pendulum/ray-mask--shac: it broke" in output
    assert str(path_of(CELLS[1], tmp_path)) in output
    assert f"  {path_of(CELLS[0], tmp_path)}" not in output
