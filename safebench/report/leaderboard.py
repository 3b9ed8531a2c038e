"""`safebench leaderboard DIR`: standard results as leaderboard.json, leaderboard.md and one HTML page."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from safebench import atomic
from safebench.record import admission
from safebench.record.admission import Claims, Known, LeftOut
from safebench.record.result import NAME, Result
from safebench.record.strict_json import about, plain
from safebench.report import escape, page, stats
from safebench.report.numbers import interval, percent
from safebench.report.row import row
from safebench.report.selection import one_per_cell
from safebench.report.stats import Estimate
from safebench.report.table import DIVERGED_NOTE

# ruff: noqa: RUF009 (`about` only wraps dataclasses.field)

SCHEMA_VERSION = 3
GOAL = ("success % [95 %]", "time to goal s", "violated %")
"""The columns of a task that has a goal."""
NOTHING = "Nothing is ranked"
MOST_CHANGES = 5
"""Changed settings that a reason names."""


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


class Written(NamedTuple):
    """The files written, the results kept off by reason, and why nothing is ranked (None: something is)."""

    paths: list[Path]
    left_out: tuple[str, ...]
    empty: str | None


def write(
    folder: str | Path,
    out: str | Path | None = None,
    known: Known | None = None,
    claims: Claims | None = None,
) -> Written:
    """Write leaderboard.json, leaderboard.md and leaderboard.html of a folder's results into it (or `out`).

    known: certificates of every task, None: not checked. claims: see safebench.record.admission.

    Raises:
        ValueError: if the folder does not exist or holds no readable result.
        OSError: if the files cannot be written.
    """
    target = Path(out if out is not None else folder)
    admitted, left_out = admission.admit(folder, known, claims, "for a leaderboard")
    atomic.check_writable(target / "leaderboard.json")
    board = _board(admitted, left_out, known)
    texts = {
        "leaderboard.json": json.dumps(plain(board), indent=1, allow_nan=False) + "\n",
        "leaderboard.md": markdown(board),
        "leaderboard.html": page.page(plain(board)),
    }
    for name, text in texts.items():
        atomic.write(target / name, text)
    return Written([target / name for name in texts], board.left_out, board.empty)


def make(
    results: Sequence[Result],
    problems: Sequence[str] = (),
    known: Known | None = None,
    claims: Claims | None = None,
) -> Leaderboard:
    """The leaderboard of some results: only standard and consistent ones enter, one per cell.

    problems: lines on what could not be read. known, claims: as `write`.
    """
    admitted, left_out = [], []
    for cell in results:
        wrong = admission.fault(cell, known, claims)
        if wrong:
            left_out.append(LeftOut(_name(cell), wrong))
        else:
            admitted.append(cell)
    board = _board(admitted, left_out, known)
    return replace(board, left_out=(*problems, *board.left_out))


def _board(results: Sequence[Result], left_out: Sequence[LeftOut], known: Known | None) -> Leaderboard:
    """The leaderboard of results that are what they claim to be; `left_out`: of those that are not."""
    reasons = [_unfit(cell, known) for cell in results]
    unfit = [LeftOut(_name(cell), why) for cell, why in zip(results, reasons, strict=True) if why]
    shown, others = one_per_cell([cell for cell, why in zip(results, reasons, strict=True) if not why])
    entries = sorted(map(_entry, shown), key=_order)
    ranks: dict[str, int] = {}
    ranked = []
    for entry in entries:
        if entry.certified and entry.return_iqm is not None:
            ranks[entry.task] = ranks.get(entry.task, 0) + 1
            entry = replace(entry, rank=ranks[entry.task])
        ranked.append(entry)
    kept_off = tuple(admission.grouped([*left_out, *unfit, *others]))
    return Leaderboard(SCHEMA_VERSION, tuple(ranked), _nothing_ranked(ranked), kept_off)


def _name(cell: Result) -> str:
    return f"{cell.title} ({cell.suite})"


def _unfit(cell: Result, known: Known | None) -> str | None:
    """Why a result has no place on a leaderboard, true as it may be."""
    if not cell.settings.standard:
        changed = cell.settings.changed
        more = ", ..." if len(changed) > MOST_CHANGES else ""
        return f"not standard (changed: {', '.join(name[:40] for name in changed[:MOST_CHANGES])}{more})"
    if cell.failed_seeds:
        seeds = ", ".join(map(str, cell.failed_seeds))
        return f"every update of seed{'s' if len(cell.failed_seeds) > 1 else ''} {seeds} was skipped"
    if admission.unknown_task(cell, known):
        return f"task {cell.task.name!r} is not installed here, so that its certificate cannot be checked"
    return None


def _nothing_ranked(entries: Sequence[Entry]) -> str | None:
    """In words, why nothing is ranked; None if something is."""
    if any(entry.rank is not None for entry in entries):
        return None
    if not entries:
        return f"{NOTHING}: every result was kept off, for the reasons below."
    if any(entry.certified for entry in entries):
        return f"{NOTHING}: every certified entry diverged."
    return f"{NOTHING}: none of the entries is certified."


def _order(entry: Entry) -> tuple:
    size = -entry.return_iqm if entry.return_iqm is not None else math.inf
    return entry.task, not entry.certified, size, entry.safeguard, entry.learner


def _entry(cell: Result) -> Entry:
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


def markdown(board: Leaderboard) -> str:
    """The leaderboard as markdown tables, one per task."""
    lines = ["# Leaderboard", "", "Ranked: cells whose safety is certified, by IQM of the final return."]
    if board.empty:
        lines += ["", board.empty]
    for task in dict.fromkeys(entry.task for entry in board.entries):
        entries = [entry for entry in board.entries if entry.task == task]
        rows = list(map(_cells, entries))
        # Columns of goals are there where the task has one.
        chosen = [name for name in rows[0] if _has_goal(entries) or name not in GOAL]
        lines += ["", f"## {task}", "", _line(chosen)]
        lines.append(
            "|" + "|".join("---" if name in ("safeguard", "learner") else "--:" for name in chosen) + "|"
        )
        lines += [_line([cells[name] for name in chosen]) for cells in rows]
    if board.entries:
        lines += ["", *_legend(board)]
    if board.left_out:
        lines += ["", "## Kept off", "", *[f"- {escape.markdown(line)}" for line in board.left_out]]
    return "\n".join(lines) + "\n"


def _legend(board: Leaderboard) -> list[str]:
    lines = [
        "Violations and interventions: of every training and evaluation step. Skipped: updates not made,",
        "since a loss or gradient was not finite (-: not recorded). s/1000: seconds per 1000 interactions of",
        "one seed.",
    ]
    if _has_goal(board.entries):
        lines += [
            "Success: share of evaluation episodes x goals in which the goal was reached; violated: share of",
            "evaluation episodes with a violation; both at the end, IQM over seeds.",
        ]
    if any(None in (entry.return_iqm, entry.return_low, entry.return_high) for entry in board.entries):
        lines.append(DIVERGED_NOTE)
    return lines


def _has_goal(entries: Sequence[Entry]) -> bool:
    return any(entry.success_iqm is not None for entry in entries)


def _cells(entry: Entry) -> dict[str, str]:
    """What the tables say of an entry, by column."""
    parts = (entry.return_iqm, entry.return_low, entry.return_high)
    returns = Estimate(*(-math.inf if part is None else part for part in parts))
    shares = [
        share for share in (entry.success_iqm, entry.success_low, entry.success_high) if share is not None
    ]
    return {
        "rank": "-" if entry.rank is None else str(entry.rank),
        "safeguard": entry.safeguard,
        "learner": entry.learner,
        "return IQM [95 %]": interval(returns),
        "success % [95 %]": percent(Estimate(*shares) if shares else None),
        "time to goal s": "-" if entry.time_to_goal is None else f"{entry.time_to_goal:.2f}",
        "violated %": "-" if entry.violated_iqm is None else f"{100 * entry.violated_iqm:.1f}",
        "violations": f"{entry.violations:,}",
        "interventions %": f"{100 * entry.interventions / max(entry.steps, 1):.1f}",
        "skipped": "-" if entry.skipped is None else f"{entry.skipped:,}",
        "s/1000": f"{entry.seconds_per_1000_interactions:.3g}",
    }


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
