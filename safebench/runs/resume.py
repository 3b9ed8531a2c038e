"""Which cells were finished before, and what an interruption has left behind."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from safebench.record import files
from safebench.record.result import Evaluation, Result
from safebench.record.strict_json import plain
from safebench.runs import suites
from safebench.runs.paths import path_of
from safebench.runs.prepare import Prepared, evaluation_of

DAMAGED = ".damaged"
"""Added to the name of a file that an interruption cut short."""

STALE = 3600.0
"""Seconds after which a temporary file is left over: writing one takes milliseconds."""


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
        found = files.load(path)
    except ValueError as error:
        raise ValueError(f"{error} (move the file away, or redo the cell with --force)") from None
    same = (
        found.seeds == cell.seeds
        and found.physics in (cell.physics, "plain")
        and found.precision == cell.precision
        and found.settings == suites.settings_of(cell)
        and found.evaluation in _evaluations(prepared)
        and found.learner.config == plain(prepared.learner_config)
        and found.safeguard.config == plain(prepared.safeguard_config)
    )
    if not same:
        raise ValueError(
            f"{path}: holds this cell with other settings; choose another --out, or redo it with --force"
        )
    return found


def _evaluations(prepared: Prepared) -> tuple[Evaluation, Evaluation]:
    """How the cell is evaluated, as a file of today's version has it and as one of the first version."""
    asked = evaluation_of(prepared)
    return asked, replace(asked, points=None)


def cut_short(path: Path) -> bool:
    """Whether a file is no whole JSON text: empty, truncated or zeroed, as a loss of power leaves it.

    Whole JSON that is no result was written by somebody, and is not ours to move.
    """
    if not path.is_file() or path.stat().st_size > files.LARGEST_FILE:
        return False
    try:
        json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return True
    except (ValueError, RecursionError):  # numbers or brackets without end: somebody's doing
        return False
    return False


def clear(path: Path, console: Console) -> None:
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
