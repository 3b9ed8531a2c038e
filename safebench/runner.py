"""Run many cells: skip the finished, redo the damaged, write each result as soon as it is there."""

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from safebench import checkpoint, events, live, provenance, result_file, standards
from safebench.events import Event, Handle, Place
from safebench.result import Result
from safebench.run import Prepared, prepare, run
from safebench.suites import Cell

DAMAGED = ".damaged"
"""Added to the name of a file that an interruption cut short."""

STALE = 3600.0
"""Seconds after which a temporary file is left over: writing one takes milliseconds."""


class Outcome(NamedTuple):
    """Results in the order asked for, and what stopped the cells that have none."""

    results: list[Result]
    failed: dict[Cell, str]


def path_of(cell: Cell, folder: Path) -> Path:
    """The result file of a cell."""
    return result_file.cell_path(folder, _stem(cell.task), _stem(cell.safeguard), _stem(cell.learner))


def beside(cell: Cell, folder: Path) -> Path:
    """The checkpoint folder of a cell."""
    return checkpoint.beside(path_of(cell, folder))


def finished(prepared: Prepared, folder: Path) -> Result | None:
    """The cell's result if its file is there and whole.

    Raises:
        ValueError: if the file is no result, or holds the cell with other settings.
    """
    cell = prepared.cell
    path = path_of(cell, folder)
    if not path.exists() or cut_short(path):
        return None
    try:
        found = result_file.load(path)
    except ValueError as error:
        raise ValueError(f"{error} (move the file away, or redo the cell with --force)") from None
    same = (
        found.seeds == cell.seeds
        and found.physics in (cell.physics, "plain")
        and found.precision == cell.precision
        and found.settings == provenance.settings(cell)
        and found.learner.config == standards.as_json(prepared.learner_config)
        and found.safeguard.config == standards.as_json(prepared.safeguard_config)
    )
    if not same:
        raise ValueError(
            f"{path}: holds this cell with other settings; choose another --out, or redo it with --force"
        )
    return found


def cut_short(path: Path) -> bool:
    """Whether a file is no whole JSON text: empty, truncated or zeroed, as a loss of power leaves it.

    Whole JSON that is no result was written by somebody, and is not ours to move.
    """
    if not path.is_file() or path.stat().st_size > result_file.LARGEST_FILE:
        return False
    try:
        json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return True
    except (ValueError, RecursionError):  # numbers or brackets without end: somebody's doing
        return False
    return False


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
        _clear(path_of(cell, folder), console)

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
            result_file.write(event.result, path)
            reason.unlink(missing_ok=True)
        except ValueError as error:  # e.g. a plug-in's name that the schema refuses
            event = events.failed(event.cell, error)
    if event.state == "failed":
        path.parent.mkdir(parents=True, exist_ok=True)
        reason.write_text(event.details, encoding="utf-8")
    return event


def _clear(path: Path, console: Console) -> None:
    """Move a damaged result aside and remove temporary files that a killed run left beside it."""
    if cut_short(path):
        aside = path.with_name(path.name + DAMAGED)
        os.replace(path, aside)
        console.print(f"{path}: damaged by an interruption; kept as {aside.name}, the cell is run again")
    for leftover in path.parent.glob(".*.part"):
        if time.time() - leftover.stat().st_mtime < STALE:
            continue  # another run may be writing it now
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


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


def _stem(name: str) -> str:
    """A plug-in's short name: of `./my_task.py` and `package.my_task` it is `my-task`."""
    if name.endswith(".py"):
        return Path(name).stem.replace("_", "-").lower()
    return name.rpartition(".")[2].replace("_", "-").lower()
