"""A figure of what safeguards do to the actions: the map itself, drawn from the real code.

One input: applied against proposed action. Two inputs: the shade of every proposed action says how far
it is moved, arrows say where to, and coloured lines are the images of the square's grid lines.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from scipy.spatial import HalfspaceIntersection

from safebench.action_set import ActionSet
from safebench.safeguard import Safeguard

SAFE, EDGE, POINT = "#dcefe0", "#2f7d4f", "#c0392b"
LINES = ("#1f77b4", "#d95f02", "#7570b3", "#e7298a", "#66a61e", "#a6761d")


def draw(
    action_set: ActionSet, safeguards: Mapping[str, Safeguard], path: str | Path | None = None
) -> Figure:
    """Draw every safeguard on one action set of one or two inputs; save the figure if `path` is given.

    The file's suffix names the format (png, svg, pdf).

    Raises:
        ValueError: if the set has more than two inputs, or there is no safeguard.
    """
    m = action_set.centre.shape[0]
    if m not in (1, 2):
        raise ValueError(f"only sets of one or two inputs can be drawn, not {m}")
    if not safeguards:
        raise ValueError("there is no safeguard to draw")
    figure = _draw_curves(action_set, safeguards) if m == 1 else _draw_squares(action_set, safeguards)
    if path is not None:
        figure.savefig(path, dpi=200, bbox_inches="tight")
        plt.close(figure)
    return figure


def _applied(safeguard: Safeguard, action_set: ActionSet, proposed: np.ndarray) -> np.ndarray:
    run = jax.jit(jax.vmap(safeguard, in_axes=(0, None)))
    return np.asarray(run(jnp.asarray(proposed, action_set.normals.dtype), action_set).action)


def _draw_curves(action_set: ActionSet, safeguards: Mapping[str, Safeguard]) -> Figure:
    normals, offsets = np.asarray(action_set.normals)[:, 0], np.asarray(action_set.offsets)
    high = min(offsets[normals > 0] / normals[normals > 0])
    low = max(offsets[normals < 0] / normals[normals < 0])
    figure, axes = plt.subplots(figsize=(7.0, 4.6), layout="constrained")
    axes.axhspan(low, high, color=SAFE, zorder=0, label="safe actions")
    for bound in (low, high):
        axes.axhline(bound, color=EDGE, linewidth=0.8)
    axes.plot([-1, 1], [-1, 1], color="0.6", linestyle=":", linewidth=1.2)
    proposed = np.linspace(-1, 1, 801)[:, None]
    widths = np.linspace(5, 1.8, len(safeguards))  # where curves coincide, the earlier ones show around
    for index, (name, safeguard) in enumerate(safeguards.items()):
        applied = _applied(safeguard, action_set, proposed)[:, 0]
        # A jump is drawn as a gap, not as a steep line.
        jump = np.abs(np.diff(applied, append=applied[-1])) > 0.05
        applied = np.where(jump, np.nan, applied)
        axes.plot(
            proposed[:, 0], applied, color=LINES[index % len(LINES)], linewidth=widths[index], label=name
        )
    centre = float(action_set.centre[0])
    axes.plot(centre, centre, "o", color=POINT, markersize=6, label="certified centre", zorder=5)
    axes.set(
        xlim=(-1, 1), ylim=(-1.05, 1.05), xlabel="proposed action", ylabel="applied action", aspect="equal"
    )
    axes.set(xticks=(-1, -0.5, 0, 0.5, 1), yticks=(-1, -0.5, 0, 0.5, 1))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _draw_squares(action_set: ActionSet, safeguards: Mapping[str, Safeguard]) -> Figure:
    corners = _corners(action_set)
    grid = np.linspace(-1, 1, 81)
    dense = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    coarse = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, 7)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    columns = min(3, len(safeguards))
    rows = -(-len(safeguards) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(3.3 * columns, 3.1 * rows),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for axes in panels.flat[len(safeguards) :]:
        axes.set_visible(False)
    for axes, (name, safeguard) in zip(panels.flat, safeguards.items(), strict=False):
        applied = _applied(safeguard, action_set, dense.reshape(-1, 2)).reshape(dense.shape)
        distance = np.linalg.norm(applied - dense, axis=-1)
        shade = axes.pcolormesh(grid, grid, distance.T, cmap="Blues", vmin=0, vmax=2, rasterized=True)
        axes.add_collection(_grid_lines(applied, every=8))
        axes.add_patch(Polygon(corners, facecolor="none", edgecolor=EDGE, linewidth=1.6, zorder=3))
        ends = _applied(safeguard, action_set, coarse)
        start, way = coarse, ends - coarse
        moved = np.linalg.norm(way, axis=1) > 0.02
        arrows = {
            "angles": "xy",
            "scale_units": "xy",
            "scale": 1,
            "color": "0.2",
            "width": 0.0045,
            "alpha": 0.5,
        }
        axes.quiver(*start[moved].T, *way[moved].T, **arrows)
        axes.plot(*coarse.T, ".", color="0.2", markersize=2.5)
        axes.plot(*np.asarray(action_set.centre), "o", color=POINT, markersize=5, zorder=5)
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", title=name, xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    figure.colorbar(shade, ax=panels, label="distance moved", shrink=0.6, aspect=30)
    for axes in panels[-1]:
        axes.set_xlabel("action 1")
    for axes in panels[:, 0]:
        axes.set_ylabel("action 2")
    return figure


def _grid_lines(applied: np.ndarray, every: int) -> LineCollection:
    """The images of the proposed square's grid lines, coloured by where they came from."""
    lines, colours = [], []
    for axis, colour_map in ((0, plt.get_cmap("viridis")), (1, plt.get_cmap("plasma"))):
        curves = np.moveaxis(applied, axis, 0)[::every]
        shades = np.linspace(0.05, 0.85, len(curves))
        for curve, shade in zip(curves, shades, strict=True):
            gaps = np.linalg.norm(np.diff(curve, axis=0), axis=1) > 0.15
            lines += np.split(curve, np.flatnonzero(gaps) + 1)
            colours += [colour_map(shade)] * (gaps.sum() + 1)
    return LineCollection(lines, colors=colours, linewidths=1.1, zorder=2)


def _corners(action_set: ActionSet) -> np.ndarray:
    """The corners of a set of two inputs, in order around it. Its centre must be in the interior."""
    normals, offsets = np.asarray(action_set.normals, float), np.asarray(action_set.offsets, float)
    lengths = np.linalg.norm(normals, axis=1)
    half_spaces = np.hstack([normals, -offsets[:, None]])[lengths > 0] / lengths[lengths > 0, None]
    points = HalfspaceIntersection(half_spaces, np.asarray(action_set.centre, float)).intersections
    angles = np.arctan2(*(points - points.mean(axis=0)).T[::-1])
    return points[np.argsort(angles)]
