"""What leaderboard.json holds: an entry for every cell."""

import math
from dataclasses import dataclass
from typing import Any

from safebench.record.result import NAME, Result
from safebench.record.strict_json import about
from safebench.report import stats
from safebench.report.row import row

# ruff: noqa: RUF009 (`about` only wraps dataclasses.field)

SCHEMA_VERSION = 3


@dataclass(frozen=True)
class Band:
    """A learning curve over seeds, one entry per evaluation."""

    interactions: tuple[int, ...] = about("training steps of each seed", "steps")
    iqm: tuple[float | None, ...] = about("IQM of the return; null: diverged", "reward")
    low: tuple[float | None, ...] = about("lower end of its 95 % interval", "reward")
    high: tuple[float | None, ...] = about("upper end of its 95 % interval", "reward")


@dataclass(frozen=True)
class Entry:
    """One cell. Safety counts are over training and evaluation, all seeds."""

    rank: int | None = about("by return among the certified entries of the task; null: not certified")
    task: str = about("task", pattern=NAME)
    task_version: int = about("version of the task")
    safeguard: str = about("safeguard preset", pattern=NAME)
    learner: str = about("learner", pattern=NAME)
    certified: bool = about("verified certificate, and a safeguard that keeps to it")
    seeds: int = about("number of seeds")
    diverged_seeds: int = about("seeds with anything not finite")
    interactions: int = about("training steps of each seed", "steps")
    return_iqm: float | None = about("final return, IQM over seeds; null: diverged", "reward")
    return_low: float | None = about("lower end of its 95 % interval", "reward")
    return_high: float | None = about("upper end of its 95 % interval", "reward")
    reference_iqm: float | None = about("final return from the paper's start; null: none", "reward")
    interactions_to_95: float | None = about("IQM over seeds; null: diverged", "steps")
    steps: int = about("environment steps counted", "steps")
    violations: int = about("next states outside the constraints", "steps")
    departures: int = about("next states outside the certified safe set", "steps")
    infeasible: int = about("steps whose safe action set was empty", "steps")
    last_line: int = about("uses of the last line", "steps")
    interventions: int = about("steps whose action was changed", "steps")
    skipped: int | None = about("updates not made, their gradient not finite; null: not recorded", "updates")
    switches: int | None = about(
        "steps at which the safe set's corridor changed; null: not recorded", "steps"
    )
    success_iqm: float | None = about(
        "share of evaluation episodes x goals reached at the end, IQM over seeds; null: no goal"
    )
    success_low: float | None = about("lower end of its 95 % interval")
    success_high: float | None = about("upper end of its 95 % interval")
    time_to_goal: float | None = about(
        "mean time until a goal was reached, IQM over the seeds that reached one; null: none, or no goal", "s"
    )
    violated_iqm: float | None = about(
        "share of evaluation episodes with a violation at the end, IQM over seeds; null: not recorded"
    )
    seconds_per_1000_interactions: float = about("of one seed, compilation excluded", "s")
    suite: str = about("suite", pattern=NAME)
    precision: str = about("of physics and safety")
    physics: str = about("implementation of the dynamics")
    certificate: str | None = about("SHA-256 of the certificate")
    safeguard_config: dict[str, Any] = about("full configuration")
    learner_config: dict[str, Any] = about("full configuration")
    curve: Band = about("learning curve")
    device: str = about("what ran it")
    packages: dict[str, str] = about("versions")
    commit: str | None = about("of the code")
    dirty: bool | None = about("whether the code differed from the commit")
    utc: str = about("when it finished", "UTC")
    command: str = about("command line")


@dataclass(frozen=True)
class Leaderboard:
    """What leaderboard.json holds."""

    schema_version: int = about("version of this schema", minimum=SCHEMA_VERSION, maximum=SCHEMA_VERSION)
    entries: tuple[Entry, ...] = about("by task, then by return, the best first")
    empty: str | None = about("why nothing is ranked, in words; null: something is")
    left_out: tuple[str, ...] = about("results kept off: each reason once, with all it applies to")


def entry_of(cell: Result) -> Entry:
    """The entry of a cell, without a rank."""
    figures = row(cell)
    safety, success = figures.safety, figures.success
    return Entry(
        rank=None,
        task=cell.task.name,
        task_version=cell.task.version,
        safeguard=cell.safeguard.name,
        learner=cell.learner.name,
        certified=cell.certified,
        seeds=len(cell.runs),
        diverged_seeds=len(cell.non_finite_seeds),
        interactions=cell.interactions,
        return_iqm=_finite(figures.returns.value),
        return_low=_finite(figures.returns.low),
        return_high=_finite(figures.returns.high),
        reference_iqm=_finite(figures.reference.value) if figures.reference else None,
        interactions_to_95=figures.interactions_to_95,
        steps=safety.steps,
        violations=safety.violations,
        departures=safety.departures,
        infeasible=safety.infeasible,
        last_line=safety.last_line,
        interventions=safety.interventions,
        skipped=cell.skipped,
        switches=safety.switches,
        success_iqm=_finite(success.value) if success else None,
        success_low=_finite(success.low) if success else None,
        success_high=_finite(success.high) if success else None,
        time_to_goal=None if figures.time_to_goal is None else _finite(figures.time_to_goal),
        violated_iqm=_finite(figures.violated.value) if figures.violated else None,
        seconds_per_1000_interactions=cell.timing.seconds_per_1000_interactions,
        suite=cell.suite,
        precision=cell.precision,
        physics=cell.physics,
        certificate=cell.certificate.sha256 if cell.certificate else None,
        safeguard_config=cell.safeguard.config,
        learner_config=cell.learner.config,
        curve=_band(cell),
        device=cell.provenance.device,
        packages=cell.provenance.packages,
        commit=cell.provenance.commit,
        dirty=cell.provenance.dirty,
        utc=cell.provenance.utc,
        command=cell.provenance.command,
    )


def _band(cell: Result) -> Band:
    columns = zip(*(run.curve.return_mean for run in cell.runs), strict=True)
    points = [stats.iqm_interval(column, resamples=500) for column in columns]
    values, low, high = (tuple(map(_finite, part)) for part in zip(*points, strict=True))
    return Band(cell.runs[0].curve.interactions, values, low, high)


def _finite(value: float) -> float | None:
    # Six digits: the interval of a bootstrap has no more.
    return float(f"{value:.6g}") if math.isfinite(value) else None
