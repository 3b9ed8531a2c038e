"""What happens to a cell on its way to a result, as data: the same wherever the cell runs."""

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from safebench.record.result import Counters, Result
from safebench.runs.cell import Cell


class Evaluated(NamedTuple):
    """One evaluation. Means are over all seeds, counts are sums; NaN where not finite or not known.

    return_mean, reference_return: as in safebench.record.result.Curve.
    policy_loss, value_loss, gradient_norm: of the updates since the evaluation before.
    skipped: updates not made because a gradient was not finite, since training began.
    training: safety since training began. evaluation: safety of this evaluation alone.
    violated, success, time_to_goal: as in safebench.record.result.Curve; the time in seconds.
    """

    return_mean: float
    reference_return: float
    policy_loss: float
    value_loss: float
    gradient_norm: float
    skipped: int
    training: Counters
    evaluation: Counters
    violated: float = math.nan
    success: float = math.nan
    time_to_goal: float = math.nan


class Snapshot(NamedTuple):
    """The state of a run: once compiled (nothing evaluated yet), then after every evaluation.

    interactions: training steps done by each seed. of: how many each seed will do.
    seconds: since training began.
    """

    interactions: int
    of: int
    seconds: float
    evaluated: Evaluated | None


State = Literal["waiting", "compiling", "training", "retrying", "done", "skipped", "failed"]


@dataclass(frozen=True)
class Event:
    """A cell has reached a state.

    snapshot: with `training`. result: with `done`, and with `failed` where the training ended, but is good
        for nothing.
    problem: with `failed` and `retrying`, what is wrong in one line; details: all that is known of it.
    remark: what else there is to say, in one line; with any state.
    """

    cell: Cell
    state: State
    snapshot: Snapshot | None = None
    result: Result | None = None
    problem: str = ""
    details: str = ""
    remark: str = ""


class Folders(NamedTuple):
    """Folders of a cell, beside its result file.

    checkpoint: for the final policies (None: not wanted). state: where it is kept how far a long training has
    come (None: nowhere).
    """

    checkpoint: Path | None = None
    state: Path | None = None


Handle = Callable[[Event], None]
"""What is done with every event; always called in the process and thread that started the run."""

Place = Callable[[Mapping[Cell, Folders], Handle], None]
"""Where cells run: takes the cells to run, each with its folders, and hands every event over. A cell that
fails ends in a `failed` event and leaves the others alone."""


def nothing_learnt(found: Result) -> str:
    """What is wrong with a result of which some seed made no update at all; empty if all made some."""
    seeds = ", ".join(map(str, found.failed_seeds))
    if not seeds:
        return ""
    which = f"seed {seeds}" if len(found.failed_seeds) == 1 else f"seeds {seeds}"
    return f"every update of {which} was skipped: a loss or gradient was not finite"


def failed(cell: Cell, error: BaseException) -> Event:
    """The end of a cell that raised."""
    lines = str(error).strip().splitlines() or [""]
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return Event(cell, "failed", problem=kind + lines[0], details="".join(traceback.format_exception(error)))
