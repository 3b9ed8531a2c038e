"""The figure of an animation: the mechanism above, its states in the safe set and its actions below."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mujoco
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon, Rectangle

from safebench.commands import heading
from safebench.commands.heading import Heading
from safebench.commands.picture import View, outlines
from safebench.env.rollout import Rollout
from safebench.env.task import Task
from safebench.report.numbers import number
from safebench.report.style import colour, minus

SAFE, LIMIT, OUTSIDE, INTERVENES, PROPOSED = "#cfe8d5", "0.35", "#c0392b", "#7b3294", "0.6"
DPI = 100
ROW = 0.72
"""Inches: height of one state's or action's axes."""
HOUR = 3600.0


class Column(NamedTuple):
    """One rollout to show, under the name of its safeguard.

    pictures: one per frame, or None for drawn outlines (nothing for a task that is not mechanical).
    """

    name: str
    rollout: Rollout
    pictures: np.ndarray | None


class Part(NamedTuple):
    """A part of the figure that moves.

    change: (index of the state, frame) -> None. artists: in the order they are drawn.
    """

    change: Callable[[int, int], None]
    artists: tuple[Artist, ...]


def units(task: Task) -> tuple[str, ...]:
    """Of the states: those the task names, else metres, radians and seconds by the model's joints."""
    if task.state_units:
        return task.state_units
    model = task.dynamics.model
    if model is None or len(task.state_names) != model.nq + model.nv or model.nq != model.nv:
        return ("",) * len(task.state_names)
    names = ["m" if kind == mujoco.mjtJoint.mjJNT_SLIDE else "rad" for kind in model.jnt_type]
    return (*names, *(f"{name}/s" for name in names))


def show(parts: Sequence[Part], indices: Sequence[int], frame: int) -> None:
    """Set every part to a frame."""
    for part in parts:
        part.change(indices[frame], frame)


def compose(
    task: Task, columns: Sequence[Column], view: View | None, indices: Sequence[int]
) -> tuple[Figure, list[Part]]:
    """The figure at frame 0, and its moving parts."""
    n, m = len(task.state_names), len(task.action_names)
    width = 3.5 if len(columns) > 1 else 5.0
    picture = 0.0 if view is None else float(np.clip((width - 0.7) / view.aspect, 0.9, 2.8))
    heights = ([picture] if picture else []) + [ROW] * (n + m)
    size = (width * len(columns), sum(heights) + 0.07 * len(heights) + 1.15)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(heights), len(columns), squeeze=False, height_ratios=heights)
    parts, headings = [], []
    for index, column in enumerate(columns):
        axes = list(grid[:, index])
        part, above = _heading(axes[0], task, column, indices)
        parts.append(part)
        headings.append(above)
        if picture:
            parts.append(_picture(axes.pop(0), task, column, view, indices))
        parts.append(_traces(axes, task, column, labelled=index == 0))
    figure.legend(handles=_legend(columns), loc="outside lower center", ncols=3, frameon=False)

    show(parts, indices, 0)
    figure.canvas.draw()
    figure.set_layout_engine("none")  # laid out once: nothing else moves from frame to frame
    heading.place(figure, headings)
    show(parts, indices, 0)
    for part in parts:
        for artist in part.artists:
            artist.set_animated(True)
    return figure, parts


def _picture(axes: Axes, task: Task, column: Column, view: View | None, indices: Sequence[int]) -> Part:
    assert view is not None
    model, rollout, pictures = task.dynamics.model, column.rollout, column.pictures
    assert model is not None
    nq = int(model.nq)
    axes.set(xticks=(), yticks=(), xlim=(view.low[0], view.high[0]), ylim=(view.low[1], view.high[1]))
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=2.0)
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
        since = slice(indices[frame - 1] if frame else 0, index)
        broken, acted = rollout.safety.violations[since].any(), rollout.intervened[since].any()
        for spine in axes.spines.values():
            spine.set_color(OUTSIDE if broken else INTERVENES if acted else "0.75")
        if image is not None and pictures is not None:
            image.set_data(pictures[frame])
        elif np.isfinite(rollout.states[index]).all():
            found = outlines(model, rollout.states[index, :nq], view.axes)
            for shape, outline in zip(shapes, found, strict=True):
                shape.set_xy(outline.points)

    return Part(change, (*shapes, *([image] if image is not None else []), *axes.spines.values()))


def _heading(axes: Axes, task: Task, column: Column, indices: Sequence[int]) -> tuple[Part, Heading]:
    """What stands above a column: name, time, return and counts so far."""
    rollout = column.rollout
    gained = np.concatenate([[0.0], np.cumsum(rollout.rewards)])
    broken = np.concatenate([[0], np.cumsum(rollout.safety.violations)])
    changed = np.concatenate([[0], np.cumsum(rollout.intervened)])
    scale, unit = _clock(task)
    digits = 0 if task.control_period >= HOUR else 1
    # Laid out with a name that takes no room to the side: `heading.place` puts in the real one.
    title = axes.set_title("X", loc="left", fontweight="bold", color=colour(column.name), pad=14)
    status = axes.text(0, 1.0, "", transform=axes.transAxes, va="bottom", fontsize=7)
    status.set_in_layout(False)

    def line(index: int) -> str:
        return (
            f"{rollout.times[index] / scale:.{digits}f} {unit}   return {minus(number(gained[index]))}   "
            f"outside limits {broken[index]}   interventions {changed[index]}"
        )

    def change(index: int, frame: int) -> None:
        status.set_text(line(index))

    return Part(change, (status,)), Heading(
        axes, column.name, title, status, max(map(line, indices), key=len)
    )


class Trace(NamedTuple):
    """What one state's or action's axes show.

    artists: in the order they are drawn. hidden: those of them that are revealed up to now.
    head: the point at now and its value at every time, for a state.
    """

    axes: Axes
    artists: tuple[Artist, ...]
    hidden: tuple[Artist, ...]
    head: tuple[Line2D, np.ndarray] | None = None


def _traces(axes: list[Axes], task: Task, column: Column, labelled: bool) -> Part:
    """States and actions over time, revealed up to now."""
    scale, unit = _clock(task)
    times = column.rollout.times / scale
    states = len(task.state_names)
    traces = [_state(axes[i], task, column, times, i) for i in range(states)]
    traces += [_action(axis, column, times, j) for j, axis in enumerate(axes[states:])]
    if labelled:
        shown = zip(task.state_names, units(task), strict=True)
        labels = [f"{name}\n[{u}]" if u else name for name, u in shown]
        labels += [f"{name}\n(scaled)" for name in task.action_names]
        for axis, label in zip(axes, labels, strict=True):
            axis.set_ylabel(label)
    for axis in axes:
        axis.set_xlim(0, times[-1])
        axis.grid(visible=False)
        if axis is not axes[-1]:
            axis.tick_params(labelbottom=False)
        if not labelled:
            axis.tick_params(labelleft=False)
    axes[-1].set_xlabel(f"time [{unit}]")
    figure = axes[0].figure
    assert isinstance(figure, Figure)
    figure.align_ylabels(axes)

    def change(index: int, frame: int) -> None:
        now = times[index]
        for trace in traces:
            low, high = trace.axes.get_ylim()
            for artist in trace.hidden:
                artist.set_clip_path(Rectangle((0, low), now, high - low, transform=trace.axes.transData))
            if trace.head is not None:
                point, values = trace.head
                point.set_data([now], [values[index]])

    return Part(change, tuple(artist for trace in traces for artist in trace.artists))


def _state(axis: Axes, task: Task, column: Column, times: np.ndarray, i: int) -> Trace:
    rollout, line = column.rollout, _line(column)
    x, low, high = rollout.states[:, i], task.constraints.lower[i], task.constraints.upper[i]
    room = 0.25 * (high - low)
    axis.set_ylim(low - room, high + room)
    limits = [axis.axhline(bound, color=LIMIT, linestyle=(0, (4, 2)), linewidth=0.9) for bound in (low, high)]
    band = axis.fill_between(
        times, rollout.state_low[:, i], rollout.state_high[:, i], color=SAFE, linewidth=0
    )
    (trace,) = axis.plot(times, x, **line)
    # Drawn through the last point inside, so that a single point outside shows.
    beyond = (x < low) | (x > high)
    beyond[:-1] |= beyond[1:]
    (broken,) = axis.plot(times, np.where(beyond, x, np.nan), color=OUTSIDE, linewidth=2.2)
    (head,) = axis.plot([], [], "o", markersize=3.5, color=line["color"], zorder=5, clip_on=False)
    seen = np.where((x > low - room) & (x < high + room), x, np.nan)
    return Trace(axis, (band, *limits, trace, broken, head), (band, trace, broken), (head, seen))


def _action(axis: Axes, column: Column, times: np.ndarray, j: int) -> Trace:
    rollout = column.rollout
    axis.set(ylim=(-1.35, 1.15), yticks=(-1, 0, 1))

    def held(values: np.ndarray) -> np.ndarray:
        return np.append(values[:, j], values[-1, j])

    low, high = held(rollout.action_low), held(rollout.action_high)
    band = axis.fill_between(times, low, high, step="post", color=SAFE, linewidth=0)
    (wish,) = axis.step(times, held(rollout.proposed), where="post", color=PROPOSED, linewidth=0.8)
    (act,) = axis.step(times, held(rollout.applied), where="post", **_line(column))
    moments = times[:-1][rollout.intervened]
    height = np.full(len(moments), -1.24)
    (ticks,) = axis.plot(moments, height, "|", color=INTERVENES, markersize=5, markeredgewidth=1.2)
    artists = (band, wish, act, ticks)
    return Trace(axis, artists, artists)


def _line(column: Column) -> dict[str, Any]:
    return {"color": colour(column.name), "linewidth": 1.3}


def _legend(columns: Sequence[Column]) -> list[Any]:
    handles: list[Any] = [
        Patch(color=SAFE, label="safe set through the state"),
        Line2D([], [], color=LIMIT, linestyle=(0, (4, 2)), linewidth=0.9, label="limit"),
        Line2D([], [], color=OUTSIDE, linewidth=2.2, label="outside the limits"),
        Line2D([], [], color=PROPOSED, linewidth=0.8, label="proposed action"),
    ]
    if any(column.rollout.intervened.any() for column in columns):
        handles.append(Patch(color=INTERVENES, label="safeguard intervenes"))
    return handles


def _clock(task: Task) -> tuple[float, str]:
    return (HOUR, "h") if task.control_period >= HOUR else (1.0, "s")
