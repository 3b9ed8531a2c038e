"""What a standard result must look like according to the installed code, and reproducing one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from safebench.record.result import PROVEN_ZERO, Result, Run, standard_points
from safebench.record.strict_json import plain
from safebench.record.submission import Standard
from safebench.runs import suites
from safebench.runs.cell import Cell, spelt_out
from safebench.runs.prepare import prepare, schedule
from safebench.runs.train import run
from safebench.sets import certificate as certificates

TOLERANCE = 1e-6
"""Relative, on every evaluation of a re-run. On the same kind of processor the same program, with all seeds,
gives the same bits; elsewhere its rounding differs, and training soon amplifies the last bits."""


Files = Mapping[str, str]
"""Plug-in files by what they are given for: "task", "safeguard", "learner"."""


def cell_of(found: Result, given: Files = MappingProxyType({})) -> Cell:
    """The standard cell a result claims to be, with its physics; with plug-in files the very cell that it
    records.

    Raises:
        LookupError: if its suite, or that cell in it, is unknown.
    """
    if given:
        return _recorded(found, given)
    return replace(suites.standard_cell(found), physics=_physics(found))


def _physics(found: Result) -> str:
    return "mjx" if found.physics == "plain" else found.physics


def _recorded(found: Result, given: Files) -> Cell:
    """The cell with every setting spelt out."""
    names = {"task": found.task.name, "safeguard": found.safeguard.name, "learner": found.learner.name}
    names |= given
    horizon = found.evaluation.horizon
    return Cell(
        suite=found.suite,
        seeds=found.seeds,
        interactions=found.budget or found.interactions,
        physics=_physics(found),
        precision=found.precision,
        learner_changes=spelt_out(found.learner.config),
        safeguard_changes=spelt_out(found.safeguard.config),
        task_changes=spelt_out(found.task.options or {}),
        evaluations=found.evaluation.points or standard_points(found.schema_version),
        evaluation_starts=found.evaluation.episodes,
        evaluation_horizon=None if horizon == found.task.horizon else horizon,
        **names,
    )


def standard_of(found: Result, given: Files = MappingProxyType({})) -> Standard:
    """What the cell a result claims to be must look like, for `submission.check`.

    Raises:
        LookupError: for an unknown task, safeguard, learner or suite, or a plug-in that was given by a file
            and now is not. ValueError: for a broken plug-in, or settings that it does not have.
    """
    missing = [kind for kind in found.from_files if kind not in given]
    if missing:
        flags = {"task": "-t", "safeguard": "-g", "learner": "-l"}
        named = ", ".join(f"{kind} (verify {flags[kind]} FILE)" for kind in missing)
        raise LookupError(f"was made with a file of its own for: {named}; such a result is not standard")
    cell = cell_of(found, given)
    prepared = prepare(cell)
    updates, points = schedule(prepared)
    installed = prepared.task.dynamics.physics
    return Standard(
        task=prepared.task_record,
        safeguard=plain_record(prepared.safeguard_record),
        learner=plain_record(prepared.learner_record),
        seeds=cell.seeds,
        budget=cell.interactions,
        episodes=cell.evaluation_starts,
        precision=cell.precision,
        physics="mjx" if installed == "compiled" and not given else installed,
        points=cell.evaluations,
        certificates=certificates.known_digests(prepared.task.certificate),
        own_settings=bool(given),
        goal=prepared.task.reached is not None,
        evaluated=tuple(updates * prepared.learner.interactions * (index + 1) for index in range(points)),
    )


def plain_record(record: Any) -> Any:
    """A record whose config holds JSON values only."""
    return replace(record, config=plain(record.config))


def rerun(found: Result, seed: int, given: Files = MappingProxyType({})) -> Iterator[str]:
    """Train a result again; a line for everything in which one of its seeds differs.

    All seeds are trained, as one program, since fewer would be rounded differently.

    Raises:
        LookupError: if the result has no such seed. ValueError: if it is not standard and no files were
            given, or was trained under a certificate that the task's supersedes: the set is the same, the
            margin for rounding is not, and training amplifies the last bits.
    """
    if seed not in found.seeds:
        raise LookupError(f"{found.title} has no seed {seed}; it has {', '.join(map(str, found.seeds))}")
    if not found.settings.standard and not given:
        raise ValueError(f"{found.title}: only a result with standard settings can be run again")
    cell = cell_of(found, given)
    installed = certificates.digest(prepare(cell).task.certificate)
    if found.certificate is not None and found.certificate.sha256 != installed:
        raise ValueError(
            f"{found.title} was trained under the certificate {found.certificate.sha256[:12]}, the installed "
            f"one is {installed[:12]}: with another margin for rounding a run does not give the same returns"
        )
    old, new = (result.runs[result.seeds.index(seed)] for result in (found, run(cell)))
    yield from differences(old, new)


def differences(old: Run, new: Run) -> Iterator[str]:
    """A line for every figure of an evaluation that differs by more than TOLERANCE, and for every promise
    that only one kept."""
    for name, (were, are) in _columns(old, new).items():
        if were is None:
            continue  # a file of an older version does not say
        if are is None:
            yield f"seed {old.seed}: {name} was recorded, is not when run again"
            continue
        for at, before, after in zip(old.curve.interactions, were, are, strict=True):
            if not _same(before, after):
                yield (
                    f"seed {old.seed}: {name} after {at} interactions was {before}, is {after} when run again"
                )
    for name in PROVEN_ZERO:
        before, after = getattr(old.training, name), getattr(new.training, name)
        if (before == 0) != (after == 0):
            yield f"seed {old.seed}: training {name} were {before}, are {after} when run again"


def _columns(old: Run, new: Run) -> dict[str, tuple[Sequence[float | None] | None, ...]]:
    """What is compared at every evaluation, by name: the column of each run, None where it has none."""
    both = old.curve, new.curve
    return {
        "return": tuple(curve.return_mean for curve in both),
        "success": tuple(curve.success for curve in both),
        "time to goal": tuple(curve.time_to_goal for curve in both),
        "violated episodes": tuple(curve.violated for curve in both),
        "switches in training": tuple(curve.training.switches for curve in both),
        "switches in evaluation": tuple(curve.evaluation.switches for curve in both),
    }


def _same(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    return abs(before - after) <= TOLERANCE * max(1.0, abs(before))
