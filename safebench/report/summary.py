"""The quick table: one row per result, for the terminal and as markdown."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safebench.record.result import Counters, Result
from safebench.report import escape, fit, stats
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
    "skipped",
    "seconds",
)
SAFETY_NOTE = "safety: every training and evaluation step"
SKIPPED_NOTE = "skipped: updates not made, since a loss or gradient was not finite; -: not recorded"
RETURN_COLUMNS = ("safeguard", "return IQM [95 %]", "from paper's start", "steps to 95 %", "seconds")
SAFETY_COLUMNS = (
    *("safeguard", "violations", "departures", "interventions", "infeasible", "last line", "skipped"),
)
TWO_LINES = {
    "return IQM [95 %]": "return\nIQM [95 %]",
    "from paper's start": "from paper's\nstart",
    "steps to 95 %": "steps\nto 95 %",
    "violations": "viola-\ntions",
    "departures": "depar-\ntures",
    "interventions": "inter-\nventions",
    "infeasible": "infeas-\nible",
    "last line": "last\nline",
    "skipped": "skip-\nped",
}
UNBOUNDED = 100_000


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
    chosen = [HEADER.index(name) for name in columns if name != "learner"]
    sections: list[list[list[Text]]] = []
    for (task, learner), cells in by_task_and_learner(results).items():
        heading = [Text(f"{task}, {learner}", style="bold"), *map(Text, [""] * (len(chosen) - 1))]
        sections.append([heading, *(_entries(row(cell), chosen) for cell in cells)])
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for position, index in enumerate(chosen):
        heading_text = Text(TWO_LINES.get(HEADER[index], HEADER[index]))
        column = [heading_text, *(line[position] for section in sections for line in section)]
        shown.add_column(
            heading_text,
            justify="left" if index == 0 else "right",
            overflow="fold",
            no_wrap=index > 0,
            min_width=_widest(column) if index > 0 else None,
        )
    for section in sections:
        for line in section:
            shown.add_row(*line)
        shown.add_section()
    return shown


def _entries(figures: Row, chosen: Sequence[int]) -> list[Text]:
    whole = [text.replace(" [", "\n[").replace("+", "\n+") for text in texts(figures)]
    return [_styled(index, whole[index], figures) for index in chosen]


def _widest(column: Sequence[Text]) -> int:
    return max(line.cell_len for text in column for line in text.split("\n"))


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table; on a narrower terminal as two, returns and safety; on a very narrow one as records."""
    whole, halves = table(results), [table(results, part) for part in (RETURN_COLUMNS, SAFETY_COLUMNS)]
    split = not _fits(whole, console) and all(_fits(half, console) for half in halves)
    for part in halves if split else [whole]:
        fit.show(part, console)
    for line in ("return: mean over evaluation starts, IQM over seeds", SAFETY_NOTE, *legend(results)):
        console.print(Text(line, style="dim"))


def _fits(shown: Table, console: Console) -> bool:
    options = console.options.update(max_width=UNBOUNDED)
    return console.measure(shown, options=options).minimum <= console.width


def markdown(results: Sequence[Result]) -> str:
    """The same table in markdown, with the task as first column, and what its marks mean."""
    lines = ["| task | " + " | ".join(HEADER) + " |", "|---|---|---|" + "--:|" * (len(HEADER) - 2)]
    for task, cells in by_task(results).items():
        for cell in cells:
            lines.append("| " + " | ".join([task, *texts(row(cell))]) + " |")
    if explained := legend(results):
        lines += ["", *(f"- {escape.markdown(line)}" for line in explained)]
    return "\n".join(lines) + "\n"


def marks(result: Result) -> str:
    """What a table says of a result behind its name."""
    found = "" if result.settings.standard else " (changed)"
    found += f" ({len(result.non_finite_seeds)} diverged)" if result.non_finite_seeds else ""
    return found + (" (failed)" if result.failed_seeds else "")


def legend(results: Sequence[Result]) -> list[str]:
    """What the marks and words mean that the table of some results shows."""
    lines = []
    if any(not result.settings.standard for result in results):
        lines.append(
            "(changed): not the standard experiment of its suite; the file's settings.changed says how"
        )
    if any(result.non_finite_seeds for result in results):
        lines.append(
            "(1 diverged): so many seeds had a step or return that was not finite; such a seed counts as the "
            "worst return there is, which reads diverged"
        )
    failed = [result for result in results if result.failed_seeds]
    if failed:
        named = "; ".join(f"{cell.title}, {_seeds(cell.failed_seeds)}" for cell in failed)
        lines.append(f"(failed): every update was skipped, nothing was learnt: {named}")
    if any(result.skipped for result in results):
        lines.append(SKIPPED_NOTE)
    return lines


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def texts(figures: Row) -> tuple[str, ...]:
    """The cells of one row, in the order of HEADER."""
    result, safety = figures.result, figures.safety
    share = safety.interventions / safety.steps if safety.steps else 0.0
    reached = figures.interactions_to_95
    return (
        result.safeguard.name + marks(result),
        result.learner.name,
        interval(figures.returns),
        interval(figures.reference) if figures.reference else "-",
        "-" if reached is None else f"{reached:,.0f}",
        f"{safety.violations:,}",
        f"{safety.departures:,}",
        f"{100 * share:.1f} %",
        f"{safety.infeasible:,}",
        f"{safety.last_line:,}",
        "-" if result.skipped is None else f"{result.skipped:,}",
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
    if index == HEADER.index("skipped") and figures.result.skipped:
        return Text(text, style="bold red" if figures.result.failed_seeds else "yellow")
    if counts.get(index):
        return Text(text, style="bold red" if promised else "yellow")
    return Text(text)
