"""Check a submitted result file: is it whole, consistent with itself, and the standard experiment?

Nothing in a file is executed or used as a path. What cannot be seen in a file (a return edited together
with its whole curve) is found by re-running one seed: `safebench verify --rerun SEED`.
"""

import dataclasses
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safebench.record import files
from safebench.record.contradictions import consistency as consistency
from safebench.record.result import LearnerRecord, Result, SafeguardRecord, TaskRecord

GOALS_SINCE = 3
"""The version of the schema since which a file says how often goals were reached."""
LEAST_SHARE_OF_BUDGET = 0.8
"""Learners spend whole rollouts; the last, incomplete one is left out."""


@dataclass(frozen=True)
class Standard:
    """What one cell of a suite must look like, from the installed code. Configs hold JSON values only.

    budget: training interactions of each seed. episodes: of one evaluation. points: evaluations of a run.
    own_settings: the cell is the one that the result records, not the standard one of its suite.
    evaluated: after how many interactions; None: not compared.
    certificates: SHA-256 digests of the task's known certificates.
    goal: whether the task has one; None: not compared.
    """

    task: TaskRecord
    safeguard: SafeguardRecord
    learner: LearnerRecord
    seeds: tuple[int, ...]
    budget: int
    episodes: int
    precision: str
    physics: str
    certificates: frozenset[str]
    points: int
    own_settings: bool = False
    evaluated: tuple[int, ...] | None = None
    goal: bool | None = None


def check(path: str | Path, standard_of: Callable[[Result], Standard] | None = None) -> list[str]:
    """Everything that is wrong with a submitted file, one line each; empty if nothing is.

    `standard_of` gives the standard of the cell a result claims to be and raises LookupError for an
    unknown task, safeguard, learner or suite; without it only the file itself is checked.
    """
    path = Path(path)
    try:
        result = files.load(path)
    except ValueError as error:
        return [str(error)]
    problems = [*place(result, path), *consistency(result)]
    if standard_of is not None:
        try:
            problems += departures_from_standard(result, standard_of(result))
        except (LookupError, ValueError) as error:
            problems.append(str(error.args[0]) if error.args else "unknown name")
    return [f"{path}: {problem}" for problem in problems]


def place(result: Result, path: Path) -> Iterator[str]:
    """Whether a file is where and called as what it holds says."""
    try:
        expected = files.cell_path("", result.task.name, result.safeguard.name, result.learner.name)
    except ValueError as error:
        yield str(error)
        return
    path = Path(os.path.abspath(path))  # the name of a folder given as ".." counts, that of a link does too
    if path.name != expected.name or path.parent.name != expected.parent.name:
        yield f"it holds {expected}, which its path does not say"


def departures_from_standard(result: Result, standard: Standard) -> Iterator[str]:
    """How a result differs from the standard experiment of its cell."""
    if not result.settings.standard and not standard.own_settings:
        changed = ", ".join(name[:40] for name in result.settings.changed[:5])
        yield f"settings: not standard (changed: {changed}); such a result stays off the leaderboard"
    yield from certificate(result, standard.certificates)
    for name in ("task", "safeguard", "learner"):
        yield from _record(name, getattr(result, name), getattr(standard, name))
    yield from protocol(
        result, standard.seeds, standard.budget, standard.episodes, standard.points, standard.precision
    )
    yield from physics(result, standard.physics)
    if standard.evaluated is not None and any(
        run.curve.interactions != standard.evaluated for run in result.runs
    ):
        yield f"curve.interactions: are not the {len(standard.evaluated)} evaluations that its settings give"
    if result.schema_version >= GOALS_SINCE and standard.goal not in (None, result.has_goal):
        contrary = "missing, but the task has a goal" if standard.goal else "there, but the task has no goal"
        yield f"curve.success: is {contrary}"


def certificate(result: Result, known: Collection[str]) -> Iterator[str]:
    """What is wrong with the certificate of a result. known: SHA-256 digests of the task's certificates."""
    if result.certificate is None:
        yield "certificate: is missing"
    elif result.certificate.sha256 not in known:
        yield f"certificate: {result.certificate.sha256[:12]}... is not known for {result.task.name}"
    elif not result.certificate.verified:
        yield "certificate: was not verified before training"


def physics(result: Result, standard: str) -> Iterator[str]:
    """Whether the physics is another one than the standard, or compiled without having been compared."""
    if result.physics == "compiled" and standard == "mjx":
        if result.equality is None:
            yield "equality: compiled physics is standard only where it was compared with MJX before training"
    elif result.physics != standard:
        yield f"physics: {result.physics} instead of {standard}"


def protocol(
    result: Result, seeds: Collection[int], budget: int, episodes: int, points: int, precision: str
) -> Iterator[str]:
    """How training and evaluation differ from the standard ones of a cell."""
    missing = sorted(set(seeds) - set(result.seeds))
    if missing:
        yield f"seeds: {', '.join(map(str, missing))} missing"
    extra = sorted(set(result.seeds) - set(seeds))
    if extra:
        yield f"seeds: {', '.join(map(str, extra[:5]))} not part of the standard experiment"
    if not LEAST_SHARE_OF_BUDGET * budget <= result.interactions <= budget:
        yield f"interactions: {result.interactions} of a budget of {budget}"
    if result.budget not in (None, budget):
        yield f"budget: {result.budget} instead of {budget}"
    if result.evaluation.points not in (None, points):
        yield f"evaluation.points: {result.evaluation.points} instead of {points}"
    if result.evaluation.episodes != episodes:
        yield f"evaluation.episodes: {result.evaluation.episodes} instead of {episodes}"
    if result.precision != precision:
        yield f"precision: {result.precision} instead of {precision}"


def switched_on(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that are not null: null is off, and files from before it was there do not name it."""
    return {name: value for name, value in config.items() if value is not None}


def _record(name: str, found: object, standard: object) -> Iterator[str]:
    for field in dataclasses.fields(found):  # type: ignore[arg-type]
        ours, theirs = getattr(standard, field.name), getattr(found, field.name)
        if ours == theirs:
            continue
        if isinstance(ours, dict):
            ours, theirs = switched_on(ours), switched_on(theirs)
            keys = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
            if not keys:
                continue
            listed = ", ".join(repr(key)[1:-1][:40] for key in keys[:5])
            yield f"{name}.{field.name}: differs from the standard in {listed}"
        else:
            yield f"{name}.{field.name}: {str(theirs)[:60]} instead of {str(ours)[:60]}"
