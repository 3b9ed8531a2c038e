"""Bodies in their plane at one moment: they, their free boxes, and where the safe set lets them be."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon, Rectangle

from safebench.commands import section
from safebench.commands.column import SAFE
from safebench.commands.picture import Outline, first_camera, outlines
from safebench.env.picture import Picture
from safebench.env.rollout import Rollout
from safebench.env.task import Task

EDGE = "#2e7d4f"
"""Of the safe set's section."""
BOX = "0.25"
LINK = "#d5dbe1"
NOWHERE = np.full((3, 2), np.nan)


class Bodies(NamedTuple):
    """What is drawn of one moment.

    sections: one per body, where the safe set moves with them. links: of an arm. view: the plane's axes in
    world coordinates, where a mechanism is drawn in it; outlines: that mechanism's.
    """

    sections: list[Polygon]
    boxes: list[Rectangle]
    links: list[Polygon]
    discs: list[Circle]
    points: list[Line2D]
    outlines: list[Polygon]
    view: Float[np.ndarray, "3 2"] | None

    @property
    def artists(self) -> tuple[Artist, ...]:
        """In the order they are drawn."""
        return (*self.sections, *self.boxes, *self.links, *self.discs, *self.points, *self.outlines)


def add(axes: Axes, task: Task, rollout: Rollout, colours: Sequence[str], alpha: float = 1.0) -> Bodies:
    """Add what is drawn of one moment to the axes; `put` says which. colours: one per body."""
    shown = shown_of(rollout)
    view, mechanism = _mechanism(task, rollout)
    sections = [
        Polygon(NOWHERE, facecolor=SAFE, edgecolor=EDGE, linewidth=0.8, alpha=alpha, zorder=1)
        for _ in (colours if has_sections(task, rollout) else ())
    ]
    boxes = [
        frame_of((0, 0), (0, 0), edgecolor=BOX, linestyle=(0, (2, 1)), linewidth=0.9, alpha=alpha, zorder=1.5)
        for _ in range(shown.lower.shape[1])
    ]
    links = [
        Polygon(NOWHERE, facecolor=LINK, edgecolor="0.2", linewidth=0.5, alpha=alpha, zorder=4.5)
        for _ in range(shown.links.radius.shape[1])
    ]
    fill = 0.15 if mechanism else 0.9
    discs = [
        Circle(
            (0, 0),
            0,
            facecolor=to_rgba(tint, fill * alpha),
            edgecolor=to_rgba(tint, alpha),
            linewidth=0.6,
            zorder=5,
        )
        for tint in colours
    ]
    # A body may be too small to be seen.
    points = [
        Line2D([], [], marker="o", markersize=3.5, markeredgewidth=0, color=tint, alpha=alpha, zorder=5)
        for tint in (() if mechanism else colours)
    ]
    drawn = [
        Polygon(
            outline.points, facecolor=outline.colour, edgecolor="0.2", linewidth=0.4, alpha=alpha, zorder=5
        )
        for outline in mechanism
    ]
    made = Bodies(sections, boxes, links, discs, points, drawn, view)
    for artist in made.artists:
        axes.add_artist(artist)
    return made


def put(bodies: Bodies, task: Task, rollout: Rollout, index: int) -> None:
    """Where everything is at the state of that index."""
    shown, x = jax.tree.map(lambda part: part[index], shown_of(rollout)), rollout.states[index]
    if bodies.sections:
        corridor = jax.tree.map(lambda side: side[index], rollout.corridors)
        for body, shape in enumerate(bodies.sections):
            corners = section.of_body(task.safe_set, x, corridor, body, shown.bodies.centre[body])
            shape.set_xy(corners if len(corners) else NOWHERE)
    for box, low, high in zip(bodies.boxes, shown.lower, shown.upper, strict=True):
        box.set_bounds(*low, *(high - low))
    for link, ends, radius in zip(bodies.links, *shown.links, strict=True):
        link.set_xy(capsule(ends, float(radius)))
    for disc, centre, radius in zip(bodies.discs, *shown.bodies, strict=True):
        disc.set(center=tuple(centre), radius=max(radius, 0.0))
    for body, point in enumerate(bodies.points):
        point.set_data(*shown.bodies.centre[body, :, None])
    if bodies.view is not None and np.isfinite(x).all():
        for outline, shape in zip(_outlines(task, x, bodies.view), bodies.outlines, strict=True):
            shape.set_xy(outline.points)


def shown_of(rollout: Rollout) -> Picture:
    """The pictures of a rollout that has them."""
    assert rollout.pictures is not None
    return rollout.pictures


def has_sections(task: Task, rollout: Rollout) -> bool:
    """Whether the bodies' plane is that of the safe set's translations, their positions."""
    shown = shown_of(rollout)
    return not shown.links.radius.shape[1] and section.has_section(
        task.safe_set, shown.bodies.radius.shape[1]
    )


def capsule(ends: Float[np.ndarray, "2 2"], radius: float) -> Float[np.ndarray, "corners 2"]:
    """The outline of all points within a radius of a segment."""
    first, second = ends
    turn = np.arctan2(*(second - first)[::-1])
    half = np.linspace(-np.pi / 2, np.pi / 2, 17) + turn
    round_end = radius * np.stack([np.cos(half), np.sin(half)], axis=1)
    return np.concatenate([second + round_end, first - round_end])


def frame_of(low: Sequence[float] | np.ndarray, high: Sequence[float] | np.ndarray, **look) -> Rectangle:
    """An empty box from corner to corner."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    return Rectangle((low[0], low[1]), *(high - low), facecolor="none", **look)


def _mechanism(task: Task, rollout: Rollout) -> tuple[np.ndarray | None, list[Outline]]:
    """The outlines of the model, seen by its first camera, if the only body is a disc around just them."""
    shown, model = shown_of(rollout), task.dynamics.model
    if model is None or not model.ncam or shown.bodies.radius.shape[1] != 1:
        return None, []
    view = first_camera(model)
    found = _outlines(task, rollout.states[0], view)
    if not found or len(found) == 1:
        return None, []
    points = np.concatenate([outline.points for outline in found])
    apart = np.linalg.norm(points - shown.bodies.centre[0, 0], axis=1)
    return (view, found) if apart.max() <= 1.05 * shown.bodies.radius[0, 0] else (None, [])


def _outlines(task: Task, x: np.ndarray, view: np.ndarray) -> list[Outline]:
    assert task.dynamics.model is not None
    return outlines(task.dynamics.model, x[: task.dynamics.model.nq], view)
