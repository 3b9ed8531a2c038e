"""What a standard result must look like according to the installed code, and reproducing one."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from safebench import certificate as certificates
from safebench import result, suites
from safebench.evaluate import STARTS
from safebench.record import plain
from safebench.result import Result
from safebench.run import prepare, run
from safebench.submission import Standard
from safebench.suites import Cell

TOLERANCE = 1e-6
"""Relative, on the first evaluations of a re-run."""

FIRST = 3
"""Evaluations that a re-run must reproduce to TOLERANCE. On the same kind of processor the same program, with
all seeds, gives the same bits; elsewhere its rounding differs, and training soon amplifies the last bits."""


def cell_of(found: Result) -> Cell:
    """The standard cell a result claims to be.

    Raises:
        LookupError: if its suite, or that cell in it, is unknown.
    """
    if found.suite == suites.CUSTOM:
        return suites.product([found.task.name], [found.safeguard.name], [found.learner.name])[0]
    for cell in suites.cells(found.suite):
        if cell.title == found.title:
            return cell
    raise LookupError(f"suite {found.suite!r} has no cell {found.title!r}")


def standard_of(found: Result) -> Standard:
    """The standard of the cell a result claims to be, for `submission.check`.

    Raises:
        LookupError: for an unknown task, safeguard, learner or suite.
    """
    cell = cell_of(found)
    prepared = prepare(cell)
    task = prepared.task
    return Standard(
        task=result.TaskRecord(task.name, task.version, task.horizon, task.control_period),
        safeguard=result.SafeguardRecord(
            cell.safeguard, prepared.safeguard_name, prepared.certified, as_json(prepared.safeguard_config)
        ),
        learner=result.LearnerRecord(cell.learner, as_json(prepared.learner_config)),
        seeds=cell.seeds,
        budget=cell.interactions,
        episodes=STARTS,
        precision=cell.precision,
        physics=task.dynamics.physics,
        certificates=frozenset({certificates.digest(task.certificate)}),
    )


def rerun(found: Result, seed: int) -> Iterator[str]:
    """Train a standard result again until its third evaluation; a line for all that differs in one seed.

    All seeds are trained, as one program, since fewer would be rounded differently.

    Raises:
        LookupError: if the result has no such seed. ValueError: if it is not standard.
    """
    if seed not in found.seeds:
        raise LookupError(f"{found.title} has no seed {seed}; it has {', '.join(map(str, found.seeds))}")
    if not found.settings.standard:
        raise ValueError(f"{found.title}: only a result with standard settings can be run again")
    yield from compare(found, cell_of(found), seed)


def compare(found: Result, cell: Cell, seed: int) -> Iterator[str]:
    """Train a cell until its third evaluation; a line for all in which one seed differs from a result."""
    old, new = (each.runs[each.seeds.index(seed)] for each in (found, run(cell, evaluations=FIRST)))
    for index, (before, after) in enumerate(zip(old.curve.return_mean, new.curve.return_mean, strict=False)):
        if before is None or after is None:
            same = before is after
        else:
            same = abs(before - after) <= TOLERANCE * max(1.0, abs(before))
        if not same:
            at = old.curve.interactions[index]
            yield f"seed {seed}: return after {at} interactions was {before}, is {after} when run again"
    last = len(new.curve.return_mean) - 1
    for name in ("violations", "departures", "infeasible", "last_line"):
        before, after = (getattr(each.curve.training, name)[last] for each in (old, new))
        if (before == 0) != (after == 0):
            yield f"seed {seed}: training {name} were {before}, are {after} when run again"


def as_json(config: Any) -> dict:
    """A config as it reads in a result file."""
    return plain(dataclasses.asdict(config))
