"""`safebench bench`: physics, safeguards, learner, filter, growth; tables, and a JSON record if asked for."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safebench import atomic, registry
from safebench.commands import bench_filter, bench_growth, bench_learner, bench_physics, bench_safeguards
from safebench.commands.bench_physics import CHAIN
from safebench.env.safeguard import Safeguard
from safebench.report import fit
from safebench.runs import presets, provenance, suites
from safebench.runs.api import guard

ACTION_SETS = 512


class Job(NamedTuple):
    """What a part of the benchmark is to measure.

    systems: tasks, and CHAIN for `physics` alone. guards: for `safeguards` and `filter`.
    physics: for `learner`. report: told what is being measured. figure: where `growth` draws.
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


def bench(
    what: Sequence[str] | None,
    systems: Sequence[str] | None,
    safeguards: Sequence[str] | None,
    physics: str,
    out: Path | None,
    console: Console,
    figure: Path | None = None,
) -> None:
    """Run parts of the benchmark on systems and safeguards, by name; all where none is named.

    Of the parts, `growth` only where a system is one of the arms.

    Raises:
        LookupError: for an unknown part, task or safeguard, before anything runs. ValueError: if growth or
            its figure is asked for without an arm, or the figure without growth.
    """
    names = list(systems or [*registry.names("task"), CHAIN])
    for name in names:
        if name != CHAIN:
            registry.load("task", name)
    for part in what or ():
        if part not in PARTS:
            raise LookupError(registry.unknown("benchmark", part, PARTS))
    arms = set(names) & set(suites.ARMS)
    what = what or [part for part in PARTS if part != "growth" or arms]
    if "growth" in what and not arms:
        raise ValueError(f"growth is that of {', '.join(suites.ARMS)}, not of {', '.join(names)}")
    if figure is not None and "growth" not in what:
        raise ValueError(
            f"--figure draws what growth found: name growth, with an arm ({', '.join(suites.ARMS)})"
        )
    for path in (out, figure):
        if path is not None:
            atomic.check_writable(path)
    run(what, names, guards(safeguards), physics, out, console, figure)


def run(
    what: Sequence[str],
    names: Sequence[str],
    guards: Mapping[str, Safeguard],
    physics: str,
    out: Path | None,
    console: Console,
    figure: Path | None = None,
) -> None:
    """Run the parts named in `what` on some systems, print their tables, and write the record to `out`."""
    record: dict[str, Any] = {"what": f"safebench bench {' '.join(what)}"}
    measured_in = asdict(provenance.collect())  # a figure that is drawn later is no part of what was measured
    with console.status(Text("measuring ...")) as status:

        def report(text: str) -> None:
            status.update(Text(text))
            if not console.is_terminal:
                console.print(Text(text), soft_wrap=True)

        for part in what:
            # A compile time read from a cache is no compile time.
            with _cache(part not in COMPILE_TIMES_COUNT):
                measured = PARTS[part](Job(names, guards, physics, report, figure))
            for table in measured.tables:
                fit.show(table, console)
            record[part] = [row._asdict() for row in measured.rows]
    if out is not None:
        record["provenance"] = measured_in
        atomic.write(out, json.dumps(record, indent=1) + "\n")
        console.print(Text(f"Wrote {out}"), soft_wrap=True)


@contextmanager
def _cache(enabled: bool) -> Iterator[None]:
    before = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", enabled)
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)


def guards(names: Sequence[str] | None) -> dict[str, Safeguard]:
    """Safeguards by preset name; by default all but the regularised ones, whose actions are the same.

    Raises:
        LookupError: for an unknown name.
    """
    made = {name: guard(name) for name in names or presets.names()}
    return {name: each for name, each in made.items() if names or each.config.regularisation == 0.0}


def _physics(job: Job) -> Measured:
    systems = [name for name in job.systems if name == CHAIN or _mechanical(name)]
    timings = bench_physics.measure(systems, job.report)
    ratios = bench_physics.compare(timings)
    title = f"Physics: batch {bench_physics.BATCH}, {bench_physics.STEPS} steps"
    shown = _table(title, "system", "physics", "forward ms", "gradient ms", "compile s", "gradient compile s")
    for row in timings:
        shown.add_row(*row[:2], *(f"{value:.3g}" for value in row[2:]))
    compared = _table("MJX / compiled", "system", "forward", "gradient", "gradient compile")
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
    shown = _table(title, "task", "safeguard", *heads, "faster than the paper's")
    for (task_name, preset), rows in _by_task_and_safeguard(timings).items():
        cells = [f"{row.forward_us:.2f} / {row.forward_backward_us:.2f}" for row in rows]
        at_512 = next(row for row in rows if row.batch == 512)
        faster = "-" if at_512.faster is None else f"{at_512.faster:.0f}x"
        shown.add_row(task_name, preset, *cells, faster)
    return Measured(timings, [shown])


def _learner(job: Job) -> Measured:
    timings = []
    for name in job.tasks:
        timings += bench_learner.measure(name, presets.PAPER, "shac", job.physics, job.report)
    title = f"SHAC training, {job.physics}: seconds per 1000 interactions and seed"
    shown = _table(title, "task", "safeguard", "compile s", "s / 1000", "guarded / unguarded")
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
    shown = _table(title, "task", "safeguard", "numpy arrays", "arrays on the device")
    for named, rows in _by_task_and_safeguard(timings).items():
        shown.add_row(*named, *(f"{row.median_us:.0f} / {row.percentile_95_us:.0f}" for row in rows))
    return Measured(timings, [shown])


def _growth(job: Job) -> Measured:
    found = bench_growth.measure([name for name in job.tasks if name in suites.ARMS], job.report)
    shown = _table("Growth: CPU seconds of all threads", "", *(f"{arm.joints} joints" for arm in found))
    for row in bench_growth.lines(found):
        shown.add_row(*row)
    if job.figure is not None:
        bench_growth.draw(found, job.figure)
    return Measured(found, [shown])


def _by_task_and_safeguard(timings: Sequence[Any]) -> dict[tuple[str, str], list[Any]]:
    grouped: dict[tuple[str, str], list[Any]] = {}
    for row in timings:
        grouped.setdefault((row.task, row.safeguard), []).append(row)
    return grouped


COMPILE_TIMES_COUNT = ("physics", "learner", "growth")
PARTS: dict[str, Callable[[Job], Measured]] = {
    "physics": _physics,
    "safeguards": _safeguards,
    "learner": _learner,
    "filter": _filter,
    "growth": _growth,
}


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        named = heading in ("task", "system", "safeguard", "physics")
        table.add_column(heading, justify="left" if named else "right", no_wrap=named)
    return table
