"""Rollouts as one picture in a file: whole ways in their plane, or the last frame of an animation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from safebench import atomic
from safebench.commands import heading, joint_plane, plane
from safebench.commands.column import Column, show
from safebench.commands.picture import View
from safebench.commands.plane import Window
from safebench.commands.scene import canvas, column_width, compose, settle
from safebench.env.task import Task
from safebench.report.style import styled

FORMATS = (".png", ".svg", ".pdf")
DPI = 150
MOMENTS = 5
"""How many states stay to be seen along a way, at equal times."""


def save(task: Task, columns: Sequence[Column], seen: View | Window | None, path: Path) -> None:
    """Write one picture of whole rollouts; the file appears when it is complete.

    Raises:
        OSError: if the file cannot be written.
    """
    # No creation date: the same rollouts give the same files.
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    with styled(), atomic.replacing(path) as unfinished:
        whole(task, columns, seen).savefig(unfinished, metadata=metadata)


def whole(task: Task, columns: Sequence[Column], seen: View | Window | None) -> Figure:
    """The figure: a plane per column with all of its ways, or what an animation ends with."""
    end = [len(columns[0].rollout.rewards)]
    if not isinstance(seen, Window):
        figure, parts = compose(task, columns, seen, end, DPI)
        for part in parts:
            for artist in part.artists:
                artist.set_animated(False)
        return figure
    width, first = column_width(columns), columns[0].rollout
    jointed = joint_plane.has_joints(first)
    aspects = [seen.aspect, *([joint_plane.aspect(first)] if jointed else [])]
    heights = [(width - 0.45) / each for each in aspects]
    size = (width * len(columns), sum(heights) + 0.6 * (1 + len(heights)))
    figure, grid = canvas(size, len(heights), len(columns), heights, DPI)
    parts, headings = [], []
    names = plane.axis_names(task, columns[0].rollout)
    for axes, column in zip(grid[0], columns, strict=True):
        part, above = heading.above(axes, task, column, end)
        parts += [part, plane.panel(axes, task, column, seen, end, _moments(column))]
        headings.append(above)
        axes.set_xlabel(names[0])
    grid[0, 0].set_ylabel(names[1])
    handles = plane.legend(task, columns)
    if jointed:
        for axes, column in zip(grid[1], columns, strict=True):
            joint_plane.panel(axes, task, column, _moments(column))
            axes.set_xlabel(joint_plane.axis_names(task)[0])
        grid[1, 0].set_ylabel(joint_plane.axis_names(task)[1])
        handles += joint_plane.legend()
        for axes in grid.ravel():
            axes.locator_params(nbins=6)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    show(parts, end, 0)
    settle(figure, headings, list(grid.ravel()))
    show(parts, end, 0)
    return figure


def _moments(column: Column) -> list[int]:
    """States at equal times from the start until all goals are reached, or to the end."""
    arrivals = column.rollout.arrivals
    reached = len(arrivals) > 0 and np.isfinite(arrivals).all()
    last = np.searchsorted(column.rollout.times, arrivals.max()) if reached else len(column.rollout.rewards)
    return [round(moment) for moment in np.linspace(0, last, MOMENTS + 1)[1:-1]]
