"""Learners side by side on the same task and safeguard: what they reach, and how soon."""

from collections.abc import Sequence

import numpy as np

from safebench import stats
from safebench.reference import Paper
from safebench.result import Result
from safebench.tables import Entry, Table, ordered, returns, returns_at

TOLERANCE = 0.05
NOTE = (
    "Level: 5 % below the highest IQM of the final returns that any of these learners has on this task with "
    "this safeguard. Runs there: share of runs that come to it at some evaluation; steps to the level: IQM "
    "over those runs, where at least half of all come to it. Paper: returns of its archive."
)


def contest(results: Sequence[Result], paper: Paper) -> Table:
    """Every task and safeguard that at least two learners have, learner by learner."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in ordered(results):
        groups.setdefault((result.task.name, result.safeguard.name), []).append(result)
    rows: list[tuple[Entry, ...]] = []
    for (task, safeguard), group in groups.items():
        if len(group) > 1:
            best = max(float(stats.iqm(stats.scores(returns_at(result, -1)))) for result in group)
            level = best - TOLERANCE * abs(best)
            for result in group:
                theirs = paper.cell(task, safeguard, result.learner.name)
                reached = [
                    stats.interactions_to(r.curve.interactions, returns(r), level) for r in result.runs
                ]
                steps = [count for count in reached if count is not None]
                rows.append(
                    (
                        *(task, safeguard, result.learner.name),
                        stats.iqm_interval(returns_at(result, -1)),
                        stats.iqm_interval(theirs.returns) if theirs else None,
                        100 * len(steps) / len(result.runs),
                        float(stats.iqm(np.array(steps))) if 2 * len(steps) >= len(result.runs) else None,
                    )
                )
    header = ("task", "safeguard", "learner", "return", "paper", "runs there %", "steps to the level")
    return Table("contest", "Learners side by side", header, tuple(rows), NOTE)
