"""Figures from results: learning curves, return against interventions, profiles, run time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safebench import atomic
from safebench.record.result import Result
from safebench.report import stats, tables
from safebench.report.row import row
from safebench.report.selection import by_task, by_task_and_learner
from safebench.report.style import MARKERS, colour, dashes, marker, minus, styled

COLUMN_WIDTH = 3.4
"""Inches: one column of a two-column paper. Text is set for this width."""
PAGE_WIDTH = 7.0
"""Inches: both columns."""


def learning_curves(results: Sequence[Result]) -> Figure:
    """Return over interactions, IQM and 95 % interval over seeds; a panel per task and learner."""
    panels = by_task_and_learner(results)
    with styled():
        figure, axes = _panels(panels, "interactions", "return")
        for axis, cells in zip(axes, panels.values(), strict=True):
            for cell in cells:
                _band(axis, cell, [run.curve.return_mean for run in cell.runs], len(cells))
            _readable_returns(axis, cells)
            axis.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter(sep=""))
        _legend(figure, axes)
    return figure


def success_curves(results: Sequence[Result]) -> Figure | None:
    """Share of goals reached over interactions, IQM and 95 % interval over seeds.

    A panel per task and learner; None without a task that has a goal.
    """
    panels = by_task_and_learner([result for result in results if result.has_goal])
    if not panels:
        return None
    with styled():
        figure, axes = _panels(panels, "interactions", "success [%]")
        for axis, cells in zip(axes, panels.values(), strict=True):
            for cell in cells:
                _band(axis, cell, [_shares(run.curve.success) for run in cell.runs], len(cells))
            axis.set_ylim(-2, 102)
            axis.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter(sep=""))
        _legend(figure, axes)
    return figure


def _shares(column: Sequence[float] | None) -> list[float]:
    return [100 * share for share in column or ()]


def return_and_interventions(results: Sequence[Result]) -> Figure | None:
    """Final return (IQM, 95 %) against the share of training steps that the safeguard changed.

    A panel per task and learner; None without a safeguarded result.
    """
    panels = by_task_and_learner([r for r in results if r.safeguard.name != "none"])
    if not panels:
        return None
    with styled():
        figure, axes = _panels(panels, "training interventions [%]", "final return")
        for axis, cells in zip(axes, panels.values(), strict=True):
            for cell in cells:
                figures = row(cell)
                value, low, high = figures.returns
                if not np.isfinite(figures.returns).all():
                    continue  # a diverged cell has no place on the axis; the tables show it
                name = cell.safeguard.name
                axis.errorbar(
                    100 * cell.intervened,
                    value,
                    yerr=[[value - low], [high - value]],
                    color=colour(name),
                    marker=marker(name),
                    markersize=4.5,
                    linewidth=0.8,
                    linestyle="none",
                    label=name,
                )
            _readable_shares(axis)
        _legend(figure, axes)
    return figure


def performance_profile(results: Sequence[Result]) -> Figure | None:
    """Share of runs above a normalised return, over the tasks that all safeguards have; a panel per learner.

    Normalised per task and learner: 0 is the IQM of the worst safeguard, 1 that of the best. None if no
    learner has two safeguards on a common task.
    """
    panels = {}
    for learner in sorted({result.learner.name for result in results}):
        scores = normalised_scores([result for result in results if result.learner.name == learner])
        if len(scores) >= 2:
            panels[learner] = scores
    if not panels:
        return None
    thresholds = np.linspace(-1, 2, 301)
    with styled():
        counts = [len(next(iter(scores.values()))) for scores in panels.values()]
        titles = [
            (f"{n} task{'s' if n > 1 else ''}", learner) for n, learner in zip(counts, panels, strict=True)
        ]
        figure, axes = _panels(titles, "normalised return", "share of runs above")
        for axis, scores in zip(axes, panels.values(), strict=True):
            for name, tasks in scores.items():
                share = stats.performance_profile(tasks, thresholds)
                low, high = stats.profile_interval(tasks, thresholds)
                axis.plot(thresholds, share, color=colour(name), linestyle=dashes(name), label=name)
                axis.fill_between(
                    thresholds, low, high, color=colour(name), alpha=shade(len(scores)), linewidth=0
                )
            axis.set_ylim(-0.02, 1.02)
        _legend(figure, axes)
    return figure


def normalised_scores(results: Sequence[Result]) -> dict[str, list[stats.Scores]]:
    """Final returns of one learner's results by safeguard, on the tasks that every safeguard has.

    A task on which all ended alike has no scale and is left out.
    """
    safeguards = list(
        dict.fromkeys(cell.safeguard.name for cells in by_task(results).values() for cell in cells)
    )
    scores: dict[str, list[stats.Scores]] = {name: [] for name in safeguards}
    for cells in by_task(results).values():
        if {cell.safeguard.name for cell in cells} != set(safeguards):
            continue
        finals = {
            cell.safeguard.name: stats.scores([run.final.return_mean for run in cell.runs]) for cell in cells
        }
        ends = [float(stats.iqm(runs)) for runs in finals.values()]
        known = [end for end in ends if np.isfinite(end)]
        if len(set(known)) < 2:
            continue
        worst, best = min(known), max(known)
        for name, runs in finals.items():
            scores[name].append((runs - worst) / (best - worst))
    return {name: tasks for name, tasks in scores.items() if tasks}


def run_time_overhead(results: Sequence[Result]) -> Figure | None:
    """Training time over that of the same learner without a safeguard; None without such a pair."""
    pairs = [(cell, tables.overhead(cell, results)) for cell in results if cell.safeguard.name != "none"]
    ratios = [(cell, ratio) for cell, ratio in pairs if ratio is not None]
    if not ratios:
        return None
    tasks = sorted({cell.task.name for cell, _ in ratios})
    learners = sorted({cell.learner.name for cell, _ in ratios})
    names = sorted({cell.safeguard.name for cell, _ in ratios})
    width = COLUMN_WIDTH if len(tasks) == 1 else PAGE_WIDTH
    with styled():
        figure = Figure(figsize=(width, 0.9 + 0.19 * len(names)), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(tasks), sharey=True))
        for axis, task in zip(axes, tasks, strict=True):
            for cell, ratio in ratios:
                if cell.task.name == task:
                    symbol = MARKERS[learners.index(cell.learner.name) % len(MARKERS)]
                    axis.plot(
                        ratio,
                        names.index(cell.safeguard.name),
                        color=colour(cell.safeguard.name),
                        marker=symbol,
                        linestyle="none",
                        markersize=4.5,
                    )
            axis.axvline(1, color="black", linewidth=0.8)
            axis.set_title(task)
            axis.set_yticks(range(len(names)), names)
            largest = max(ratio for _, ratio in ratios)
            axis.set_xlim(0, 1.1 * max(largest, 1.2))
        axes[0].set_ylim(len(names) - 0.5, -0.5)  # the first on top, no marker cut
        figure.supxlabel("training time relative to no safeguard", fontsize=8)
        symbols = [
            Line2D(
                [], [], color="#555555", linestyle="none", marker=MARKERS[i % len(MARKERS)], markersize=4.5
            )
            for i in range(len(learners))
        ]
        figure.legend(symbols, learners, loc="outside upper center", ncols=len(learners), frameon=False)
    return figure


def save(figure: Figure, path: Path) -> list[Path]:
    """Write PATH.png, PATH.svg and PATH.pdf; returns what was written.

    Raises:
        OSError: if a file cannot be written.
    """
    written = []
    for suffix in ("png", "svg", "pdf"):
        target = path.with_suffix(f".{suffix}")
        # No creation date: the same results give the same files.
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
        with styled(), atomic.replacing(target) as fresh:
            figure.savefig(fresh, dpi=300, metadata=metadata)
        written.append(target)
    return written


def _panels(names: Iterable[tuple[str, str]], across: str, up: str) -> tuple[Figure, list[Axes]]:
    """A panel for every (task, learner), axis labels on the outer ones only."""
    names = list(names)
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, 1.75 * rows + 0.35), layout="constrained")
    axes = [figure.add_subplot(rows, columns, index + 1) for index in range(len(names))]
    for index, (axis, (task, learner)) in enumerate(zip(axes, names, strict=True)):
        axis.set_title(f"{task}, {learner}")
        if index + columns >= len(names):
            axis.set_xlabel(across)
        if index % columns == 0:
            axis.set_ylabel(up)
    return figure, axes


def shade(intervals: int) -> float:
    """The opacity of so many intervals on one axis: where many overlap, each is fainter."""
    return float(np.clip(0.5 / intervals, 0.05, 0.18))


def _readable_shares(axis: Axes) -> None:
    """Percent along the axis, from 0; logarithmic above 1 % where some are rare and others not."""
    shares = [float(np.asarray(line.get_xdata())[0]) for line in axis.get_lines()]
    if shares and max(shares) > 20 * max(np.median(shares), 0.05):
        axis.set_xscale("symlog", linthresh=1, linscale=1)
        axis.set_xticks([0, 0.5, 1, 10, 100], ["0", "0.5", "1", "10", "100"])
        axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axis.set_xlim(-0.05, 150)
    else:
        axis.set_xlim(0, max(1.08 * axis.get_xlim()[1], 1))


def _band(axis: Axes, cell: Result, columns: Sequence[Sequence[float | None]], cells: int) -> None:
    """One cell's curve with its interval. columns: one of each seed's curve; cells: on this axis."""
    name = cell.safeguard.name
    # Seeds of one cell are evaluated at the same interactions; keep what all of them have.
    length = min(len(run.curve.interactions) for run in cell.runs)
    interactions = np.array(cell.runs[0].curve.interactions[:length])
    points = [stats.iqm_interval([column[i] for column in columns], resamples=500) for i in range(length)]
    values, low, high = np.where(np.isfinite(points), points, np.nan).T
    axis.plot(interactions, values, color=colour(name), linestyle=dashes(name), label=name)
    axis.fill_between(interactions, low, high, color=colour(name), alpha=shade(cells), linewidth=0)


def _readable_returns(axis: Axes, cells: Sequence[Result]) -> None:
    """A logarithmic axis where the first returns dwarf the last ones."""

    def sizes(point: int) -> list[float]:
        values = [run.curve.return_mean[point] for cell in cells for run in cell.runs]
        return [abs(value) for value in values if value is not None]

    firsts, lasts = sizes(0), sizes(-1)
    far = bool(firsts and lasts) and max(firsts) > 20 * max(np.median(lasts), 1e-9)
    if far:
        # Linear near zero, where the finals are told apart, logarithmic far from it, smooth between.
        linear = max(float(np.median(lasts)), 1e-9)
        many = np.abs(axis.dataLim.intervaly).max() > 1e5 * linear  # more ticks than have room
        axis.set_yscale("asinh", linear_width=linear)
        locator: matplotlib.ticker.Locator = matplotlib.ticker.AsinhLocator(
            linear, subs=(1,) if many else (1, 3)
        )
        if many:  # 0 and the tick beside it would be written over each other
            seen = axis.get_ylim()
            locator = matplotlib.ticker.FixedLocator([tick for tick in locator.tick_values(*seen) if tick])
            axis.set_ylim(seen)
        axis.yaxis.set_major_locator(locator)
        axis.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    if far or max([*firsts, *lasts], default=0.0) >= 1000:  # else ticks may lie between whole numbers
        axis.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) < 1e6 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return minus(text)


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    labels = sorted(entries, key=lambda name: (name != "none", name))
    inches = 0.055 * max(map(len, labels)) + 0.4  # of one entry, in the legend's font size
    columns = max(1, min(len(labels), int(figure.get_size_inches()[0] / inches)))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.15 * rows)  # panels keep their size
    figure.legend(
        [entries[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=2.2,
        columnspacing=1.2,
    )
