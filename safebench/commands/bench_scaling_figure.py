"""The figure of `safebench bench scaling`: times and memory against what grows; without jax."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from safebench import atomic
from safebench.commands.bench_scaling_table import AXES, Scaling
from safebench.report.style import MARKERS, colour, styled

CLOCKS = {"wall_us": "wall", "cpu_us": "CPU, all threads"}
SPACE = {"memory_mb": "all", "temporary_mb": "temporary"}
PANELS = (
    ("seeds", "us", CLOCKS),
    ("window", "us", CLOCKS),
    ("environments", "us", CLOCKS),
    ("seeds", "MB", SPACE),
    ("window", "MB", SPACE),
    ("rows", "us", {"wall_us": ""}),
)
"""What grows, the unit, and the fields that are drawn with their names."""
NEAR = 0.15
"""Of the width of a panel: labels that are nearer touch."""


def draw(found: Sequence[Scaling], where: str, path: Path) -> None:
    """Draw what was found, if only on some axes. where: the device and the precision, said above."""
    with styled():
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        figure.suptitle(where, fontsize=8)
        for axes, (axis, unit, fields) in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
            _panel(axes, [row for row in found if row.axis == axis], fields)
            title = f"{AXES[axis]} [us]" if unit == "us" else f"memory [{unit}]"
            axes.set(title=title, xscale="log", yscale="log", xlabel=axis)
            sizes = sorted({row.size for row in found if row.axis == axis})
            axes.set_xticks(sizes, _labels(sizes))
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        with atomic.replacing(path) as unfinished:
            figure.savefig(unfinished, dpi=150)


def _labels(sizes: Sequence[int]) -> list[str]:
    """A label for each size, largest first; empty where it would touch that of a larger one."""
    labels: dict[int, str] = {}
    for size in reversed(sizes):
        near = [other for other in labels if labels[other] and _share(sizes, size, other) < NEAR]
        labels[size] = "" if near else str(size)
    return [labels[size] for size in sizes]


def _share(sizes: Sequence[int], low: int, high: int) -> float:
    """How far two sizes are apart, of the width of a panel."""
    return math.log(high / low) / math.log(sizes[-1] / sizes[0])


def _panel(axes: Axes, found: Sequence[Scaling], fields: dict[str, str]) -> None:
    """A curve per safeguard where there are several, and per field."""
    guards = list(dict.fromkeys(row.safeguard for row in found))
    for guard in guards:
        rows = [row for row in found if row.safeguard == guard]
        sizes = [row.size for row in rows]
        for (field, name), marker in zip(fields.items(), MARKERS, strict=False):
            shade = colour(guard) if len(guards) > 1 else None
            values = [getattr(row, field) for row in rows]
            axes.plot(sizes, values, marker, ls="-", ms=4, color=shade, label=name or guard)
    if found:
        axes.legend(frameon=False)
