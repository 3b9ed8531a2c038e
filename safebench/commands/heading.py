"""Headings above the columns of a figure: moved and sized so that each stays inside its column."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import offset_copy

from safebench.commands.column import HOUR, Column, Part, clock
from safebench.env.task import Task
from safebench.report.numbers import number
from safebench.report.style import colour, minus

EDGE = 6.0
"""Pixels left free beside a heading."""
SMALLEST = 0.5
"""Of its size: a heading that is too long for its column is set no smaller."""


class Heading(NamedTuple):
    """Two lines above some axes: a name, and a status that changes.

    longest: the longest status of all frames.
    """

    axes: Axes
    name: str
    title: Text
    status: Text
    longest: str


def above(axes: Axes, task: Task, column: Column, indices: Sequence[int]) -> tuple[Part, Heading]:
    """What stands above a column: name, time, return and counts so far, and goals reached."""
    rollout = column.rollout
    gained = np.concatenate([[0.0], np.cumsum(rollout.rewards)])
    broken = np.concatenate([[0], np.cumsum(rollout.safety.violations)])
    changed = np.concatenate([[0], np.cumsum(rollout.intervened)])
    scale, unit = clock(task)
    digits = 0 if task.control_period >= HOUR else 1
    wrong = "outside limits" if task.excess is None else "violations"
    # Laid out with a name that takes no room to the side: `place` puts in the real one.
    title = axes.set_title("X", loc="left", fontweight="bold", color=colour(column.name), pad=14)
    figure = axes.figure
    assert isinstance(figure, Figure)
    higher = offset_copy(axes.transAxes, figure, y=1.5, units="points")  # clear of a thick frame
    status = axes.text(0, 1.0, "", transform=higher, va="bottom", fontsize=7)
    status.set_in_layout(False)

    def line(index: int) -> str:
        return (
            f"{rollout.times[index] / scale:.{digits}f} {unit}   return {minus(number(gained[index]))}   "
            f"{wrong} {broken[index]}   interventions {changed[index]}{goals(index)}"
        )

    def goals(index: int) -> str:
        arrivals = rollout.arrivals
        there = int((arrivals <= rollout.times[index]).sum())
        if len(arrivals) > 1:
            return f"   goals {there}/{len(arrivals)}"
        return f"   goal after {arrivals[0] / scale:.{digits}f} {unit}" if there else ""

    def change(index: int, frame: int) -> None:
        status.set_text(line(index))

    return Part(change, (status,)), Heading(
        axes, column.title, title, status, max(map(line, indices), key=len)
    )


def place(figure: Figure, headings: Sequence[Heading]) -> None:
    """Place a heading for each column of a figure that is laid out and drawn.

    Both lines begin at the left edge of their axes or, above a narrow scene, further to the left.
    """
    share = figure.bbox.width / len(headings)
    for index, heading in enumerate(headings):
        left, right = index * share + EDGE, (index + 1) * share - EDGE
        begin = max(float(heading.axes.transAxes.transform((0.0, 0.0))[0]), left)
        for text, content in ((heading.status, heading.longest), (heading.title, heading.name)):
            text.set_text(content)
            begin = max(left, min(begin, right - _sized(text, right - left)))
            text.set_x(float(heading.axes.transAxes.inverted().transform((begin, 0.0))[0]))


def _sized(text: Text, room: float) -> float:
    """The width of a text after it is set as small as `room` needs."""
    size = float(text.get_fontsize())
    smallest = SMALLEST * size
    while (width := float(text.get_window_extent().width)) > room and size > smallest:
        size *= 0.95  # widths do not grow evenly with sizes
        text.set_fontsize(size)
    return width
