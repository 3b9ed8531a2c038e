"""A figure of what safeguards do to the actions: the map itself, drawn from the real code.

One input: applied against proposed action. Two inputs: the shade of every proposed action says how far
it is moved, arrows say where to, and coloured lines are the images of the square's grid lines.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from scipy.spatial import HalfspaceIntersection

from safebench.env.action_set import ActionSet
from safebench.env.safeguard import Safeguard
from safebench.report.style import LITERAL, styled

SAFE, EDGE, POINT = "#dcefe0", "#2f7d4f", "#c0392b"
LINES = ("#1f77b4", "#d95f02", "#7570b3", "#e7298a", "#66a61e", "#a6761d")
STYLES = ("solid", "dashed", "dotted")
"""Of the first six lines, the next six, and so on."""
MOST_INPUTS = 2


def draw(
    action_set: ActionSet,
    safeguards: Mapping[str, Safeguard],
    path: str | Path | None = None,
    inputs: Sequence[str] | None = None,
) -> Figure:
    """Draw every safeguard on one action set of one or two inputs; save the figure if `path` is given.

    path: its suffix names the format (png, svg, pdf). inputs: their names.

    Raises:
        ValueError: if the set has more than two inputs, or there is no safeguard.
    """
    m = action_set.centre.shape[0]
    check_inputs(m)
    if not safeguards:
        raise ValueError("there is no safeguard to draw")
    with styled(LITERAL):
        if m == 1:
            figure = _draw_curves(action_set, safeguards, *(inputs or ("action",)))
        else:
            figure = _draw_squares(action_set, safeguards, inputs or ("action 1", "action 2"))
        if path is not None:
            figure.savefig(path, dpi=200, bbox_inches="tight")
    return figure


def check_inputs(m: int) -> None:
    """Raises: ValueError: if a set of `m` inputs cannot be drawn."""
    if not 1 <= m <= MOST_INPUTS:
        raise ValueError(f"only sets of one or two inputs can be drawn, not {m}")


def _applied(safeguard: Safeguard, action_set: ActionSet, proposed: np.ndarray) -> np.ndarray:
    run = jax.jit(jax.vmap(safeguard, in_axes=(0, None)))
    return np.asarray(run(jnp.asarray(proposed, action_set.normals.dtype), action_set).action)


def _draw_curves(action_set: ActionSet, safeguards: Mapping[str, Safeguard], name: str) -> Figure:
    normals, offsets = np.asarray(action_set.normals)[:, 0], np.asarray(action_set.offsets)
    high = min(offsets[normals > 0] / normals[normals > 0])
    low = max(offsets[normals < 0] / normals[normals < 0])
    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(low, high, color=SAFE, zorder=0, label="safe actions")
    for bound in (low, high):
        axes.axhline(bound, color=EDGE, linewidth=0.8)
    axes.plot([-1, 1], [-1, 1], color="0.6", linestyle=":", linewidth=1.2, label="unchanged")
    proposed = np.linspace(-1, 1, 801)[:, None]
    widths = np.linspace(5, 1.8, len(safeguards))  # where curves coincide, the earlier ones show around
    for index, (label, safeguard) in enumerate(safeguards.items()):
        applied = _applied(safeguard, action_set, proposed)[:, 0]
        # A jump is drawn as a gap, not as a steep line.
        jump = np.abs(np.diff(applied, append=applied[-1])) > 0.05
        applied = np.where(jump, np.nan, applied)
        axes.plot(
            proposed[:, 0],
            applied,
            color=LINES[index % len(LINES)],
            linestyle=STYLES[index // len(LINES) % len(STYLES)],
            linewidth=widths[index],
            label=label,
        )
    centre = float(action_set.centre[0])
    axes.plot(centre, centre, "o", color=POINT, markersize=6, label="certified centre", zorder=5)
    axes.set(xlim=(-1, 1), ylim=(-1.05, 1.05), aspect="equal")
    axes.set(xlabel=f"proposed {name} (scaled)", ylabel=f"applied {name} (scaled)")
    axes.set(xticks=(-1, -0.5, 0, 0.5, 1), yticks=(-1, -0.5, 0, 0.5, 1))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _draw_squares(action_set: ActionSet, safeguards: Mapping[str, Safeguard], names: Sequence[str]) -> Figure:
    columns = min(3, len(safeguards))
    rows = -(-len(safeguards) // columns)
    figure = Figure(figsize=(3.3 * columns, 3.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    shade = None
    for axes, (name, safeguard) in zip(panels.flat, safeguards.items(), strict=False):
        shade = _draw_square(axes, action_set, safeguard)
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", title=name, xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    for axes in panels.flat[len(safeguards) :]:
        axes.set_visible(False)
    for axes in panels.flat[len(safeguards) - columns : len(safeguards)]:  # nothing is below them
        axes.set_xlabel(f"{names[0]} (scaled)")
        axes.tick_params(labelbottom=True)
    for axes in panels[:, 0]:
        axes.set_ylabel(f"{names[1]} (scaled)")
    assert shade is not None
    figure.colorbar(shade, ax=panels, label="distance moved", shrink=0.6, aspect=30, extend="max")
    return figure


def _draw_square(axes: Axes, action_set: ActionSet, safeguard: Safeguard) -> QuadMesh:
    """One safeguard's map of the square; returns the shade, which the colour bar explains."""
    grid = np.linspace(-1, 1, 81)
    dense = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    coarse = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, 7)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    applied = _applied(safeguard, action_set, dense.reshape(-1, 2)).reshape(dense.shape)
    distance = np.linalg.norm(applied - dense, axis=-1)
    shade = axes.pcolormesh(grid, grid, distance.T, cmap="Blues", vmin=0, vmax=2, rasterized=True)
    axes.add_collection(_grid_lines(applied, every=8))
    axes.add_patch(Polygon(_corners(action_set), facecolor="none", edgecolor=EDGE, linewidth=1.6, zorder=3))
    way = _applied(safeguard, action_set, coarse) - coarse
    moved = np.linalg.norm(way, axis=1) > 0.02
    axes.quiver(
        *coarse[moved].T,
        *way[moved].T,
        angles="xy",
        scale_units="xy",
        scale=1,
        color="0.2",
        width=0.0045,
        alpha=0.5,
    )
    axes.plot(*coarse.T, ".", color="0.2", markersize=2.5)
    axes.plot(*np.asarray(action_set.centre), "o", color=POINT, markersize=5, zorder=5)
    return shade


def _grid_lines(applied: np.ndarray, every: int) -> LineCollection:
    """The images of the proposed square's grid lines, coloured by where they came from."""
    lines, colours = [], []
    for axis, colour_map in ((0, colormaps["viridis"]), (1, colormaps["plasma"])):
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
