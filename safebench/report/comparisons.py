"""Tables the paper does not have: learners side by side, safeguards against none, and reaching goals."""

from collections.abc import Sequence

import numpy as np

from safebench.record.reached import interactions_to
from safebench.record.result import Result
from safebench.report import stats
from safebench.report.paper import Paper
from safebench.report.row import row
from safebench.report.selection import ordered
from safebench.report.stats import Estimate, Scores
from safebench.report.table import Entry, Table
from safebench.report.tables import returns, returns_at

TOLERANCE = 0.05
CONTEST_NOTE = (
    "Level: 5 % below the highest IQM of the final returns that any of these learners has on this task with "
    "this safeguard. Runs there: share of runs that come to it at some evaluation; steps to the level: IQM "
    "over those runs, where at least half of all come to it. Paper: returns of its archive."
)
IMPROVEMENT_NOTE = (
    "Chance that a random run with the safeguard ends with a higher return than a random run of the same "
    "learner without one, averaged over the tasks (Agarwal et al. 2021, arXiv 2108.13264), with its "
    "stratified bootstrap interval. Above 0.5 the safeguard helps learning. Paper: the same for its archive."
)
GOALS_NOTE = (
    "Success: share of evaluation episodes x goals in which the goal was reached; violated: share of "
    "evaluation episodes with a violation; both at the end of training, IQM over runs with 95 % bootstrap "
    "interval. Time to the goal: IQM over the runs that reached one. Interventions: of the training steps; "
    "switches (of the safe set's corridor): of all training and evaluation steps. Without a safeguard no "
    "other constraint is kept either, so that such a return is no yardstick."
)


def goals(results: Sequence[Result]) -> Table:
    """Who reaches the goal, on the tasks that have one."""
    rows: list[tuple[Entry, ...]] = []
    for result in ordered([result for result in results if result.has_goal]):
        figures = row(result)
        rows.append(
            (
                *(result.task.name, result.learner.name, result.safeguard.name),
                _percent(figures.success),
                figures.time_to_goal,
                _percent(figures.violated),
                figures.returns,
                100 * result.intervened,
                None if figures.switches is None else 1000 * figures.switches,
            )
        )
    header = (
        *("task", "learner", "safeguard", "success %", "time to the goal s", "violated %", "return"),
        *("interventions %", "switches per 1000 steps"),
    )
    return Table("goals", "Reaching the goal", header, tuple(rows), GOALS_NOTE)


def _percent(share: Estimate | None) -> Estimate | None:
    return None if share is None else Estimate(*(100 * part for part in share))


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
                reached = [interactions_to(r.curve.interactions, returns(r), level) for r in result.runs]
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
    return Table("contest", "Learners side by side", header, tuple(rows), CONTEST_NOTE)


def improvement(results: Sequence[Result], paper: Paper) -> Table:
    """Learners with a safeguard against themselves without one."""
    ours = {(r.task.name, r.learner.name, r.safeguard.name): stats.scores(returns_at(r, -1)) for r in results}
    theirs = {(cell.task, cell.learner, cell.safeguard): stats.scores(cell.returns) for cell in paper.cells}
    rows: list[tuple[Entry, ...]] = []
    for learner, safeguard in dict.fromkeys((r.learner.name, r.safeguard.name) for r in ordered(results)):
        tasks = [t for t, *other in ours if other == [learner, safeguard] and (t, learner, "none") in ours]
        if safeguard != "none" and tasks:
            both = [_against_unguarded(runs, tasks, learner, safeguard) for runs in (ours, theirs)]
            rows.append((learner, safeguard, ", ".join(tasks), *both))
    header = ("learner", "safeguard", "tasks", "beats unguarded", "paper")
    return Table(
        "improvement", "Probability of improvement by a safeguard", header, tuple(rows), IMPROVEMENT_NOTE
    )


def _against_unguarded(
    runs: dict[tuple[str, str, str], Scores], tasks: list[str], learner: str, safeguard: str
) -> Estimate | None:
    """The estimate over all of `tasks`; None if a cell is missing."""
    names = [(task, learner, kind) for kind in (safeguard, "none") for task in tasks]
    if not all(name in runs for name in names):
        return None

    def chance(both: list[Scores]) -> float:
        return stats.probability_of_improvement(both[: len(tasks)], both[len(tasks) :])

    return stats.bootstrap(chance, [runs[name] for name in names], resamples=2000)
