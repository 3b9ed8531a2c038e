"""The paper's five tables from our results, the paper's figures beside ours."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from safebench.record.result import Result, Run
from safebench.report import stats
from safebench.report.paper import Paper, PaperCell
from safebench.report.selection import ordered
from safebench.report.stats import Estimate
from safebench.report.table import Entry, Table

SHARED = (
    "Return: IQM over runs with 95 % bootstrap interval, from the paper's single start state "
    "(mean over the evaluation starts where a task has none). Steps to 95 %: IQM over runs. "
    "Paper: the same statistics of its archive, without the runs that its authors removed."
)


def all_tables(results: Sequence[Result], paper: Paper) -> list[Table]:
    """The five tables, each with the rows that our results cover (perhaps none)."""
    builders: tuple[Callable[[Sequence[Result], Paper], Table], ...] = (
        unguarded,
        guarded,
        stuck,
        centres,
        run_time,
    )
    return [builder(results, paper) for builder in builders]


def unguarded(results: Sequence[Result], paper: Paper) -> Table:
    """Learners without a safeguard."""
    chosen = [result for result in results if result.safeguard.name == "none"]
    header = ("task", "learner", "return", "paper", "steps to 95 %", "paper", "violations per 1000 steps")
    rows = []
    for result in ordered(chosen):
        theirs = _paper_cell(paper, result)
        rate = 1000 * sum(run.training.violations for run in result.runs) / _training_steps(result)
        rows.append((result.task.name, result.learner.name, *_returns_and_steps(result, theirs), rate))
    note = f"{_shared(results, paper)} Violations: of the constraints, in training."
    return Table(
        "unguarded",
        "Learners without a safeguard",
        header,
        tuple(rows),
        note,
        _missing(results, paper, lambda cell: cell.safeguard == "none"),
    )


def guarded(results: Sequence[Result], paper: Paper) -> Table:
    """Learners with a safeguard."""
    chosen = [result for result in results if result.safeguard.name != "none"]
    header = (
        *("task", "learner", "safeguard", "return", "paper", "steps to 95 %", "paper"),
        *("interventions %", "violations"),
    )
    rows = []
    for result in ordered(chosen):
        share, violations = 100 * result.intervened, result.counted.violations
        names = (result.task.name, result.learner.name, result.safeguard.name)
        rows.append((*names, *_returns_and_steps(result, _paper_cell(paper, result)), share, violations))
    note = (
        f"{_shared(results, paper)} Interventions: of the training steps. Violations: of all training and "
        "evaluation steps."
    )
    return Table(
        "guarded",
        "Learners with a safeguard",
        header,
        tuple(rows),
        note,
        _missing(results, paper, lambda cell: cell.safeguard != "none"),
    )


def stuck(results: Sequence[Result], paper: Paper) -> Table:
    """Runs that did not learn what the other runs of their cell learned."""
    header = (
        "task",
        "learner",
        "safeguard",
        "runs",
        "stuck",
        "paper: runs",
        "paper: removed",
        "paper: stuck",
    )
    rows = []
    for result in ordered(results):
        theirs = _paper_cell(paper, result)
        names = (result.task.name, result.learner.name, result.safeguard.name)
        ours = count_stuck(returns_at(result, -1), float(np.median(stats.scores(returns_at(result, 0)))))
        beside: tuple[Entry, ...] = (None, None, None)
        if theirs:
            beside = (theirs.runs, theirs.stuck, count_stuck(theirs.returns, theirs.first_return))
        rows.append((*names, len(result.runs), ours, *beside))
    note = (
        "Stuck: diverged, or closed less than half of the way from the first evaluation (median over runs) "
        "to the upper quartile of the final returns. Paper: removed by hand before publication, and stuck "
        "by the same rule among the runs left (first evaluation: mean)."
    )
    missing = _missing(results, paper, lambda cell: True)
    return Table("stuck", "Stuck runs", header, tuple(rows), note, missing)


def count_stuck(returns: Iterable[float | None], first: float) -> int:
    """Runs that diverged or closed less than half of the way from `first` to the upper quartile.

    Where the upper quartile is below `first`, the runs that ended below `first`.
    """
    ended = stats.scores(list(returns))
    upper = np.quantile(ended, 0.75, method="higher")
    needed = first + 0.5 * (max(upper, first) - first)
    return int(np.sum(~np.isfinite(ended) | (ended < needed)))


def centres(results: Sequence[Result], paper: Paper) -> Table:
    """Ray masks with different approximations of the safe centre."""
    chosen = [
        result
        for result in results
        if result.safeguard.module.startswith("ray-mask")
        and not result.safeguard.config.get("regularisation")
        and result.safeguard.config.get("gradient", "exact") == "exact"
    ]
    varied = {
        (r.task.name, r.learner.name, r.safeguard.module)
        for r in chosen
        if r.safeguard.config.get("centre", "certificate") != "certificate"
    }
    header = ("task", "learner", "safeguard", "centre", "return", "paper", "steps to 95 %", "paper", "s/1000")
    rows = []
    for result in ordered(chosen):
        if (result.task.name, result.learner.name, result.safeguard.module) not in varied:
            continue  # one centre alone compares nothing
        centre = str(result.safeguard.config.get("centre", "certificate"))
        names = (result.task.name, result.learner.name, result.safeguard.module, centre)
        ours_and_theirs = _returns_and_steps(result, _paper_cell(paper, result))
        rows.append((*names, *ours_and_theirs, result.timing.seconds_per_1000_interactions))
    note = f"{_shared(results, paper)} s/1000: seconds per 1000 interactions of one seed."
    return Table(
        "centres",
        "Approximations of the safe centre",
        header,
        tuple(rows),
        note,
        _missing(results, paper, lambda cell: cell.safeguard == "ray-mask+orthogonal"),
    )


def run_time(results: Sequence[Result], paper: Paper) -> Table:
    """Training time, and its ratio to the same learner without a safeguard."""
    header = (
        *("task", "learner", "safeguard", "compile s", "train s", "s/1000", "ratio"),
        *("paper: s per run", "paper: ratio"),
    )
    rows = []
    for result in ordered(results):
        names = (result.task.name, result.learner.name, result.safeguard.name)
        theirs = paper.seconds(result.task.name, result.safeguard.name, result.learner.name)
        their_base = paper.seconds(result.task.name, "none", result.learner.name)
        timing = result.timing
        rows.append(
            (
                *names,
                timing.compile_seconds,
                timing.train_seconds,
                timing.seconds_per_1000_interactions,
                overhead(result, results),
                theirs,
                theirs / their_base if theirs and their_base else None,
            )
        )
    note = (
        "train s: all seeds together, compilation excluded; s/1000: per 1000 interactions of one seed; "
        "ratio: of s/1000 to no safeguard on the same device. Paper: one run, on its authors' machine."
    )
    ours = {(r.task.name, r.safeguard.name, r.learner.name) for r in results}
    missing = tuple(
        f"{time.task}/{time.safeguard}--{time.learner}"
        for time in paper.timing
        if (time.task, time.safeguard, time.learner) not in ours
    )
    return Table("run-time", "Run time", header, tuple(rows), note, missing)


def overhead(result: Result, results: Sequence[Result]) -> float | None:
    """Guarded over unguarded seconds per interaction; None without an unguarded cell on the same device."""
    for other in results:
        if (
            other.safeguard.name == "none"
            and other.task == result.task
            and other.learner.name == result.learner.name
            and other.physics == result.physics
            and other.provenance.device == result.provenance.device
            and len(other.runs) == len(result.runs)
            and other.timing.seconds_per_1000_interactions > 0
        ):
            base = other.timing.seconds_per_1000_interactions
            return result.timing.seconds_per_1000_interactions / base
    return None


def _shared(results: Sequence[Result], paper: Paper) -> str:
    """What the tables of returns have in common, and where the paper's setting is not wholly ours."""
    ours = {result.task.name for result in results}
    differ = (f" The paper's {task}: {how}." for task, how in paper.differences.items() if task in ours)
    return SHARED + "".join(differ)


def _paper_cell(paper: Paper, result: Result) -> PaperCell | None:
    return paper.cell(result.task.name, result.safeguard.name, result.learner.name)


def _missing(results: Sequence[Result], paper: Paper, wanted: Callable[[PaperCell], bool]) -> tuple[str, ...]:
    ours = {(r.task.name, r.safeguard.name, r.learner.name) for r in results}
    return tuple(
        f"{cell.task}/{cell.safeguard}--{cell.learner}"
        for cell in paper.cells
        if wanted(cell) and (cell.task, cell.safeguard, cell.learner) not in ours
    )


def returns(run: Run) -> tuple[float | None, ...]:
    """From the paper's start where the task has one, else the mean over the evaluation starts."""
    return run.curve.reference_return or run.curve.return_mean


def returns_at(result: Result, point: int) -> list[float | None]:
    """The `returns` of all runs at one evaluation."""
    return [returns(run)[point] for run in result.runs]


def _training_steps(result: Result) -> int:
    return max(1, sum(run.training.steps for run in result.runs))


def _returns_and_steps(
    result: Result, theirs: PaperCell | None
) -> tuple[Estimate, Estimate | None, float | None, float | None]:
    reached = [run.final.interactions_to_95 for run in result.runs]
    known = [count for count in reached if count is not None]
    return (
        stats.iqm_interval(returns_at(result, -1)),
        stats.iqm_interval(theirs.returns) if theirs else None,
        float(stats.iqm(np.array(known))) if known else None,
        float(stats.iqm(np.array(theirs.interactions_to_95))) if theirs else None,
    )
