"""How many interactions it takes to the final return that the paper reports."""

from collections.abc import Sequence

import numpy as np

from safebench.record.reached import interactions_to
from safebench.record.result import Result
from safebench.report import stats
from safebench.report.paper import Paper
from safebench.report.selection import ordered
from safebench.report.table import Entry, Table
from safebench.report.tables import returns, returns_at

NOTE = (
    "Level: the mean of the paper's final returns (of its archive, without the runs that its authors "
    "removed), from its start state where the task has one. Runs there: share of our runs that come to it at "
    "some evaluation; steps to it: IQM over those, where at least half of all come to it. Paper: IQM of the "
    "interactions to 95 % of its runs' own final returns. Final: our return, IQM with 95 % bootstrap "
    "interval."
)


def paper_level(results: Sequence[Result], paper: Paper) -> Table:
    """Every cell that the paper has as well."""
    rows: list[tuple[Entry, ...]] = []
    for result in ordered(results):
        theirs = paper.cell(result.task.name, result.safeguard.name, result.learner.name)
        if theirs is not None:
            level = float(np.mean(theirs.returns))
            reached = [interactions_to(run.curve.interactions, returns(run), level) for run in result.runs]
            steps = np.array([count for count in reached if count is not None])
            rows.append(
                (
                    *(result.task.name, result.learner.name, result.safeguard.name, level),
                    100 * len(steps) / len(reached),
                    float(stats.iqm(steps)) if 2 * len(steps) >= len(reached) else None,
                    float(stats.iqm(np.array(theirs.interactions_to_95)))
                    if theirs.interactions_to_95
                    else None,
                    stats.iqm_interval(returns_at(result, -1)),
                )
            )
    header = ("task", "learner", "safeguard", "level", "runs there %", "steps to it", "paper", "final")
    return Table("paper-level", "Interactions to the paper's final return", header, tuple(rows), NOTE)
