"""The quick table: one row per result, for the terminal and as markdown."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safebench.record.result import Counters, Result
from safebench.report import stats
from safebench.report.numbers import interval
from safebench.report.selection import by_task, by_task_and_learner
from safebench.report.stats import Estimate

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
    return Row(result, returns, reference, typical, result.counted)


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
