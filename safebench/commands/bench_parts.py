"""The parts of `safebench bench`: what each measures, its rows for the record and its table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from safebench import registry
from safebench.commands import (
    bench_filter,
    bench_growth,
    bench_learner,
    bench_physics,
    bench_safeguards,
    bench_scaling,
    bench_scaling_figure,
    bench_scaling_table,
    calibration,
)
from safebench.commands.bench_physics import CHAIN
from safebench.commands.bench_table import table
from safebench.env.safeguard import Safeguard
from safebench.runs import presets, suites

ACTION_SETS = 512


class Job(NamedTuple):
    """What a part of the benchmark is to measure.

    systems: tasks, and CHAIN for `physics` alone. guards: for `safeguards` and `filter`.
    physics: for `learner`. report: told what is being measured. figure: where a part of DRAWN draws.
    """

    systems: Sequence[str]
    guards: Mapping[str, Safeguard]
    physics: str
    report: Callable[[str], None]
    figure: Path | None = None

    @property
    def tasks(self) -> list[str]:
        """The systems that are tasks."""
        return [name for name in self.systems if name != CHAIN]


class Measured(NamedTuple):
    """One row per measurement (named tuples, as the record holds them), and the tables that show them."""

    rows: Sequence[Any]
    tables: Sequence[Table]


def _physics(job: Job) -> Measured:
    systems = [name for name in job.systems if name == CHAIN or _mechanical(name)]
    timings = bench_physics.measure(systems, job.report)
    ratios = bench_physics.compare(timings)
    title = f"Physics: batch {bench_physics.BATCH}, {bench_physics.STEPS} steps"
    shown = table(title, "system", "physics", "forward ms", "gradient ms", "compile s", "gradient compile s")
    for row in timings:
        shown.add_row(*row[:2], *(f"{value:.3g}" for value in row[2:]))
    compared = table("MJX / compiled", "system", "forward", "gradient", "gradient compile")
    for ratio in ratios:
        compared.add_row(ratio.system, *(f"{value:.1f}x" for value in ratio[1:]))
    return Measured([*timings, *ratios], [shown, compared])


def _mechanical(name: str) -> bool:
    return registry.make_task(name).dynamics.model is not None


def _safeguards(job: Job) -> Measured:
    timings = []
    for name in job.tasks:
        sets = bench_safeguards.action_sets(registry.make_task(name, "compiled"), ACTION_SETS)
        for preset, safeguard in job.guards.items():
            job.report(f"{name}: {preset}")
            timings += bench_safeguards.measure(name, sets, {preset: safeguard})
    title = "Safeguards: microseconds per action (forward / forward + backward)"
    heads = [f"batch {batch}" for batch in bench_safeguards.BATCHES]
    shown = table(title, "task", "safeguard", *heads, "faster than the paper's")
    for (task_name, preset), rows in _by_task_and_safeguard(timings).items():
        cells = [f"{row.forward_us:.2f} / {row.forward_backward_us:.2f}" for row in rows]
        at_512 = next(row for row in rows if row.batch == 512)
        faster = "-" if at_512.faster is None else f"{at_512.faster:.0f}x"
        shown.add_row(task_name, preset, *cells, faster)
    if any(row.faster is not None for row in timings):
        shown.caption, shown.caption_justify = bench_safeguards.LEAST, "left"
    return Measured(timings, [shown])


def _learner(job: Job) -> Measured:
    timings = []
    for name in job.tasks:
        timings += bench_learner.measure(name, presets.PAPER, "shac", job.physics, job.report)
    title = f"SHAC training, {job.physics}: seconds per 1000 interactions and seed"
    shown = table(title, "task", "safeguard", "compile s", "s / 1000", "guarded / unguarded")
    for row in timings:
        times = (f"{row.compile_seconds:.1f}", f"{row.seconds_per_1000:.4f}", f"{row.overhead:.2f}")
        shown.add_row(row.task, row.safeguard, *times)
    return Measured(timings, [shown])


def _filter(job: Job) -> Measured:
    timings = []
    for name in job.tasks:
        task = registry.make_task(name, "compiled")
        for preset, safeguard in job.guards.items():
            job.report(f"{name}: {preset}")
            timings += bench_filter.measure(task, {preset: safeguard})
    title = "Safety filter: microseconds per call, one state (median / 95 %)"
    shown = table(title, "task", "safeguard", "numpy arrays", "arrays on the device")
    for named, rows in _by_task_and_safeguard(timings).items():
        shown.add_row(*named, *(f"{row.median_us:.0f} / {row.percentile_95_us:.0f}" for row in rows))
    return Measured(timings, [shown])


def _growth(job: Job) -> Measured:
    found = bench_growth.measure([name for name in job.tasks if name in suites.ARMS], job.report)
    shown = table("Growth: CPU seconds of all threads", "", *(f"{arm.joints} joints" for arm in found))
    for row in bench_growth.lines(found):
        shown.add_row(*row)
    if job.figure is not None:
        bench_growth.draw(found, job.figure)
    return Measured(found, [shown])


def _scaling(job: Job) -> Measured:
    found = bench_scaling.measure(job.tasks, job.report)
    where = calibration.where()
    shown = table(f"Scaling, {where}", *bench_scaling_table.HEADS)
    shown.caption, shown.caption_justify = bench_scaling_table.UNITS, "left"
    for row in bench_scaling_table.lines(found):
        shown.add_row(*row)
    if job.figure is not None:
        bench_scaling_figure.draw(found, where, job.figure)
    return Measured(found, [shown])


def _by_task_and_safeguard(timings: Sequence[Any]) -> dict[tuple[str, str], list[Any]]:
    grouped: dict[tuple[str, str], list[Any]] = {}
    for row in timings:
        grouped.setdefault((row.task, row.safeguard), []).append(row)
    return grouped


PARTS: dict[str, Callable[[Job], Measured]] = {
    "physics": _physics,
    "safeguards": _safeguards,
    "learner": _learner,
    "filter": _filter,
    "growth": _growth,
    "scaling": _scaling,
}
DRAWN = ("growth", "scaling")
"""The parts that can draw a figure."""
ONLY: Mapping[str, Sequence[str]] = {"growth": suites.ARMS, "scaling": bench_scaling.TASKS}
"""Of the parts that measure only these tasks: which."""
