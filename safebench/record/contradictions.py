"""Contradictions inside one result: what cannot be, whatever the experiment was."""

import dataclasses
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise

from safebench.record import result as results
from safebench.record.result import INTERVENTION, PROVEN_ZERO, Counters, Curve, Result, Run


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
    for name in result.task.options or {}:
        if f"task.{name}" not in result.settings.changed:
            yield f"task.options: settings.changed does not name task.{name}"
    allowed = "evaluation_horizon" in result.settings.changed and shorter
    if result.evaluation.horizon != result.task.horizon and not allowed:
        yield f"evaluation.horizon: {result.evaluation.horizon}, but the task's is {result.task.horizon}"
    yield from _time(result)
    yield from _version(result)
    if len({run.curve.interactions for run in result.runs}) > 1:
        yield "runs: seeds were evaluated at different interactions"
    for name in ("reference_return", "success"):
        if len({getattr(run.curve, name) is None for run in result.runs}) > 1:
            yield f"runs: only some seeds have a {name}"
    for run in result.runs:
        where = f"seed {run.seed}"
        lengths = list(_lengths(run.curve))
        if lengths:
            yield f"{where}: curve columns differ in length ({', '.join(lengths)})"
            continue  # nothing below makes sense then
        found = _curve(result, run.curve), _episodes(result, run.curve), _totals(run), _safety(result, run)
        for problem in chain(*found):
            yield f"{where}: {problem}"
    if all(not list(_lengths(run.curve)) for run in result.runs):
        named = results.non_finite_seeds(result.runs)
        if set(result.non_finite_seeds) != set(named):
            yield f"non_finite_seeds: says {list(result.non_finite_seeds)}, the runs say {list(named)}"
    yield from _copies(result)


def _version(result: Result) -> Iterator[str]:
    """What is recorded since a version is there, and only then."""
    version, curves = result.schema_version, [run.curve for run in result.runs]
    recorded: dict[str, tuple[int, list]] = {
        "budget": (2, [result.budget]),
        "evaluation.points": (2, [result.evaluation.points]),
        "curve.updates": (2, [curve.updates for curve in curves]),
        "curve.skipped": (2, [curve.skipped for curve in curves]),
        "provenance.environment": (2, [result.provenance.environment]),
        "curve.violated": (3, [curve.violated for curve in curves]),
        "curve.training.switches": (3, [curve.training.switches for curve in curves]),
        "timing.evaluation_seconds": (5, [result.timing.evaluation_seconds]),
        "curve.evaluation.switches": (3, [curve.evaluation.switches for curve in curves]),
    }
    for name, (since, found) in recorded.items():
        wrong = {entry is not None for entry in found} - {version >= since}
        if wrong:
            yield f"{name}: {'is' if wrong.pop() else 'is not'} recorded in a file of version {version}"
    compared = result.equality is not None
    if compared != (version >= 6 and result.physics == "compiled"):
        yield (
            f"equality: {'is' if compared else 'is not'} recorded in a file of version {version} "
            f"with {result.physics} physics"
        )
    if version < 3 and any(curve.success is not None for curve in curves):
        yield f"curve.success: is recorded in a file of version {version}"
    if version < 4 and result.task.options is not None:
        yield f"task.options: is recorded in a file of version {version}"
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
        recorded = {name: values for name, values in vars(counters).items() if values is not None}
        columns |= {f"{group}.{name}": values for name, values in recorded.items()}
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
        values = [value for value in getattr(curve.training, field.name) or () if value is not None]
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


def _episodes(result: Result, curve: Curve) -> Iterator[str]:
    """What is recorded of the evaluation's episodes one by one."""
    evaluation, others = result.evaluation, curve.reference_return is not None
    for share, violations in zip(curve.violated or (), curve.evaluation.violations, strict=False):
        count = round(share * evaluation.episodes)
        if not math.isclose(share * evaluation.episodes, count, rel_tol=1e-9, abs_tol=1e-9):
            yield f"curve.violated: {share} is no share of {evaluation.episodes} episodes"
        elif not count <= violations <= (count + others) * evaluation.horizon:
            yield f"curve.violated: {count} of {evaluation.episodes} episodes, but {violations} violations"
    if (curve.success is None) != (curve.time_to_goal is None):
        yield "of curve.success and curve.time_to_goal one is recorded, the other is not"
        return
    period = result.task.control_period
    shortest, longest = period * (1 - 1e-9), period * evaluation.horizon * (1 + 1e-9)
    for share, time in zip(curve.success or (), curve.time_to_goal or (), strict=True):
        if (share == 0) != (time is None):
            yield f"curve.success: {share}, but a time to the goal of {time}"
        elif time is not None and not shortest <= time <= longest:
            yield f"curve.time_to_goal: {time} s is no time in {evaluation.horizon} steps of {period} s"


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
            if count is not None and count > counters.steps:
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
    if timing.evaluation_seconds is not None and timing.evaluation_seconds > timing.train_seconds:
        yield (
            f"timing.evaluation_seconds is {timing.evaluation_seconds:.6g}, more than the "
            f"{timing.train_seconds:.6g} of training and evaluating"
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
