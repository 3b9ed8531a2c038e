"""Which cells were finished before, and what an interruption has left behind."""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from safebench.record import files
from safebench.record.result import Result
from safebench.record.strict_json import plain
from safebench.runs import suites
from safebench.runs.paths import path_of
from safebench.runs.prepare import Prepared, evaluation_of, schedule
from safebench.sets.certificate import known_digests

DAMAGED = ".damaged"
"""Added to the name of a file that an interruption cut short."""

STALE = 3600.0
"""Seconds after which a temporary file is left over: writing one takes milliseconds."""


def finished(prepared: Prepared, folder: Path) -> Result | None:
    """The cell's result if its file is there and whole.

    Raises:
        ValueError: if the file is no result, or holds the cell with other settings.
    """
    path = path_of(prepared.cell, folder)
    if not path.exists() or cut_short(path):
        return None
    try:
        found = files.load(path)
    except ValueError as error:
        raise ValueError(f"{error} (move the file away, or redo the cell with --force)") from None
    others = list(differences(found, prepared))
    if others:
        raise ValueError(
            f"{path}: holds this cell with other settings ({'; '.join(others[:3])}); "
            "choose another --out, or redo it with --force"
        )
    return found


def differences(found: Result, prepared: Prepared) -> Iterator[str]:
    """What decides a result and is another in a file than in the cell asked for, one line each.

    What a file of the first version does not say is not compared.
    """
    cell, task = prepared.cell, prepared.task
    updates, points = schedule(prepared)
    pairs: dict[str, tuple[Any, Any]] = {
        "interactions": (
            (found.interactions, updates * points * prepared.learner.interactions)
            if found.budget is None
            else (found.budget, cell.interactions)
        ),
        "seeds": (found.seeds, cell.seeds),
        "physics": (found.physics, task.dynamics.physics),
        "precision": (found.precision, cell.precision),
        **_fields("evaluation", found.evaluation, evaluation_of(prepared)),
        **_fields("task", found.task, prepared.task_record),
        **_fields("safeguard", found.safeguard, prepared.safeguard_record),
        **_fields("learner", found.learner, prepared.learner_record),
        "settings": (found.settings, suites.settings_of(cell)),
    }
    for name, (there, asked) in pairs.items():
        if there != asked and (name != "evaluation.points" or there is not None):
            yield f"{name}: {_short(there)} there, {_short(asked)} asked for"
    if found.certificate is None or found.certificate.sha256 not in known_digests(task.certificate):
        yield "certificate: another one there"


def _fields(owner: str, found: Any, asked: Any) -> dict[str, tuple[Any, Any]]:
    """The fields of two records, those of a config one by one."""
    pairs: dict[str, tuple[Any, Any]] = {}
    for field in dataclasses.fields(found):
        there, wanted = plain(getattr(found, field.name)), plain(getattr(asked, field.name))
        if field.name == "config":
            pairs |= {f"{owner}.{name}": (there.get(name), wanted.get(name)) for name in {**there, **wanted}}
        else:
            pairs[f"{owner}.{field.name}"] = (there, wanted)
    return pairs


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


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
