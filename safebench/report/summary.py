"""The quick table: one row per result, for the terminal and as markdown."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safebench.record.result import Result
from safebench.report import escape, fit
from safebench.report.numbers import interval, percent
from safebench.report.row import Row
from safebench.report.row import row as row
from safebench.report.selection import by_task, by_task_and_learner

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
"""The columns of every result."""
GOAL = ("success % [95 %]", "time to goal s", "violated %")
"""Those that are there where a task has a goal."""
SWITCHES = "switches / 1000"
"""That which is there where a safe set moves."""
SAFETY_NOTE = "safety: every training and evaluation step"
SKIPPED_NOTE = "skipped: updates not made, since a loss or gradient was not finite; -: not recorded"
GOAL_NOTE = (
    "success: of evaluation episodes x goals, violated: of evaluation episodes, IQM over seeds; time to "
    "goal: IQM over the seeds that reached one"
)
SWITCHES_NOTE = "switches: of the safe set's corridor, per 1000 training and evaluation steps"
RETURN_COLUMNS = ("safeguard", "return IQM [95 %]", "from paper's start", "steps to 95 %", "seconds")
SAFETY_COLUMNS = (
    *("safeguard", "violations", "departures", "interventions", "infeasible", "last line", "skipped"),
)
GOAL_COLUMNS = ("safeguard", *GOAL, SWITCHES)
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
    "success % [95 %]": "success %\n[95 %]",
    "time to goal s": "time to\ngoal s",
    "violated %": "violated\n%",
    "switches / 1000": "switches\n/ 1000",
}
UNBOUNDED = 100_000


def header(results: Sequence[Result]) -> tuple[str, ...]:
    """The columns that some results fill: HEADER, and what their tasks' goals and corridors give."""
    goal = GOAL if any(result.has_goal for result in results) else ()
    switches = (SWITCHES,) if any(result.counted.switches for result in results) else ()
    return (*HEADER, *goal, *switches)


def table(results: Sequence[Result], columns: Sequence[str] | None = None) -> Table:
    """A rich table, one section per task and learner; counts that break a promise of safety are red.

    columns: of `header`, in the order given; by default all of them.
    """
    chosen = [name for name in columns or header(results) if name != "learner"]
    sections: list[list[list[Text]]] = []
    for (task, learner), cells in by_task_and_learner(results).items():
        heading = [Text(f"{task}, {learner}", style="bold"), *map(Text, [""] * (len(chosen) - 1))]
        sections.append([heading, *(_entries(row(cell), chosen) for cell in cells)])
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for position, name in enumerate(chosen):
        heading_text = Text(TWO_LINES.get(name, name))
        column = [heading_text, *(line[position] for section in sections for line in section)]
        shown.add_column(
            heading_text,
            justify="left" if position == 0 else "right",
            overflow="fold",
            no_wrap=position > 0,
            min_width=_widest(column) if position > 0 else None,
        )
    for section in sections:
        for line in section:
            shown.add_row(*line)
        shown.add_section()
    return shown


def _entries(figures: Row, chosen: Sequence[str]) -> list[Text]:
    said = texts(figures)
    whole = {name: said[name].replace(" [", "\n[").replace("+", "\n+") for name in chosen}
    return [_styled(name, whole[name], figures) for name in chosen]


def _widest(column: Sequence[Text]) -> int:
    return max(line.cell_len for text in column for line in text.split("\n"))


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table; on a narrower terminal as several, returns, safety and goals; on a very narrow one as
    records."""
    columns = header(results)
    groups = (RETURN_COLUMNS, SAFETY_COLUMNS, GOAL_COLUMNS)
    kept = [[name for name in group if name in columns] for group in groups]
    whole, parts = table(results), [table(results, part) for part in kept if len(part) > 1]
    split = not _fits(whole, console) and all(_fits(part, console) for part in parts)
    for part in parts if split else [whole]:
        fit.show(part, console)
    for line in ("return: mean over evaluation starts, IQM over seeds", SAFETY_NOTE, *legend(results)):
        console.print(Text(line, style="dim"))


def _fits(shown: Table, console: Console) -> bool:
    options = console.options.update(max_width=UNBOUNDED)
    return console.measure(shown, options=options).minimum <= console.width


def markdown(results: Sequence[Result]) -> str:
    """The same table in markdown, with the task as first column, and what its marks mean."""
    columns = header(results)
    lines = ["| task | " + " | ".join(columns) + " |", "|---|---|---|" + "--:|" * (len(columns) - 2)]
    for task, cells in by_task(results).items():
        for cell in cells:
            said = texts(row(cell))
            lines.append("| " + " | ".join([task, *(said[name] for name in columns)]) + " |")
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
    columns = header(results)
    lines += [GOAL_NOTE] if GOAL[0] in columns else []
    lines += [SWITCHES_NOTE] if SWITCHES in columns else []
    return lines


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def texts(figures: Row) -> dict[str, str]:
    """The cells of one row by the names of its columns."""
    result, safety = figures.result, figures.safety
    share = safety.interventions / safety.steps if safety.steps else 0.0
    return {
        "safeguard": result.safeguard.name + marks(result),
        "learner": result.learner.name,
        "return IQM [95 %]": interval(figures.returns),
        "from paper's start": interval(figures.reference) if figures.reference else "-",
        "steps to 95 %": _known(figures.interactions_to_95, ",.0f"),
        "violations": f"{safety.violations:,}",
        "departures": f"{safety.departures:,}",
        "interventions": f"{100 * share:.1f} %",
        "infeasible": f"{safety.infeasible:,}",
        "last line": f"{safety.last_line:,}",
        "skipped": _known(result.skipped, ","),
        "seconds": f"{result.timing.compile_seconds + result.timing.train_seconds:.1f}",
        "success % [95 %]": percent(figures.success) if result.has_goal else "-",
        "time to goal s": _known(figures.time_to_goal, ".2f"),
        "violated %": percent(figures.violated) if result.has_goal else "-",
        SWITCHES: "-" if figures.switches is None else f"{1000 * figures.switches:.1f}",
    }


def _known(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _styled(name: str, text: str, figures: Row) -> Text:
    safety = figures.safety
    promised = figures.result.certified
    counts = {"violations": safety.violations}
    if promised:
        counts |= {
            "departures": safety.departures,
            "infeasible": safety.infeasible,
            "last line": safety.last_line,
        }
    if name == "skipped" and figures.result.skipped:
        return Text(text, style="bold red" if figures.result.failed_seeds else "yellow")
    if counts.get(name):
        return Text(text, style="bold red" if promised else "yellow")
    return Text(text)
