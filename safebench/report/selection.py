"""Which results are shown, and in which order."""

from collections import Counter
from collections.abc import Sequence

from safebench.record.admission import LeftOut
from safebench.record.result import Result


def by_task(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by task, the unguarded first, then by name."""
    order = sorted(
        results, key=lambda r: (r.task.name, r.learner.name, r.safeguard.name != "none", r.safeguard.name)
    )
    grouped: dict[str, list[Result]] = {}
    for result in order:
        grouped.setdefault(result.task.name, []).append(result)
    return grouped


def by_task_and_learner(results: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    """Results by task and learner, in the order of `by_task`."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for task, cells in by_task(results).items():
        for cell in cells:
            grouped.setdefault((task, cell.learner.name), []).append(cell)
    return grouped


def ordered(results: Sequence[Result]) -> list[Result]:
    """Task by task, as all our tables list them."""
    return [result for cells in by_task(results).values() for result in cells]


def largest_first(results: Sequence[Result]) -> list[Result]:
    """By interactions of all seeds together."""
    return sorted(results, key=lambda result: result.interactions * len(result.runs), reverse=True)


def one_per_cell(results: Sequence[Result]) -> tuple[list[Result], list[LeftOut]]:
    """Of results of the same cell (from several suites) the largest, and the others.

    Of equals, that of the suite with the most results: rows of a table are to be of one suite.
    """
    best: dict[str, Result] = {}
    left_out: list[LeftOut] = []
    suites = Counter(cell.suite for cell in results)
    for cell in largest_first(sorted(results, key=lambda cell: -suites[cell.suite])):
        kept = best.setdefault(cell.title, cell)
        if kept is not cell:
            left_out.append(LeftOut(f"{cell.title} ({cell.suite})", f"shown from suite {kept.suite}"))
    return list(best.values()), left_out
