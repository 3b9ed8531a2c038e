"""Run many cells: skip the finished, redo the damaged, write each result as soon as it is there."""

import contextlib
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from safebench.record import files
from safebench.record.result import Result
from safebench.runs import checkpoint, events, kept, live
from safebench.runs.cell import Cell
from safebench.runs.events import Event, Folders, Handle, Place
from safebench.runs.here import here
from safebench.runs.paths import beside, path_of
from safebench.runs.prepare import Prepared, prepare
from safebench.runs.resume import clear, finished


class Outcome(NamedTuple):
    """Results in the order asked for, and what stopped the cells that have none or one good for nothing.

    remarks: what else there was to say, the last word on each cell.
    """

    results: list[Result]
    failed: dict[Cell, str]
    remarks: dict[Cell, str] = {}  # noqa: RUF012 (never changed)


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
    made = {cell: prepare(cell) for cell in cells}
    cells = list(made)
    _check_paths(cells, folder)
    results: dict[Cell, Result] = {}
    for cell, prepared in made.items():
        found = None if force else finished(prepared, folder)
        if found is not None and checkpoints and not checkpoint.belongs(beside(cell, folder), cell, found):
            console.print(f"{cell.title}: finished, but without the checkpoint asked for: run again")
            found = None
        if found is not None:
            results[cell] = found
        elif not force:
            _check_kept(prepared, folder)
    todo: dict[Cell, Folders] = {}
    failures: dict[Cell, str] = {}
    _check_writable(folder)
    for cell in cells:
        state = kept.beside(path_of(cell, folder).absolute())
        if cell in results or force:
            kept.remove(state)  # of no use any more, or not wanted
        if cell not in results:
            _check_writable(state.parent)
            clear(path_of(cell, folder), console)
            todo[cell] = Folders(beside(cell, folder) if checkpoints else None, state)
        elif results[cell].failed_seeds:
            failures[cell] = f"{events.nothing_learnt(results[cell])} (finished before; --force redoes it)"
    if results:
        console.print(f"{len(results)} of {len(cells)} cells were finished before: skipped (--force redoes)")

    remarks: dict[Cell, str] = {}
    with live.table(cells, set(results), console) as show:

        def handle(event: Event) -> None:
            nonlocal track
            event = _keep(event, path_of(event.cell, folder))
            if event.result is not None:
                results[event.cell] = event.result
            if event.state == "failed":
                failures[event.cell] = event.problem
            if event.remark:
                remarks[event.cell] = event.remark
                console.print(f"{event.cell.title}: {event.remark}", soft_wrap=True, markup=False)
                if event.state in ("compiling", "training"):
                    return  # nothing has happened to the cell
            show(event)
            if track is None:
                return
            try:
                track(event)
            except Exception as error:  # of a tracker's package or its disk: no reason to lose the training
                track = None
                console.print(
                    f"trackers are told nothing more: {type(error).__name__}: {error}",
                    soft_wrap=True,
                    markup=False,
                )

        if todo:
            place(todo, handle)
    return Outcome([results[cell] for cell in cells if cell in results], failures, remarks)


def _keep(event: Event, path: Path) -> Event:
    """Write what a cell ended with: its result, or beside it what went wrong.

    What is kept of its training goes once the result is there, and not before.
    """
    reason = path.with_suffix(".error.txt")
    if event.result is not None:
        try:
            files.write(event.result, path)
            reason.unlink(missing_ok=True)
            kept.remove(kept.beside(path))
        except ValueError as error:  # e.g. a plug-in's name that the schema refuses
            event = events.failed(event.cell, error)
        except OSError as error:
            cause = error.strerror or str(error)
            event = events.failed(event.cell, ValueError(f"{path}: cannot be written: {cause}"))
    if event.state == "failed":
        with contextlib.suppress(OSError):  # of a disk that is full, or a folder that is gone
            path.parent.mkdir(parents=True, exist_ok=True)
            reason.write_text(event.details, encoding="utf-8")
    return event


def _check_paths(cells: list[Cell], folder: Path) -> None:
    owners: dict[Path, Cell] = {}
    for cell in cells:
        path = path_of(cell, folder)
        other = owners.setdefault(path, cell)
        if other != cell:
            raise ValueError(f"{cell.title} and {other.title} would be written to the same file")
        for taken, is_other, wanted in (
            (path, path.is_dir(), "a file"),
            (beside(cell, folder), beside(cell, folder).is_file(), "a folder"),
            (kept.beside(path), kept.beside(path).is_file(), "a folder"),
        ):
            if is_other:
                raise ValueError(f"{taken}: is in the way, expected {wanted} or nothing: move it")


def _check_kept(prepared: Prepared, folder: Path) -> None:
    """What an interrupted training has come to is not thrown away for a slip in the options."""
    state = kept.beside(path_of(prepared.cell, folder).absolute())
    differs = kept.conflict(state, prepared)
    if differs is not None:
        raise ValueError(
            f"{state}: holds an interrupted training of this cell with other settings ({differs}); "
            "say those to go on with it, choose another --out, or discard it with --force"
        )


def _check_writable(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"cannot write results to {str(folder)!r}: {error.strerror}") from None
