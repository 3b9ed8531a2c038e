"""Figures from results: learning curves, return against interventions, profiles, run time."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safebench import stats, summary
from safebench.result import Result

COLUMN_WIDTH = 3.4
"""Inches: one column of a two-column paper. Text is set for this width."""
PAGE_WIDTH = 7.0
"""Inches: both columns."""

# Okabe and Ito's palette: told apart with every common colour-vision deficiency. Line styles tell the
# variants of a safeguard apart, so that black-and-white print works too.
COLOURS = {
    "none": "#000000",
    "boundary-projection": "#0072B2",
    "ray-mask": "#D55E00",
    "ray-mask-hyperbolic": "#009E73",
    "replacement": "#CC79A7",
    "cbf-qp": "#56B4E9",
}
SPARE_COLOURS = ("#E69F00", "#7F7F7F", "#8C564B", "#9467BD")
DASHES = {"": "solid", "regularised": (0, (1, 1)), "passthrough": (0, (5, 1, 1, 1))}
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "svg.hashsalt": "safebench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


def colour(safeguard: str) -> str:
    """The colour of a safeguard preset, the same in every figure; its variants share it."""
    base = safeguard.split("+")[0]
    return COLOURS.get(base) or SPARE_COLOURS[sum(map(ord, base)) % len(SPARE_COLOURS)]


def dashes(safeguard: str) -> str | tuple:
    """The line style of a safeguard preset: dashed without a safeguard, solid for a plain one."""
    if safeguard == "none":
        return (0, (4, 2))
    variant = safeguard.partition("+")[2]
    return DASHES.get(variant, (0, (3, 1, 1, 1, 1, 1)))


def learning_curves(results: Sequence[Result]) -> Figure:
    """Return over interactions, IQM and 95 % interval over seeds; a panel per task and learner."""
    panels = summary.by_task_and_learner(results)
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(len(panels))
        for axis, ((task, learner), cells) in zip(axes, panels.items(), strict=True):
            for cell in cells:
                _curve(axis, cell)
            axis.set_title(f"{task}, {learner}")
            axis.set_xlabel("interactions")
            axis.set_ylabel("return")
            _readable_returns(axis, cells)
            axis.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter(sep=""))
        _legend(figure, axes)
    return figure


def save(figure: Figure, path: Path) -> list[Path]:
    """Write PATH.png, PATH.svg and PATH.pdf; returns what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for suffix in ("png", "svg", "pdf"):
        target = path.with_suffix(f".{suffix}")
        # No creation date: the same results give the same files.
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
        with matplotlib.rc_context(STYLE):
            figure.savefig(target, dpi=300, bbox_inches="tight", metadata=metadata)
        written.append(target)
    return written


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, 3)
    rows = -(-count // columns)
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, 2.1 * rows + 0.3), layout="constrained")
    axes = [figure.add_subplot(rows, columns, index + 1) for index in range(count)]
    return figure, axes


def _curve(axis: Axes, cell: Result) -> None:
    name = cell.safeguard.name
    # Seeds of one cell are evaluated at the same interactions; keep what all of them have.
    length = min(len(run.curve.interactions) for run in cell.runs)
    interactions = np.array(cell.runs[0].curve.interactions[:length])
    points = [stats.iqm_interval([run.curve.return_mean[i] for run in cell.runs]) for i in range(length)]
    values, low, high = np.where(np.isfinite(points), points, np.nan).T
    axis.plot(interactions, values, color=colour(name), linestyle=dashes(name), label=name)
    axis.fill_between(interactions, low, high, color=colour(name), alpha=0.18, linewidth=0)


def _readable_returns(axis: Axes, cells: Sequence[Result]) -> None:
    """A symmetric logarithmic axis where the first returns dwarf the last ones."""
    firsts = [run.curve.return_mean[0] for cell in cells for run in cell.runs]
    lasts = [run.curve.return_mean[-1] for cell in cells for run in cell.runs]
    firsts = [abs(value) for value in firsts if value is not None]
    lasts = [abs(value) for value in lasts if value is not None]
    if firsts and lasts and max(firsts) > 20 * max(np.median(lasts), 1e-9):
        axis.set_yscale("symlog", linthresh=max(float(np.median(lasts)), 1e-9))
        axis.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    entries = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    columns = 3 if len(axes) == 1 else 4
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns, frameon=False)
