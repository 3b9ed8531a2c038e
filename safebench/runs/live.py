"""The live table of a run: one row per cell with its progress, rate, return and time left."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from safebench.runs.cell import Cell
from safebench.runs.events import Event, Handle, Snapshot, State

STYLES: dict[State, str] = {
    "waiting": "dim",
    "compiling": "yellow",
    "training": "cyan",
    "retrying": "bold yellow",
    "done": "green",
    "skipped": "dim green",
    "failed": "bold red",
}
RUNNING = ("compiling", "training", "retrying")
EVERY = 30.0
"""Seconds between two lines about one cell where there is no terminal."""


@dataclass(frozen=True)
class Row:
    """One cell. Times are in seconds on the clock of `time.monotonic`.

    started: when it began to compile. updated: its last event. retries: workers it has lost.
    """

    cell: Cell
    state: State = "waiting"
    snapshot: Snapshot | None = None
    started: float = 0.0
    updated: float = 0.0
    retries: int = 0


def advance(row: Row, event: Event, now: float) -> Row:
    """The row after an event."""
    row = dataclasses.replace(row, state=event.state, updated=now)
    if event.state == "compiling":
        return dataclasses.replace(row, snapshot=None, started=now)
    if event.state == "retrying":
        return dataclasses.replace(row, snapshot=None, retries=row.retries + 1)
    return row if event.snapshot is None else dataclasses.replace(row, snapshot=event.snapshot)


def rate(row: Row) -> float | None:
    """Environment steps per second of training and evaluating, all seeds together."""
    if row.snapshot is None or row.snapshot.evaluated is None:
        return None
    return row.snapshot.interactions * len(row.cell.seeds) / max(row.snapshot.seconds, 1e-9)


def left(row: Row, now: float) -> float | None:
    """Seconds until a training cell is done, at its pace so far."""
    if row.state != "training" or row.snapshot is None or not row.snapshot.interactions:
        return None
    done, of, seconds, _ = row.snapshot
    return max(0.0, seconds * (of - done) / done - (now - row.updated))


def all_left(rows: Iterable[Row], now: float) -> float | None:
    """Seconds until every cell is done: the others at the mean pace so far, as many at once as now."""
    rows = list(rows)
    paces = [
        (row.updated - row.started) / row.snapshot.interactions
        for row in rows
        if row.snapshot is not None and row.snapshot.interactions and row.state in ("training", "done")
    ]
    if not paces:
        return None
    pace = sum(paces) / len(paces)
    lefts = [left(row, now) for row in rows if row.state == "training"]
    known = [seconds for seconds in lefts if seconds is not None]
    started = [row for row in rows if row.state in RUNNING]
    unknown = [row for row in rows if row.state == "waiting" or (row in started and left(row, now) is None)]
    work = sum(known) + pace * sum(row.cell.interactions for row in unknown)
    return max(work / max(1, len(started)), *known, 0.0)


def duration(seconds: float | None) -> str:
    """A time in two units at most: 45 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    if seconds is None:
        return ""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 3599.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def render(rows: Collection[Row], now: float, height: int) -> Group:
    """The table, cut to `height` lines, and one line about all cells."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name, options in {
        "cell": {"overflow": "ellipsis", "no_wrap": True, "ratio": 1, "min_width": 16},
        "state": {"no_wrap": True},
        "progress": {"width": 12},
        "steps/s": {"justify": "right", "no_wrap": True},
        "return": {"justify": "right", "no_wrap": True},
        "left": {"justify": "right", "no_wrap": True},
    }.items():
        table.add_column(name, **options)  # type: ignore[arg-type]
    shown, hidden = select(rows, max(3, height - 4))
    for row in shown:
        table.add_row(*_cells(row, now))
    return Group(table, *([Text(hidden, style="dim")] if hidden else []), Text(summary(rows, now)))


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


def _cells(row: Row, now: float) -> list:
    snapshot, spent = row.snapshot, now - row.started
    state = Text(row.state + (f" (try {row.retries + 1})" if row.retries else ""), style=STYLES[row.state])
    bar: ProgressBar | str = ""
    if snapshot is not None:
        bar = ProgressBar(total=max(snapshot.of, 1), completed=snapshot.interactions, width=12)
    elif row.state == "compiling":
        bar = duration(spent)
    steps = rate(row)
    mean = snapshot.evaluated.return_mean if snapshot is not None and snapshot.evaluated else math.nan
    time_left = duration(row.updated - row.started) if row.state == "done" else duration(left(row, now))
    return [
        row.cell.title,
        state,
        bar,
        "" if steps is None else f"{steps:,.0f}",
        "" if math.isnan(mean) else f"{mean:.2f}",
        f"took {time_left}" if row.state == "done" else time_left,
    ]


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
        figures += [f"return {snapshot.evaluated.return_mean:.2f}", f"{rate(row):,.0f} steps/s"]
        if event.state == "training":
            figures.append(f"{duration(left(row, row.updated))} left")
    return f"{title}: {event.state} {', '.join(figures)}"


@contextlib.contextmanager
def table(cells: Iterable[Cell], skipped: Collection[Cell], console: Console) -> Iterator[Handle]:
    """Show what happens to cells: a table on a terminal, elsewhere a line now and then."""
    rows = {cell: Row(cell, "skipped" if cell in skipped else "waiting") for cell in cells}
    if len(skipped) == len(rows):
        yield _ignore
    elif console.is_terminal:

        def picture() -> Group:
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
        console.print(line(row, event), soft_wrap=True, highlight=False, markup=False)

    return show


def _ignore(event: Event) -> None:
    """Nothing happens to cells that are all finished."""
