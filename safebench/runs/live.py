"""The live table of a run: one row per cell with its progress, rate, return and time left."""

import contextlib
import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from safebench.runs.cell import Cell
from safebench.runs.events import Event, Handle, State
from safebench.runs.rows import (
    RUNNING,
    Row,
    advance,
    all_left,
    duration,
    left,
    rate,
    skipped_updates,
    success,
)

STYLES: dict[State, str] = {
    "waiting": "dim",
    "compiling": "yellow",
    "training": "cyan",
    "retrying": "bold yellow",
    "done": "green",
    "skipped": "dim green",
    "failed": "bold red",
}
COLUMNS: dict[str, Literal["left", "right"]] = {
    "cell": "left",
    "state": "left",
    "progress": "left",
    "steps/s": "right",
    "return": "right",
    "success": "right",
    "skipped": "right",
    "left": "right",
}
UNBOUNDED = 100_000
EVERY = 30.0
"""Seconds between two lines about one cell where there is no terminal."""


@dataclass(frozen=True)
class Picture:
    """The table in `height` lines and one line about all cells, as wide as where it is printed.

    Where its columns do not fit, what they say follows the cell's name line by line.
    """

    rows: Collection[Row]
    now: float
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich asks for it."""
        shown, hidden = select(self.rows, max(3, self.height - 4))
        fields = [_fields(row, self.now) for row in shown]
        wide = _table(fields)
        about_all = Text(summary(self.rows, self.now))
        if console.measure(wide, options=options.update(max_width=UNBOUNDED)).maximum <= options.max_width:
            yield wide
        else:
            room = self.height - _lines_of(about_all, options.max_width) - 2
            most = len(shown)
            while most > 2 and sum(_lines_of(_record(each), options.max_width) for each in fields) > room:
                most -= 1
                shown, hidden = select(self.rows, most)
                fields = [_fields(row, self.now) for row in shown]
            yield from map(_record, fields)
        if hidden:
            yield Text(hidden, style="dim")
        yield about_all


def render(rows: Collection[Row], now: float, height: int) -> Picture:
    """The table, cut to `height` lines, and one line about all cells."""
    return Picture(list(rows), now, height)


def _table(fields: Sequence[Mapping[str, Text | ProgressBar]]) -> Table:
    """One row per cell; `success` is there where a task has a goal, `skipped` where some updates were."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name, justify in COLUMNS.items():
        if name not in ("success", "skipped") or any(str(each[name]) for each in fields):
            table.add_column(name, justify=justify, no_wrap=True, width=12 if name == "progress" else None)
    shown = [str(column.header) for column in table.columns]
    for each in fields:
        table.add_row(*(each[name] for name in shown))
    return table


def _record(fields: Mapping[str, Text | ProgressBar]) -> Text:
    """What the table says of one cell, below its name."""
    said = Text("  ").append_text(_as_text(fields["state"]))
    for name, part in fields.items():
        text = _as_text(part)
        if name not in ("cell", "state") and text.plain:
            heading = "" if name in ("progress", "steps/s") or text.plain.startswith("took") else f"{name} "
            unit = " steps/s" if name == "steps/s" else ""
            said.append(f", {heading}{text.plain}{unit}")
    record = Text.assemble(_as_text(fields["cell"]), "\n", said)
    record.overflow = "fold"
    return record


def _as_text(part: Text | ProgressBar) -> Text:
    if isinstance(part, Text):
        return part
    return Text(f"{100 * part.completed / (part.total or 1):.0f} %")


def _lines_of(text: Text, width: int) -> int:
    return sum(max(1, math.ceil(line.cell_len / max(width, 1))) for line in text.split("\n"))


def select(rows: Collection[Row], most: int) -> tuple[list[Row], str]:
    """At most so many rows in their order: running and failed ones first, then those next in line, then
    those done last; and what is left out, in words."""
    if len(rows) <= most:
        return list(rows), ""
    ended = sorted((row for row in rows if row.state in ("done", "skipped")), key=lambda row: -row.updated)
    ranked = [row for row in rows if row.state in RUNNING]
    ranked += [row for row in rows if row.state == "failed"]
    ranked += [row for row in rows if row.state == "waiting"]
    chosen = {row.cell for row in [*ranked, *ended][: most - 1]}
    hidden = [row for row in rows if row.cell not in chosen]
    return [row for row in rows if row.cell in chosen], f"not shown: {_counts(hidden)}"


def summary(rows: Collection[Row], now: float) -> str:
    """One line about all cells."""
    line = f"{len(rows)} cells: {_counts(rows)}"
    time_left = all_left(rows, now)
    running = any(row.state in (*RUNNING, "waiting") for row in rows)
    return f"{line}; about {duration(time_left)} left" if running and time_left is not None else line


def _counts(rows: Collection[Row]) -> str:
    states = [row.state for row in rows]
    return ", ".join(f"{states.count(state)} {state}" for state in STYLES if state in states)


def _fields(row: Row, now: float) -> dict[str, Text | ProgressBar]:
    snapshot, spent = row.snapshot, now - row.started
    tried = f" (try {row.retries + 1})" if row.retries else ""
    progress: Text | ProgressBar = Text("")
    if snapshot is not None:
        progress = ProgressBar(total=max(snapshot.of, 1), completed=snapshot.interactions, width=12)
    elif row.state == "compiling":
        progress = Text(duration(spent))
    steps, lost = rate(row), skipped_updates(row)
    mean = snapshot.evaluated.return_mean if snapshot is not None and snapshot.evaluated else math.nan
    time_left = duration(row.updated - row.started) if row.state == "done" else duration(left(row, now))
    return {
        "cell": Text(row.cell.title),
        "state": Text(row.state + tried, style=STYLES[row.state]),
        "progress": progress,
        "steps/s": Text("" if steps is None else f"{steps:,.0f}"),
        "return": Text("" if math.isnan(mean) else f"{mean:.2f}"),
        "success": Text(success(row)),
        "skipped": Text(f"{lost:,}" if lost else "", style="bold yellow"),
        "left": Text(f"took {time_left}" if row.state == "done" else time_left),
    }


def line(row: Row, event: Event) -> str:
    """What there is to say about an event where there is no terminal."""
    title, snapshot = row.cell.title, row.snapshot
    if event.state in ("failed", "retrying"):
        return f"{title}: {event.state}: {event.problem}"
    if event.state == "compiling" or snapshot is None:
        return f"{title}: {event.state}"
    figures = []
    if event.state == "done":
        figures.append(f"in {duration(row.updated - row.started)}")
    else:
        figures.append(f"{100 * snapshot.interactions / max(snapshot.of, 1):.0f} %")
    if snapshot.evaluated is not None:
        figures.append(f"return {snapshot.evaluated.return_mean:.2f}")
        figures += [f"success {success(row)}"] if success(row) else []
        figures.append(f"{rate(row):,.0f} steps/s")
        if event.state == "training":
            figures.append(f"{duration(left(row, row.updated))} left")
    if skipped_updates(row):
        figures.append(f"{skipped_updates(row):,} updates skipped")
    return f"{title}: {event.state} {', '.join(figures)}"


@contextlib.contextmanager
def table(cells: Iterable[Cell], skipped: Collection[Cell], console: Console) -> Iterator[Handle]:
    """Show what happens to cells: a table on a terminal, elsewhere a line now and then."""
    rows = {cell: Row(cell, "skipped" if cell in skipped else "waiting") for cell in cells}
    if len(skipped) == len(rows):
        yield _ignore
    elif console.is_terminal:

        def picture() -> Picture:
            return render(rows.values(), time.monotonic(), console.height)

        with Live(console=console, get_renderable=picture, refresh_per_second=4, vertical_overflow="crop"):
            yield lambda event: rows.update({event.cell: advance(rows[event.cell], event, time.monotonic())})
    else:
        yield _lines(rows, console)


def _lines(rows: dict[Cell, Row], console: Console) -> Handle:
    said: dict[Cell, float] = {}

    def show(event: Event) -> None:
        now = time.monotonic()
        row = rows[event.cell] = advance(rows[event.cell], event, now)
        if event.state == "training" and now - said.get(event.cell, now) < EVERY:
            said.setdefault(event.cell, now)
            return
        said[event.cell] = now
        console.print(Text(line(row, event)), soft_wrap=True)

    return show


def _ignore(event: Event) -> None:
    """Nothing happens to cells that are all finished."""
