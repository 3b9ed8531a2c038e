"""The quick table: one row per result, for the terminal and as markdown."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safebench import stats
from safebench.result import Counters, Result
from safebench.stats import Estimate

HEADER = (
    "safeguard",
    "learner",
    "return IQM [95 %]",
    "from paper's start",
    "steps to 95 %",
    "violations",
    "departures",
    "interventions",
    "infeasible",
    "last line",
    "seconds",
)

RETURN_COLUMNS = ("safeguard", "return IQM [95 %]", "from paper's start", "steps to 95 %", "seconds")
SAFETY_COLUMNS = ("safeguard", "violations", "departures", "interventions", "infeasible", "last line")
TWO_LINES = {
    "return IQM [95 %]": "return\nIQM [95 %]",
    "from paper's start": "from paper's\nstart",
    "steps to 95 %": "steps\nto 95 %",
    "violations": "viola-\ntions",
    "departures": "depar-\ntures",
    "interventions": "inter-\nventions",
    "infeasible": "infeas-\nible",
    "last line": "last\nline",
}
WIDE = 132
"""Characters: what the whole table needs."""


class Row(NamedTuple):
    """One result in numbers. Safety counts are over training and evaluation, all seeds."""

    result: Result
    returns: Estimate
    reference: Estimate | None
    interactions_to_95: float | None
    safety: Counters


def row(result: Result) -> Row:
    """The figures of one result."""
    finals = [run.final for run in result.runs]
    returns = stats.iqm_interval([final.return_mean for final in finals])
    has_reference = result.runs[0].curve.reference_return is not None
    reference = stats.iqm_interval([final.reference_return for final in finals]) if has_reference else None
    reached = [final.interactions_to_95 for final in finals if final.interactions_to_95 is not None]
    typical = float(stats.iqm(np.array(reached))) if reached else None
    return Row(result, returns, reference, typical, everything_counted(result))


def everything_counted(result: Result) -> Counters:
    """Safety over every training and evaluation step of every seed."""
    parts = [counters for run in result.runs for counters in (run.training, run.evaluation)]
    corrections = [part.correction for part in parts]
    known = [correction for correction in corrections if correction is not None]
    margins = [part.worst_margin for part in parts if part.worst_margin is not None]
    return Counters(
        steps=sum(part.steps for part in parts),
        violations=sum(part.violations for part in parts),
        departures=sum(part.departures for part in parts),
        infeasible=sum(part.infeasible for part in parts),
        last_line=sum(part.last_line for part in parts),
        interventions=sum(part.interventions for part in parts),
        non_finite=sum(part.non_finite for part in parts),
        correction=math.fsum(known) if len(known) == len(corrections) else None,
        worst_margin=max(margins, default=None),
    )


def table(results: Sequence[Result], columns: Sequence[str] = HEADER) -> Table:
    """A rich table, one section per task and learner; counts that break a promise of safety are red."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    chosen = [HEADER.index(name) for name in columns if name != "learner"]
    for index in chosen:
        shown.add_column(
            TWO_LINES.get(HEADER[index], HEADER[index]),
            justify="left" if index == 0 else "right",
            overflow="fold",
            no_wrap=index > 0,
        )
    for (task, learner), cells in by_task_and_learner(results).items():
        shown.add_row(Text(f"{task}, {learner}", style="bold"), *[""] * (len(chosen) - 1))
        for cell in cells:
            figures = row(cell)
            cells_text = [text.replace(" [", "\n[").replace("+", "\n+") for text in texts(figures)]
            entries = [_styled(index, text, figures) for index, text in enumerate(cells_text)]
            shown.add_row(*[entries[index] for index in chosen])
        shown.add_section()
    return shown


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table; on a narrow terminal as two, returns and safety."""
    if console.width >= WIDE:
        console.print(table(results))
    else:
        console.print(table(results, RETURN_COLUMNS))
        console.print(table(results, SAFETY_COLUMNS))
    console.print(
        "return: mean over evaluation starts, IQM over seeds; safety: every training and evaluation step",
        style="dim",
    )


def markdown(results: Sequence[Result]) -> str:
    """The same table in markdown, with the task as first column."""
    lines = ["| task | " + " | ".join(HEADER) + " |", "|---|---|---|" + "--:|" * (len(HEADER) - 2)]
    for task, cells in by_task(results).items():
        lines += ["| " + " | ".join([task, *texts(row(cell))]) + " |" for cell in cells]
    return "\n".join(lines) + "\n"


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


def texts(figures: Row) -> tuple[str, ...]:
    """The cells of one row, in the order of HEADER."""
    result, safety = figures.result, figures.safety
    marks = "" if result.settings.standard else " (changed)"
    marks += f" ({len(result.non_finite_seeds)} diverged)" if result.non_finite_seeds else ""
    share = safety.interventions / safety.steps if safety.steps else 0.0
    reached = figures.interactions_to_95
    return (
        result.safeguard.name + marks,
        result.learner.name,
        interval(figures.returns),
        interval(figures.reference) if figures.reference else "-",
        "-" if reached is None else f"{reached:,.0f}",
        f"{safety.violations:,}",
        f"{safety.departures:,}",
        f"{100 * share:.1f} %",
        f"{safety.infeasible:,}",
        f"{safety.last_line:,}",
        f"{result.timing.compile_seconds + result.timing.train_seconds:.1f}",
    )


def interval(estimate: Estimate) -> str:
    """E.g. "-8.41 [-8.55, -8.30]", with as many digits as the size deserves."""
    value, low, high = (number(part) for part in estimate)
    if value == low == high:
        return value
    return f"{value} [{low}, {high}]"


def number(value: float) -> str:
    """Four significant digits or whole numbers, thousands grouped; "diverged" for -infinity."""
    if not math.isfinite(value):
        return "diverged"
    size = abs(value)
    if size >= 1e7:
        return f"{value:.2e}".replace("e+0", "e").replace("e+", "e")
    digits = 2 if size < 100 else 1 if size < 1000 else 0
    return f"{value:,.{digits}f}"


def _styled(index: int, text: str, figures: Row) -> Text:
    safety = figures.safety
    promised = figures.result.certified
    counts = {
        5: safety.violations,
        6: safety.departures if promised else 0,
        8: safety.infeasible if promised else 0,
        9: safety.last_line if promised else 0,
    }
    if counts.get(index):
        return Text(text, style="bold red" if promised else "yellow")
    return Text(text)


def broken_promise(result: Result) -> bool:
    """Whether a certified cell counted anything that its certificate rules out."""
    counted = everything_counted(result)
    failures = counted.violations + counted.departures + counted.infeasible + counted.last_line
    return result.certified and failures + counted.non_finite > 0
