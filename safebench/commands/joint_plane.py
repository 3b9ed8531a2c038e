"""The plane of an arm's joint angles: what no free box may touch, the way, free boxes, safe angles."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Polygon

from safebench.commands import section
from safebench.commands.bodies import BOX, EDGE, frame_of, shown_of
from safebench.commands.column import LIMIT, SAFE, Column
from safebench.commands.plane import BEYOND, FADED, GOAL, star, ways
from safebench.env.rollout import Rollout
from safebench.env.task import Task
from safebench.report.style import colour

TAKEN = "0.8"


def has_joints(rollout: Rollout) -> bool:
    """Whether there is something to draw."""
    return rollout.pictures is not None and rollout.pictures.joints.taken[0].size > 0


def aspect(rollout: Rollout) -> float:
    """Width over height."""
    width, height = shown_of(rollout).joints.upper[0] - shown_of(rollout).joints.lower[0]
    return float(width / height)


def panel(axes: Axes, task: Task, column: Column, moments: Sequence[int]) -> None:
    """Draw the whole way, and the corridors at some moments and at the end."""
    rollout, safe_set, tint = column.rollout, task.safe_set, colour(column.name)
    taken, lower, upper, goals = (np.asarray(part[0]) for part in shown_of(rollout).joints)
    axes.grid(visible=False)
    axes.imshow(
        taken.T,
        origin="lower",
        extent=(float(lower[0]), float(upper[0]), float(lower[1]), float(upper[1])),
        cmap=ListedColormap(["white", TAKEN]),
        vmin=0,
        vmax=1,
        interpolation="none",
        zorder=0,
    )
    room = BEYOND * (upper - lower)
    low, high = lower - room, upper + room
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    for spine in axes.spines.values():
        spine.set_visible(True)
    limits = (side @ safe_set.translations for side in task.extent)
    axes.add_patch(frame_of(*limits, edgecolor=LIMIT, linestyle=(0, (4, 2)), linewidth=0.9))
    way = np.asarray(rollout.states) @ safe_set.translations
    last = len(way) - 1
    for moment in (*moments, last):
        alpha = 1.0 if moment == last else FADED
        corridor = jax.tree.map(lambda side, at=moment: side[at], rollout.corridors)
        box = corridor.low + safe_set.free_low, corridor.high + safe_set.free_high
        axes.add_patch(
            frame_of(*box, edgecolor=BOX, linestyle=(0, (2, 1)), linewidth=0.9, alpha=alpha, zorder=1.5)
        )
        corners = section.of_body(safe_set, rollout.states[moment], corridor, 0, way[moment])
        if len(corners):
            look: dict[str, Any] = {"facecolor": SAFE, "edgecolor": EDGE, "linewidth": 0.8, "zorder": 1}
            axes.add_patch(Polygon(corners, alpha=alpha, **look))
        axes.plot(*way[moment], "o", color=tint, markersize=3.5, alpha=alpha, zorder=5)
    for points, look in ways(rollout, way, tint):
        axes.plot(*points.reshape(-1, 2).T, **look)
    axes.plot(*way[0], "o", markersize=4.5, markerfacecolor="white", markeredgecolor=tint, zorder=4)
    for goal in goals:
        axes.add_line(star(float(goal[0]), float(goal[1]), GOAL))


def axis_names(task: Task) -> tuple[str, str]:
    """Of the two joints."""
    across, up = np.argmax(np.abs(task.safe_set.translations), axis=0)
    return f"{task.state_names[across]} [rad]", f"{task.state_names[up]} [rad]"


def legend() -> list[Any]:
    """What is not in the legend of the plane above."""
    return [
        Patch(facecolor=TAKEN, label="joint angles not certified"),
        Patch(fill=False, edgecolor=BOX, linestyle=(0, (2, 1)), label="free box"),
        Patch(facecolor=SAFE, edgecolor=EDGE, label="safe angles at this velocity"),
    ]
