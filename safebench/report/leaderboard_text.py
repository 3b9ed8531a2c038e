"""The leaderboard as markdown: one table per task."""

import math
from collections.abc import Sequence

from safebench.report import escape
from safebench.report.board import Entry, Leaderboard
from safebench.report.numbers import interval, percent
from safebench.report.stats import Estimate
from safebench.report.table import DIVERGED_NOTE

GOAL = ("success % [95 %]", "time to goal s", "violated %")
"""The columns of a task that has a goal."""


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
        "physics": entry.physics,
        "s/1000": f"{entry.seconds_per_1000_interactions:.3g}",
    }


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
