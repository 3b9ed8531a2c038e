"""Check a submitted result file: is it whole, consistent with itself, and the standard experiment?

Nothing in a file is executed or used as a path. What cannot be seen in a file (a return edited together
with its whole curve) is found by re-running one seed: `safebench verify --rerun SEED`.
"""

import dataclasses
import math
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from safebench.record import files
from safebench.record import result as results
from safebench.record.result import (
    INTERVENTION,
    PROVEN_ZERO,
    Counters,
    Curve,
    LearnerRecord,
    Result,
    Run,
    SafeguardRecord,
    TaskRecord,
)

LEAST_SHARE_OF_BUDGET = 0.8
"""Learners spend whole rollouts; the last, incomplete one is left out."""


@dataclass(frozen=True)
class Standard:
    """What one cell of a suite must look like, from the installed code. Configs hold JSON values only.

    budget: training interactions of each seed. episodes: of one evaluation. points: evaluations of a run.
    own_settings: the cell is the one that the result records, not the standard one of its suite.
    evaluated: after how many interactions; None: not compared.
    certificates: SHA-256 digests of the task's known certificates.
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
    points: int = 40
    own_settings: bool = False
    evaluated: tuple[int, ...] | None = None


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


def consistency(result: Result) -> Iterator[str]:
    """Contradictions inside one result."""
    try:
        yield from _contradictions(result)
    except OverflowError:
        yield "a whole number in it is too large to calculate with"


def _contradictions(result: Result) -> Iterator[str]:
    if len(set(result.seeds)) < len(result.seeds):
        yield "seeds: a seed occurs twice"
    if result.settings.standard == bool(result.settings.changed):
        yield "settings: standard must be true exactly when nothing is changed"
    for kind in result.from_files:
        if f"{kind}.source" not in result.settings.changed:
            yield f"settings: {kind}.source is not named, but the {kind} was given by a file"
    shorter = result.evaluation.horizon < result.task.horizon
    allowed = "evaluation_horizon" in result.settings.changed and shorter
    if result.evaluation.horizon != result.task.horizon and not allowed:
        yield f"evaluation.horizon: {result.evaluation.horizon}, but the task's is {result.task.horizon}"
    yield from _time(result)
    yield from _version(result)
    if len({run.curve.interactions for run in result.runs}) > 1:
        yield "runs: seeds were evaluated at different interactions"
    if len({run.curve.reference_return is None for run in result.runs}) > 1:
        yield "runs: only some seeds have a reference_return"
    for run in result.runs:
        where = f"seed {run.seed}"
        lengths = list(_lengths(run.curve))
        if lengths:
            yield f"{where}: curve columns differ in length ({', '.join(lengths)})"
            continue  # nothing below makes sense then
        for problem in (*_curve(result, run.curve), *_totals(run), *_safety(result, run)):
            yield f"{where}: {problem}"
    if all(not list(_lengths(run.curve)) for run in result.runs):
        named = results.non_finite_seeds(result.runs)
        if set(result.non_finite_seeds) != set(named):
            yield f"non_finite_seeds: says {list(result.non_finite_seeds)}, the runs say {list(named)}"
    yield from _copies(result)


def _version(result: Result) -> Iterator[str]:
    """What is recorded since version 2 is there, and only then."""
    recorded = {
        "budget": result.budget is not None,
        "evaluation.points": result.evaluation.points is not None,
        "curve.updates": all(run.curve.updates is not None for run in result.runs),
        "curve.skipped": all(run.curve.skipped is not None for run in result.runs),
        "provenance.environment": result.provenance.environment is not None,
    }
    for name, there in recorded.items():
        if there != (result.schema_version > results.OLDEST_VERSION):
            said = "is" if there else "is not"
            yield f"{name}: {said} recorded in a file of version {result.schema_version}"
    if result.budget is not None and result.interactions > result.budget:
        yield f"interactions: {result.interactions}, more than the budget of {result.budget}"


def _lengths(curve: Curve) -> Iterator[str]:
    """Columns whose length is not that of `interactions`."""
    columns = {
        field.name: getattr(curve, field.name)
        for field in dataclasses.fields(curve)
        if field.name not in ("training", "evaluation") and getattr(curve, field.name) is not None
    }
    for group in ("training", "evaluation"):
        counters = getattr(curve, group)
        columns |= {f"{group}.{f.name}": getattr(counters, f.name) for f in dataclasses.fields(counters)}
    for name, values in columns.items():
        if len(values) != len(curve.interactions):
            yield f"{name} has {len(values)}, interactions {len(curve.interactions)}"


def _curve(result: Result, curve: Curve) -> Iterator[str]:
    if any(later <= earlier for earlier, later in pairwise(curve.interactions)):
        yield "curve.interactions do not increase"
    if curve.interactions[-1] != result.interactions:
        yield f"the curve ends at {curve.interactions[-1]} interactions, not at {result.interactions}"
    if curve.training.steps != curve.interactions:
        yield "curve.training.steps differ from curve.interactions"
    episodes = result.evaluation.episodes + (curve.reference_return is not None)
    if set(curve.evaluation.steps) != {episodes * result.evaluation.horizon}:
        yield f"curve.evaluation.steps are not {episodes} episodes x {result.evaluation.horizon} steps"
    if any(later < earlier for earlier, later in pairwise(curve.seconds)):
        yield "curve.seconds decrease"
    if curve.seconds[-1] > result.timing.train_seconds * (1 + 1e-9):
        yield "curve.seconds end after timing.train_seconds"
    for field in dataclasses.fields(curve.training):
        values = [value for value in getattr(curve.training, field.name) if value is not None]
        if any(later < earlier for earlier, later in pairwise(values)):
            yield f"curve.training.{field.name} decreases, but is cumulative"
    yield from _updates(curve)


def _updates(curve: Curve) -> Iterator[str]:
    if (curve.updates is None) != (curve.skipped is None):
        yield "of curve.updates and curve.skipped one is recorded, the other is not"
    elif curve.updates is not None and curve.skipped is not None:
        for name, counts in (("updates", curve.updates), ("skipped", curve.skipped)):
            if any(later < earlier for earlier, later in pairwise(counts)):
                yield f"curve.{name} decrease, but are cumulative"
        if any(skipped > updates for skipped, updates in zip(curve.skipped, curve.updates, strict=True)):
            yield "curve.skipped are more than curve.updates"
        steps = zip(curve.interactions, curve.updates, strict=True)
        if any(taken * curve.updates[-1] != curve.interactions[-1] * updates for taken, updates in steps):
            yield "curve.updates do not grow like curve.interactions: every update takes as many steps"


def _totals(run: Run) -> Iterator[str]:
    expected = results.make_run(run.seed, run.curve)
    for group in ("training", "evaluation", "final"):
        stated, computed = getattr(run, group), getattr(expected, group)
        for field in dataclasses.fields(stated):
            first, second = getattr(stated, field.name), getattr(computed, field.name)
            if not _equal(first, second):
                yield f"{group}.{field.name} is {first}, but its curve gives {second}"


def _equal(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=1e-12, abs_tol=0.0)


def _safety(result: Result, run: Run) -> Iterator[str]:
    for group in ("training", "evaluation"):
        columns = getattr(run.curve, group)
        # One line per kind of contradiction is enough, however many points show it.
        seen: set[str] = set()
        for entry in results.entries(columns):
            for problem in _counters(entry):
                kind = re.sub(r"[0-9]", "", problem)
                if kind not in seen:
                    seen.add(kind)
                    yield f"curve.{group}: {problem}"
        if result.certified:
            total: Counters = getattr(run, group)
            for name in PROVEN_ZERO:
                count = max(getattr(total, name), *getattr(columns, name))
                if count:
                    yield f"{group}: {count} {name} in a certified cell: the proof would be wrong"


def _counters(counters: Counters) -> Iterator[str]:
    for field in dataclasses.fields(counters):
        if field.name not in ("steps", "correction", "worst_margin"):
            count = getattr(counters, field.name)
            if count > counters.steps:
                yield f"{count} {field.name} in {counters.steps} steps"
    if counters.violations > counters.departures:
        yield f"{counters.violations} violations but {counters.departures} departures from the set inside"
    if counters.non_finite:
        return  # margins and corrections of non-finite steps say nothing
    if (counters.correction is None) or (counters.worst_margin is None) != (counters.steps == 0):
        yield "a correction or worst margin is null although every step was finite"
        return
    margin = counters.worst_margin
    if margin is not None and (margin > 1e-9 if counters.violations == 0 else margin < -1e-9):
        yield f"{counters.violations} violations, but a worst margin of {margin:.3g}"
    if counters.correction > INTERVENTION * counters.steps and counters.interventions == 0:
        yield f"0 interventions, but a correction of {counters.correction:.3g}"
    if counters.correction < 0.5 * INTERVENTION * counters.interventions:
        yield f"{counters.interventions} interventions, but a correction of {counters.correction:.3g}"


def _time(result: Result) -> Iterator[str]:
    timing, seeds = result.timing, len(result.runs)
    expected = 1000 * timing.train_seconds / (result.interactions * seeds)
    if not math.isclose(timing.seconds_per_1000_interactions, expected, rel_tol=1e-6):
        yield (
            f"timing.seconds_per_1000_interactions is {timing.seconds_per_1000_interactions:.6g}, "
            f"but the times give {expected:.6g}"
        )
    try:
        made = datetime.fromisoformat(result.provenance.utc)
    except ValueError:
        yield f"provenance.utc: {result.provenance.utc} is no date"
        return
    if made > datetime.now(UTC) + timedelta(days=1):
        yield f"provenance.utc: {result.provenance.utc} lies in the future"


def _copies(result: Result) -> Iterator[str]:
    """Two seeds never learn along the same numbers: one was copied."""
    known: dict[tuple, int] = {}
    for run in result.runs:
        returns = run.curve.return_mean
        if len({value for value in returns if value is not None}) < 2:
            continue
        if returns in known:
            yield f"seeds {known[returns]} and {run.seed} have the same curve"
        known.setdefault(returns, run.seed)


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
    if result.physics != standard.physics:
        yield f"physics: {result.physics} instead of {standard.physics}"
    if standard.evaluated is not None and any(
        run.curve.interactions != standard.evaluated for run in result.runs
    ):
        yield f"curve.interactions: are not the {len(standard.evaluated)} evaluations that its settings give"


def certificate(result: Result, known: Collection[str]) -> Iterator[str]:
    """What is wrong with the certificate of a result. known: SHA-256 digests of the task's certificates."""
    if result.certificate is None:
        yield "certificate: is missing"
    elif result.certificate.sha256 not in known:
        yield f"certificate: {result.certificate.sha256[:12]}... is not known for {result.task.name}"
    elif not result.certificate.verified:
        yield "certificate: was not verified before training"


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


def _record(name: str, found: object, standard: object) -> Iterator[str]:
    for field in dataclasses.fields(found):  # type: ignore[arg-type]
        ours, theirs = getattr(standard, field.name), getattr(found, field.name)
        if ours == theirs:
            continue
        if isinstance(ours, dict):
            keys = sorted(key for key in {*ours, *theirs} if ours.get(key, ...) != theirs.get(key, ...))
            listed = ", ".join(repr(key)[1:-1][:40] for key in keys[:5])
            yield f"{name}.{field.name}: differs from the standard in {listed}"
        else:
            yield f"{name}.{field.name}: {str(theirs)[:60]} instead of {str(ours)[:60]}"
