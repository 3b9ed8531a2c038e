"""Cells in this process, one after the other."""

from collections.abc import Mapping
from pathlib import Path

from safebench.runs import events
from safebench.runs.cell import Cell
from safebench.runs.events import Event, Handle
from safebench.runs.train import run


def here(cells: Mapping[Cell, Path | None], handle: Handle) -> None:
    """Run cells in this process, one after the other."""
    for cell, folder in cells.items():
        handle(Event(cell, "compiling"))
        handle(work(cell, folder, handle))


def work(cell: Cell, folder: Path | None, send: Handle) -> Event:
    """Train one cell; every evaluation is sent, and the event that ends the cell returned.

    folder: for the checkpoint, if one is wanted.
    """
    try:
        found = run(cell, lambda snapshot: send(Event(cell, "training", snapshot)), folder)
    except Exception as error:
        return events.failed(cell, error)
    return Event(cell, "done", result=found)
