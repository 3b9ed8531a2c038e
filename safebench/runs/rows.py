"""What is known of each cell while cells run: state, progress, pace and time left, as data."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from safebench.runs.cell import Cell
from safebench.runs.events import Event, Snapshot, State

RUNNING = ("compiling", "training", "retrying")


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


def skipped_updates(row: Row) -> int:
    """Updates not made so far, of all seeds, because a loss or gradient was not finite."""
    return row.snapshot.evaluated.skipped if row.snapshot is not None and row.snapshot.evaluated else 0


def success(row: Row) -> str:
    """The share of goals reached in the last evaluation, as "97 %"; empty where there is no goal."""
    share = (
        row.snapshot.evaluated.success if row.snapshot is not None and row.snapshot.evaluated else math.nan
    )
    return "" if math.isnan(share) else f"{100 * share:.0f} %"
