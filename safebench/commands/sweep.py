"""`safebench sweep --over`: train every combination of some settings and rank them in one table."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from safebench import atomic
from safebench.commands.choice import Choice
from safebench.commands.ending import Interrupted
from safebench.commands.run import HERE, INTERRUPTED, keep_promises, place_of, require_device, say_failed
from safebench.record.result import Result
from safebench.report import fit, summary
from safebench.report.numbers import interval
from safebench.report.stats import Estimate
from safebench.report.table import Entry, Table, comma_separated, full_note, markdown
from safebench.runs import sweep
from safebench.runs.cell import Cell
from safebench.runs.prepare import prepare
from safebench.runs.runner import Outcome, execute
from safebench.runs.sweep import Combination

KEPT = ("return IQM [95 %]", "violations", "seconds", "safeguard", "chosen", "best", "median", "close")
"""Columns that are shown even where all rows agree."""


def run_sweep(
    over: Sequence[str], choice: Choice, folder: Path, force: bool, workers: int | None, console: Console
) -> bool:
    """Run the grid, print and write its ranking; whether all cells ended and kept their promise.

    over: OWNER.FIELD=VALUE,VALUE,... as `--over` takes them.

    Raises:
        ValueError, LookupError: for a bad field, value or cell, before anything runs.
    """
    combinations = sweep.every(sweep.parse(over))
    return run_combinations(choice.product(), combinations, folder, force, workers, console).kept


class Ran(NamedTuple):
    """What a sweep gave. kept: whether all cells ended and kept their promise."""

    done: list[tuple[Combination, Result]]
    kept: bool


def run_combinations(
    bases: Sequence[Cell],
    combinations: Sequence[Combination],
    folder: Path,
    force: bool,
    workers: int | None,
    console: Console,
) -> Ran:
    """Run every cell with every combination, print and write their ranking.

    Raises:
        ValueError, LookupError: for a bad field, value or cell, before anything runs.
    """
    place = place_of(HERE, workers)
    require_device(place)
    for path in _files(folder):
        atomic.check_writable(path)
    outcomes: list[Outcome] = []

    def run_cells(cells: list[Cell], into: Path) -> list[Result]:
        outcomes.append(execute(cells, into, force, console, place))
        return outcomes[-1].results

    try:
        done = sweep.run(bases, combinations, folder, prepare, run_cells, console)
    except KeyboardInterrupt:
        console.print(INTERRUPTED, soft_wrap=True)
        raise Interrupted from None
    if done:
        found = table(ranked(done))
        show(found, console)
        for path in write(found, folder):
            console.print(Text(f"Wrote {path}"), soft_wrap=True)
    for outcome in outcomes:
        say_failed(outcome, console)
    results = [result for _, result in done]
    kept_promise = keep_promises(results, console)
    failed = any([*(outcome.failed for outcome in outcomes), *(r.failed_seeds for r in results)])
    return Ran(done, kept_promise and not failed)


def ranked(done: Sequence[tuple[Combination, Result]]) -> list[tuple[Combination, Result]]:
    """By task, the highest return first; those that diverged last."""

    def order(entry: tuple[Combination, Result]) -> tuple[str, float]:
        value = summary.row(entry[1]).returns.value
        return entry[1].task.name, -value if math.isfinite(value) else math.inf

    return sorted(done, key=order)


def table(done: Sequence[tuple[Combination, Result]]) -> Table:
    """The ranking: a column for every swept field, then what the cell reached."""
    fields = list(done[0][0])
    rows = tuple(_row(result, [combination[field] for field in fields]) for combination, result in done)
    header = ("task", "safeguard", "learner", *fields, "return IQM [95 %]", "from paper's start")
    header += ("violations", "interventions [%]", "diverged seeds", "seconds")
    example = done[0][1]
    note = (
        f"{len(example.runs)} seeds, {example.interactions:,} interactions each; settings are not standard. "
        "Violations and interventions: every training and evaluation step of all seeds. The best of many "
        "is better than it will be again: confirm it with fresh seeds."
    )
    return Table("sweep", "Sweep", header, rows, note)


def _row(result: Result, values: Sequence[str]) -> tuple[Entry, ...]:
    figures = summary.row(result)
    counted = figures.safety
    return (
        result.task.name,
        result.safeguard.name,
        result.learner.name,
        *values,
        figures.returns,
        figures.reference,
        counted.violations,
        100 * counted.interventions / max(counted.steps, 1),
        len(result.non_finite_seeds),
        result.timing.compile_seconds + result.timing.train_seconds,
    )


def write(found: Table, folder: Path) -> list[Path]:
    """sweep.md and sweep.csv."""
    for path, text in zip(_files(folder), (markdown(found), comma_separated(found)), strict=True):
        atomic.write(path, text)
    return _files(folder)


def _files(folder: Path) -> list[Path]:
    return [folder / "sweep.md", folder / "sweep.csv"]


def show(found: Table, console: Console) -> None:
    """Print the ranking, without the columns that are the same in every row."""
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    varying = [
        index
        for index, name in enumerate(found.header)
        if "." in name or name in KEPT or len({row[index] for row in found.rows}) > 1
    ]
    for index in varying:
        shown.add_column(found.header[index], justify="left" if "." in found.header[index] else "right")
    for row in found.rows:
        shown.add_row(*(_entry(row[index]) for index in varying))
    fit.show(shown, console)
    console.print(Text(full_note(found), style="dim"))


def _entry(value: object) -> str:
    if isinstance(value, Estimate):
        return interval(value)
    if isinstance(value, float):
        return f"{value:.1f}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
