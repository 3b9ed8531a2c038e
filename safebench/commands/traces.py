"""The states and actions of a rollout over time, with the safe sets through them."""

from typing import Any, NamedTuple

import mujoco
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from safebench.commands.column import INTERVENES, LIMIT, OUTSIDE, PROPOSED, SAFE, Column, Part, clock, line
from safebench.env.task import Task
from safebench.sets.polytope import Polytope, no_half_spaces


def units(task: Task) -> tuple[str, ...]:
    """Of the states: those the task names, else metres, radians and seconds by the model's joints."""
    if task.state_units:
        return task.state_units
    model = task.dynamics.model
    if model is None or len(task.state_names) != model.nq + model.nv or model.nq != model.nv:
        return ("",) * len(task.state_names)
    names = ["m" if kind == mujoco.mjtJoint.mjJNT_SLIDE else "rad" for kind in model.jnt_type]
    return (*names, *(f"{name}/s" for name in names))


class Trace(NamedTuple):
    """What one state's or action's axes show.

    artists: in the order they are drawn. hidden: those of them that are revealed up to now.
    head: the point at now and its value at every time, for a state.
    """

    axes: Axes
    artists: tuple[Artist, ...]
    hidden: tuple[Artist, ...]
    head: tuple[Line2D, np.ndarray] | None = None


def traces(axes: list[Axes], task: Task, column: Column, labelled: bool) -> Part:
    """States and actions over time, revealed up to now."""
    scale, unit = clock(task)
    times = column.rollout.times / scale
    states = len(task.state_names)
    shown = [_state(axes[i], task, column, times, i) for i in range(states)]
    shown += [_action(axis, column, times, j) for j, axis in enumerate(axes[states:])]
    if labelled:
        states_in = zip(task.state_names, units(task), strict=True)
        labels = [f"{name}\n[{u}]" if u else name for name, u in states_in]
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
        for trace in shown:
            low, high = trace.axes.get_ylim()
            for artist in trace.hidden:
                artist.set_clip_path(Rectangle((0, low), now, high - low, transform=trace.axes.transData))
            if trace.head is not None:
                point, values = trace.head
                point.set_data([now], [values[index]])

    return Part(change, tuple(artist for trace in shown for artist in trace.artists))


def _state(axis: Axes, task: Task, column: Column, times: np.ndarray, i: int) -> Trace:
    rollout, look = column.rollout, line(column)
    x = rollout.states[:, i]
    if i in task.dynamics.unconstrained:
        return _unlimited(axis, x, times, look)
    low, high = (side[i] for side in task.extent)
    room = 0.25 * (high - low)
    axis.set_ylim(low - room, high + room)
    look_of_limits: dict[str, Any] = {"color": LIMIT, "linestyle": (0, (4, 2)), "linewidth": 0.9}
    limits: list[Any] = [axis.axhline(bound, **look_of_limits) for bound in (low, high)]
    part = task.constrained
    own = int(np.searchsorted(part, i))
    bounds, beyond = half_space_limits(task.half_spaces, rollout.states[:, part], own)
    cut = [axis.plot(times, bound, **look_of_limits)[0] for bound in bounds if np.isfinite(bound).any()]
    band = axis.fill_between(
        times, rollout.state_low[:, i], rollout.state_high[:, i], color=SAFE, linewidth=0
    )
    (trace,) = axis.plot(times, x, **look)
    # Drawn through the last point inside, so that a single point outside shows.
    beyond |= (x < low) | (x > high)
    beyond[:-1] |= beyond[1:]
    (broken,) = axis.plot(times, np.where(beyond, x, np.nan), color=OUTSIDE, linewidth=2.2)
    (head,) = axis.plot([], [], "o", markersize=3.5, color=look["color"], zorder=5, clip_on=False)
    seen = np.where((x > low - room) & (x < high + room), x, np.nan)
    return Trace(axis, (band, *limits, *cut, trace, broken, head), (band, *cut, trace, broken), (head, seen))


def _unlimited(axis: Axes, x: np.ndarray, times: np.ndarray, look: dict) -> Trace:
    """A state that no constraint speaks of: its values alone."""
    (trace,) = axis.plot(times, x, **look)
    (head,) = axis.plot([], [], "o", markersize=3.5, color=look["color"], zorder=5, clip_on=False)
    return Trace(axis, (trace, head), (trace,), (head, x))


def half_space_limits(
    half_spaces: Polytope | None, states: Float[np.ndarray, "steps n"], i: int
) -> tuple[Float[np.ndarray, "2 steps"], Bool[np.ndarray, " steps"]]:
    """Between which values half-spaces hold state i, the others as they are, and whether it is beyond.

    Infinite where none does.
    """
    normals, offsets = half_spaces or no_half_spaces(states.shape[1])
    own = normals[:, i] != 0
    slope, room = normals[own, i], offsets[own] - states @ normals[own].T
    ends = states[:, [i]] + room / slope
    low = np.max(np.where(slope < 0, ends, -np.inf), axis=1, initial=-np.inf)
    high = np.min(np.where(slope > 0, ends, np.inf), axis=1, initial=np.inf)
    return np.stack([low, high]), (room < 0).any(axis=1)


def _action(axis: Axes, column: Column, times: np.ndarray, j: int) -> Trace:
    rollout = column.rollout
    axis.set(ylim=(-1.35, 1.15), yticks=(-1, 0, 1))

    def held(values: np.ndarray) -> np.ndarray:
        return np.append(values[:, j], values[-1, j])

    low, high = held(rollout.action_low), held(rollout.action_high)
    band = axis.fill_between(times, low, high, step="post", color=SAFE, linewidth=0)
    (wish,) = axis.step(times, held(rollout.proposed), where="post", color=PROPOSED, linewidth=0.8)
    (act,) = axis.step(times, held(rollout.applied), where="post", **line(column))
    moments = times[:-1][rollout.intervened]
    height = np.full(len(moments), -1.24)
    (ticks,) = axis.plot(moments, height, "|", color=INTERVENES, markersize=5, markeredgewidth=1.2)
    artists = (band, wish, act, ticks)
    return Trace(axis, artists, artists)
