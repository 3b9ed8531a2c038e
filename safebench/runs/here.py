"""Cells in this process, one after the other."""

from collections.abc import Mapping

from safebench.record.result import Result
from safebench.runs import events
from safebench.runs.cell import Cell
from safebench.runs.events import Event, Folders, Handle, Snapshot, State
from safebench.runs.train import run


def here(cells: Mapping[Cell, Folders], handle: Handle) -> None:
    """Run cells in this process, one after the other."""
    for cell, folders in cells.items():
        handle(Event(cell, "compiling"))
        handle(work(cell, folders, handle))


def work(cell: Cell, folders: Folders, send: Handle) -> Event:
    """Train one cell; every evaluation is sent, and the event that ends the cell returned."""
    now: State = "compiling"

    def report(snapshot: Snapshot) -> None:
        nonlocal now
        now = "training"
        send(Event(cell, now, snapshot))

    def remark(text: str) -> None:
        send(Event(cell, now, remark=text))

    try:
        found = run(cell, report, folders.checkpoint, folders.state, remark)
    except Exception as error:
        return events.failed(cell, error)
    return ended(cell, found)


def ended(cell: Cell, found: Result) -> Event:
    """The end of a cell that was trained; where updates were skipped, it says which term to look at."""
    if not found.skipped:
        return Event(cell, "done", result=found)
    from safebench.runs.diagnose import where_to_look

    look = where_to_look(cell)
    problem = events.nothing_learnt(found)
    if problem:
        return Event(
            cell, "failed", result=found, problem=f"{problem}; {look}", details=f"{problem}\n\n{look}\n"
        )
    tried = sum(run.curve.updates[-1] for run in found.runs if run.curve.updates)
    said = f"{found.skipped} of {tried} updates were skipped: a loss or gradient was not finite; {look}"
    return Event(cell, "done", result=found, remark=said)
