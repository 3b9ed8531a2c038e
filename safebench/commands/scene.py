"""The figure of an animation: the mechanism or the plane above, states in the safe set and actions below."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon

from safebench.commands import heading, plane
from safebench.commands.column import (
    INTERVENES,
    LIMIT,
    OUTSIDE,
    PROPOSED,
    SAFE,
    Column,
    Part,
    event_colour,
    show,
)
from safebench.commands.picture import View, outlines
from safebench.commands.plane import Window
from safebench.commands.traces import traces
from safebench.env.task import Task

DPI = 100
ROW, LOW_ROW = 0.72, 0.52
"""Inches: height of one state's or action's axes, and where there are more than `MOST_TRACES`."""
MOST_TRACES = 12
"""States and actions; below a plane more are left out."""


def compose(
    task: Task,
    columns: Sequence[Column],
    seen: View | Window | None,
    indices: Sequence[int],
    dpi: int = DPI,
) -> tuple[Figure, list[Part]]:
    """The figure at frame 0, and its moving parts.

    seen: what is seen of a mechanism or of a plane; None for a task that has neither.
    """
    below = len(task.state_names) + len(task.action_names)
    if isinstance(seen, Window) and below > MOST_TRACES:
        below = 0
    width = column_width(columns)
    tallest = width - 0.7 if isinstance(seen, Window) else 2.8
    top = 0.0 if seen is None else float(np.clip((width - 0.7) / seen.aspect, 0.9, tallest))
    heights = ([top] if top else []) + [ROW if below <= MOST_TRACES else LOW_ROW] * below
    size = (width * len(columns), sum(heights) + 0.07 * len(heights) + 1.15)
    figure, grid = canvas(size, len(heights), len(columns), heights, dpi)
    parts, headings, square = [], [], []
    for index, column in enumerate(columns):
        axes = list(grid[:, index])
        part, above = heading.above(axes[0], task, column, indices)
        parts.append(part)
        headings.append(above)
        if isinstance(seen, Window):
            square.append(axes.pop(0))
            parts.append(plane.panel(square[-1], task, column, seen, indices))
        elif seen is not None:
            parts.append(_mechanism(axes.pop(0), task, column, seen, indices))
        if below:
            parts.append(traces(axes, task, column, labelled=index == 0))
    for row in grid[len(heights) - below :]:
        lows, highs = zip(*(axis.get_ylim() for axis in row), strict=True)
        for axis in row:
            axis.set_ylim(min(lows), max(highs))
    handles = plane.legend(task, columns) if isinstance(seen, Window) else []
    if not isinstance(seen, Window) and len(plane.goals_over_mechanism(columns[0].rollout)):
        handles.append(plane.star(0, 0, plane.GOAL, label="goal"))
    handles += _legend(columns, {handle.get_label() for handle in handles}) if below else []
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)

    show(parts, indices, 0)
    settle(figure, headings, square)
    show(parts, indices, 0)
    for part in parts:
        for artist in part.artists:
            artist.set_animated(True)
    return figure, parts


def column_width(columns: Sequence[Column]) -> float:
    """Inches: of one column."""
    return 3.5 if len(columns) > 1 else 5.0


def canvas(
    size: tuple[float, float], rows: int, columns: int, heights: Sequence[float], dpi: int = DPI
) -> tuple[Figure, np.ndarray]:
    """A figure of that size in inches, and its axes (rows, columns)."""
    figure = Figure(figsize=size, dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, height_ratios=heights)


def settle(figure: Figure, headings: Sequence[heading.Heading], square: Sequence[Axes] = ()) -> None:
    """Lay the figure out once, so that nothing else moves from frame to frame, and place its headings.

    square: axes with the same scale on both sides; set afterwards, as it would lead the layout astray.
    """
    figure.canvas.draw()
    figure.set_layout_engine("none")
    for axes in square:
        axes.set_aspect("equal", anchor="N")
        axes.apply_aspect()
    heading.place(figure, headings)


def _mechanism(axes: Axes, task: Task, column: Column, view: View, indices: Sequence[int]) -> Part:
    model, rollout, pictures = task.dynamics.model, column.rollout, column.pictures
    assert model is not None
    nq = int(model.nq)
    axes.set(xticks=(), yticks=(), xlim=(view.low[0], view.high[0]), ylim=(view.low[1], view.high[1]))
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=2.0)
    for goal in plane.goals_over_mechanism(rollout):
        axes.add_line(plane.star(float(goal[0]), float(goal[1]), plane.GOAL))
    image = None
    shapes: list[Polygon] = []
    if pictures is not None:
        image = axes.imshow(
            pictures[0], extent=(view.low[0], view.high[0], view.low[1], view.high[1]), aspect="equal"
        )
    else:
        for outline in outlines(model, rollout.states[0, :nq], view.axes):
            shapes.append(Polygon(outline.points, facecolor=outline.colour, edgecolor="0.2", linewidth=0.6))
            axes.add_patch(shapes[-1])

    def change(index: int, frame: int) -> None:
        for spine in axes.spines.values():
            spine.set_color(event_colour(rollout, indices, frame))
        if image is not None and pictures is not None:
            image.set_data(pictures[frame])
        elif np.isfinite(rollout.states[index]).all():
            found = outlines(model, rollout.states[index, :nq], view.axes)
            for shape, outline in zip(shapes, found, strict=True):
                shape.set_xy(outline.points)

    return Part(change, (*shapes, *([image] if image is not None else []), *axes.spines.values()))


def _legend(columns: Sequence[Column], known: set[str]) -> list[Any]:
    handles: list[Any] = [
        Patch(color=SAFE, label="safe set through the state"),
        Line2D([], [], color=LIMIT, linestyle=(0, (4, 2)), linewidth=0.9, label="limit"),
        Line2D([], [], color=OUTSIDE, linewidth=2.2, label="outside the limits"),
        Line2D([], [], color=PROPOSED, linewidth=0.8, label="proposed action"),
    ]
    if any(column.rollout.intervened.any() for column in columns):
        handles.append(Patch(color=INTERVENES, label="safeguard intervenes"))
    return [handle for handle in handles if handle.get_label() not in known]
