"""The plane that bodies move in: walls, obstacles, goals, ways, and what surrounds the bodies."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch

from safebench.commands import bodies
from safebench.commands.bodies import frame_of, has_sections, shown_of
from safebench.commands.column import INTERVENES, LIMIT, OUTSIDE, SAFE, Column, Part, event_colour
from safebench.env.rollout import Rollout
from safebench.env.task import Task
from safebench.report.style import COLOURS, SPARE_COLOURS, colour

OBSTACLE, GOAL = "0.62", "#E69F00"
MANY = (*tuple(COLOURS.values())[1:], *SPARE_COLOURS)
"""Colours of several bodies, of their ways and of their goals."""
BEYOND = 0.04
"""Of the arena: how far a body that leaves it is followed."""
FADED = 0.45


class Window(NamedTuple):
    """What is seen of the plane [m]. walls: corners of the box that positions must not leave, or None."""

    low: Float[np.ndarray, " 2"]
    high: Float[np.ndarray, " 2"]
    walls: tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]] | None

    @property
    def aspect(self) -> float:
        """Width over height."""
        width, height = self.high - self.low
        return float(width / height)


def has_bodies(rollout: Rollout) -> bool:
    """Whether the task's pictures show bodies that move in a plane."""
    return rollout.pictures is not None and rollout.pictures.bodies.radius.shape[1] > 0


def goals_over_mechanism(rollout: Rollout) -> Float[np.ndarray, "goals 2"]:
    """The goals of pictures without bodies, in the view of the model's first camera; none of other tasks."""
    if rollout.pictures is None or has_bodies(rollout):
        return np.zeros((0, 2))
    return np.asarray(rollout.pictures.goals[0])


def window(task: Task, rollouts: Sequence[Rollout]) -> Window:
    """What holds the walls and all that the rollouts' pictures show, but for bodies that are far outside."""
    pictures = [shown_of(found) for found in rollouts]
    walls = _walls(task, rollouts[0])
    parts: list[Any] = [] if walls is None else list(walls)
    for shown in pictures:
        for discs in (shown.obstacles, shown.bodies):
            reach = np.where(discs.radius >= 0, discs.radius, np.nan)[..., None]
            parts += [discs.centre - reach, discs.centre + reach]
        around = shown.links.radius[..., None, None]
        parts += [shown.links.ends - around, shown.links.ends + around]
        parts += [shown.goals, shown.lower, shown.upper]
    points = np.concatenate([part.reshape(-1, 2) for part in parts])
    points = np.where(np.isfinite(points), points, np.nan)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    if walls is not None:
        room = BEYOND * (walls[1] - walls[0])
        low, high = np.maximum(low, walls[0] - room), np.minimum(high, walls[1] + room)
    pad = 0.03 * (high - low).max()
    return Window(low - pad, high + pad, walls)


def panel(
    axes: Axes,
    task: Task,
    column: Column,
    seen: Window,
    indices: Sequence[int],
    moments: Sequence[int] = (),
) -> Part:
    """Draw what stands still; returns what moves. The axes' aspect is left to `scene.settle`.

    moments: indices of states that stay to be seen.
    """
    shown, tints = shown_of(column.rollout), _colours(column)
    axes.set(xlim=(seen.low[0], seen.high[0]), ylim=(seen.low[1], seen.high[1]))
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=2.0)
    if seen.walls is not None:
        axes.add_patch(frame_of(*seen.walls, edgecolor=LIMIT, linestyle=(0, (4, 2)), linewidth=0.9))
    for centre, radius in zip(*(part[0] for part in shown.obstacles), strict=True):
        if radius >= 0:
            axes.add_patch(Circle(tuple(centre), radius, facecolor=OBSTACLE, edgecolor="0.3", linewidth=0.6))
    goals = shown.goals[0]
    for goal, tint in zip(goals, tints if len(tints) == len(goals) > 1 else [GOAL] * len(goals), strict=True):
        axes.add_line(star(float(goal[0]), float(goal[1]), tint))
    for start, tint in zip(shown.bodies.centre[0], tints, strict=True):
        axes.plot(*start, "o", markersize=4.5, markerfacecolor="white", markeredgecolor=tint, zorder=4)
    for moment in moments:
        bodies.put(bodies.add(axes, task, column.rollout, tints, FADED), task, column.rollout, moment)
    return _moving(axes, task, column, tints, indices)


def axis_names(task: Task, rollout: Rollout) -> tuple[str, str]:
    """What the sides of the plane are: the coordinates of a single body, else metres."""
    if shown_of(rollout).bodies.radius.shape[1] != 1 or not has_sections(task, rollout):
        return "[m]", "[m]"
    across, up = np.argmax(np.abs(task.safe_set.translations), axis=0)
    return f"{task.state_names[across]} [m]", f"{task.state_names[up]} [m]"


def legend(task: Task, columns: Sequence[Column]) -> list[Any]:
    """What the parts of the plane mean, as far as they are there."""
    shown = shown_of(columns[0].rollout)
    handles: list[Any] = []
    if (shown.obstacles.radius >= 0).any():
        handles.append(Patch(facecolor=OBSTACLE, edgecolor="0.3", label="obstacle"))
    if shown.goals.shape[1]:
        handles.append(star(0, 0, GOAL if shown.goals.shape[1] == 1 else "white", label="goal"))
    if has_sections(task, columns[0].rollout):
        handles.append(Patch(facecolor=SAFE, edgecolor=bodies.EDGE, label="safe positions at this velocity"))
    if shown.lower.shape[1]:
        handles.append(Patch(fill=False, edgecolor=bodies.BOX, linestyle=(0, (2, 1)), label="free box"))
    if any(column.rollout.safety.violations.any() for column in columns):
        handles.append(
            Line2D([], [], color=OUTSIDE, linewidth=2.4, marker="x", label="violation (obstacle or limit)")
        )
    if any(column.rollout.intervened.any() for column in columns):
        handles.append(
            Line2D([], [], color=INTERVENES, linewidth=4.5, alpha=0.3, label="safeguard intervenes")
        )
    return handles


Ways = list[tuple[np.ndarray, dict[str, Any]]]


def _moving(axes: Axes, task: Task, column: Column, tints: Sequence[str], indices: Sequence[int]) -> Part:
    """The ways up to now, everything at now, and a frame that says what has just happened."""
    rollout = column.rollout
    lines = []
    for body, tint in enumerate(tints):
        for points, look in ways(rollout, np.asarray(shown_of(rollout).bodies.centre[:, body]), tint):
            (line,) = axes.plot([], [], **look)
            lines.append((line, points))
    now = bodies.add(axes, task, rollout, tints)

    def change(index: int, frame: int) -> None:
        for line, points in lines:
            line.set_data(*points[:index].reshape(-1, 2).T)
        bodies.put(now, task, rollout, index)
        for spine in axes.spines.values():
            spine.set_color(event_colour(rollout, indices, frame))

    artists = sorted([*now.artists, *(line for line, _ in lines)], key=lambda artist: artist.get_zorder())
    return Part(change, (*artists, *axes.spines.values()))


def ways(rollout: Rollout, way: Float[np.ndarray, "steps_plus_1 2"], tint: str) -> Ways:
    """A way with what happened on it: points of lines by step (steps, 2 or 3, 2), and how each looks."""
    changed, broken = rollout.intervened, np.asarray(rollout.safety.violations) > 0
    entered = broken & ~np.append(False, broken[:-1])
    return [
        (_pieces(way, changed), {"color": INTERVENES, "linewidth": 4.5, "alpha": 0.3, "zorder": 2}),
        (_pieces(way, np.ones(len(way) - 1, bool)), {"color": tint, "linewidth": 1.3, "zorder": 3}),
        (_pieces(way, broken), {"color": OUTSIDE, "linewidth": 2.4, "zorder": 3.5}),
        (_pieces(way, entered)[:, 1:], {"color": OUTSIDE, "linestyle": "none", "marker": "x", "zorder": 5}),
    ]


def _pieces(
    way: Float[np.ndarray, "steps_plus_1 2"], which: Bool[np.ndarray, " steps"]
) -> Float[np.ndarray, "steps 3 2"]:
    """Of every step that is wanted its two ends, then a gap."""
    pieces = np.stack([way[:-1], way[1:], np.full_like(way[1:], np.nan)], axis=1)
    return np.where(which[:, None, None], pieces, np.nan)


def _walls(task: Task, rollout: Rollout) -> tuple[np.ndarray, np.ndarray] | None:
    if not has_sections(task, rollout):
        return None
    axes, count = task.safe_set.translations, shown_of(rollout).bodies.radius.shape[1]
    low, high = ((side @ axes).reshape(count, 2) for side in task.extent)
    return low.min(axis=0), high.max(axis=0)


def _colours(column: Column) -> list[str]:
    count = shown_of(column.rollout).bodies.radius.shape[1]
    return [colour(column.name)] if count == 1 else [MANY[body % len(MANY)] for body in range(count)]


def star(x: float, y: float, tint: str, label: str = "") -> Line2D:
    """What marks a goal."""
    edge: dict[str, Any] = {"markeredgecolor": "black", "markeredgewidth": 0.6, "linestyle": "none"}
    edge |= {"label": label} if label else {}
    return Line2D([x], [y], marker="*", markersize=10, markerfacecolor=tint, zorder=5.5, **edge)
