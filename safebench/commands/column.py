"""What a figure of rollouts is made of: columns, one per safeguard, and the parts of them that move."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist

from safebench.env.rollout import Rollout
from safebench.env.task import Task
from safebench.report.style import colour

SAFE, LIMIT, OUTSIDE, INTERVENES, PROPOSED = "#cfe8d5", "0.35", "#c0392b", "#7b3294", "0.6"
HOUR = 3600.0


class Column(NamedTuple):
    """One rollout to show, under the name of its safeguard.

    pictures: one per frame, or None for drawn outlines (nothing for a task that is not mechanical).
    policy: who proposed the actions, where that tells columns apart.
    """

    name: str
    rollout: Rollout
    pictures: np.ndarray | None
    policy: str = ""

    @property
    def title(self) -> str:
        """What stands above the column."""
        return f"{self.name}, {self.policy}" if self.policy else self.name


class Part(NamedTuple):
    """A part of the figure that moves.

    change: (index of the state, frame) -> None. artists: in the order they are drawn.
    """

    change: Callable[[int, int], None]
    artists: tuple[Artist, ...]


def show(parts: Sequence[Part], indices: Sequence[int], frame: int) -> None:
    """Set every part to a frame."""
    for part in parts:
        part.change(indices[frame], frame)


def event_colour(rollout: Rollout, indices: Sequence[int], frame: int) -> str:
    """The colour of what has happened since the frame before: a violation, an intervention, or nothing."""
    since = slice(indices[frame - 1] if frame else 0, indices[frame])
    if rollout.safety.violations[since].any():
        return OUTSIDE
    return INTERVENES if rollout.intervened[since].any() else "0.75"


def line(column: Column) -> dict[str, Any]:
    """How a column's own line looks."""
    return {"color": colour(column.name), "linewidth": 1.3}


def clock(task: Task) -> tuple[float, str]:
    """Seconds in the unit that the task's time is shown in, and its name."""
    return (HOUR, "h") if task.control_period >= HOUR else (1.0, "s")
