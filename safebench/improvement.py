"""How likely a safeguarded run is to beat an unguarded one: a table over all tasks that have both."""

from collections.abc import Sequence

from safebench import stats
from safebench.reference import Paper
from safebench.result import Result
from safebench.stats import Estimate, Scores
from safebench.tables import Entry, Table, ordered, returns_at

NOTE = (
    "Chance that a random run with the safeguard ends with a higher return than a random run of the same "
    "learner without one, averaged over the tasks (Agarwal et al. 2021, arXiv 2108.13264), with its "
    "stratified bootstrap interval. Above 0.5 the safeguard helps learning. Paper: the same for its archive."
)


def improvement(results: Sequence[Result], paper: Paper) -> Table:
    """Learners with a safeguard against themselves without one."""
    ours = {(r.task.name, r.learner.name, r.safeguard.name): stats.scores(returns_at(r, -1)) for r in results}
    theirs = {
        (cell.task, cell.learner, cell.safeguard): stats.scores(cell.returns) for cell in paper.comparable
    }
    rows: list[tuple[Entry, ...]] = []
    for learner, safeguard in dict.fromkeys((r.learner.name, r.safeguard.name) for r in ordered(results)):
        tasks = [t for t, *other in ours if other == [learner, safeguard] and (t, learner, "none") in ours]
        if safeguard != "none" and tasks:
            both = [_against_unguarded(runs, tasks, learner, safeguard) for runs in (ours, theirs)]
            rows.append((learner, safeguard, ", ".join(tasks), *both))
    header = ("learner", "safeguard", "tasks", "beats unguarded", "paper")
    return Table("improvement", "Probability of improvement by a safeguard", header, tuple(rows), NOTE)


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
