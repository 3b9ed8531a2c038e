"""Run many cells: skip the finished, redo the damaged, write each result as soon as it is there."""

from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from safebench.record import files
from safebench.record.result import Result
from safebench.runs import checkpoint, events, live
from safebench.runs.cell import Cell
from safebench.runs.events import Event, Handle, Place
from safebench.runs.here import here
from safebench.runs.paths import beside, path_of
from safebench.runs.prepare import prepare
from safebench.runs.resume import clear, finished


class Outcome(NamedTuple):
    """Results in the order asked for, and what stopped the cells that have none."""

    results: list[Result]
    failed: dict[Cell, str]


def execute(
    cells: list[Cell],
    folder: Path,
    force: bool,
    console: Console,
    place: Place = here,
    track: Handle | None = None,
    checkpoints: bool = False,
) -> Outcome:
    """Run every unfinished cell at a place; `track` sees every event too.

    checkpoints: also save the final policies; a cell without its own is not finished.

    Raises:
        ValueError, LookupError: for a bad cell or result file, before anything runs.
        OSError: if the folder cannot be written.
    """
    cells = list(dict.fromkeys(cells))
    _check_paths(cells, folder)
    results: dict[Cell, Result] = {}
    for cell in cells:
        prepared = prepare(cell)
        found = None if force else finished(prepared, folder)
        if found is not None and checkpoints and not checkpoint.belongs(beside(cell, folder), cell, found):
            console.print(f"{cell.title}: finished, but without the checkpoint asked for: run again")
            found = None
        if found is not None:
            results[cell] = found
    _check_writable(folder)
    if results:
        console.print(f"{len(results)} of {len(cells)} cells were finished before: skipped (--force redoes)")
    todo = {cell: beside(cell, folder) if checkpoints else None for cell in cells if cell not in results}
    for cell in todo:
        clear(path_of(cell, folder), console)

    failures: dict[Cell, str] = {}
    with live.table(cells, set(results), console) as show:

        def handle(event: Event) -> None:
            event = _keep(event, path_of(event.cell, folder))
            if event.result is not None:
                results[event.cell] = event.result
            elif event.state == "failed":
                failures[event.cell] = event.problem
            show(event)
            if track is not None:
                track(event)

        if todo:
            place(todo, handle)
    return Outcome([results[cell] for cell in cells if cell in results], failures)


def _keep(event: Event, path: Path) -> Event:
    """Write what a cell ended with: its result, or beside it what went wrong."""
    reason = path.with_suffix(".error.txt")
    if event.result is not None:
        try:
            files.write(event.result, path)
            reason.unlink(missing_ok=True)
        except ValueError as error:  # e.g. a plug-in's name that the schema refuses
            event = events.failed(event.cell, error)
    if event.state == "failed":
        path.parent.mkdir(parents=True, exist_ok=True)
        reason.write_text(event.details, encoding="utf-8")
    return event


def _check_paths(cells: list[Cell], folder: Path) -> None:
    owners: dict[Path, Cell] = {}
    for cell in cells:
        other = owners.setdefault(path_of(cell, folder), cell)
        if other != cell:
            raise ValueError(f"{cell.title} and {other.title} would be written to the same file")


def _check_writable(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"cannot write results to {str(folder)!r}: {error.strerror}") from None
