"""Cells that run nowhere: places that only say what happened."""

from rich.console import Console
from tiny_cells import result_of, tiny

from safebench.record import files
from safebench.runs import runner
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
