"""`safebench bench`: physics, safeguards, learner; tables of ratios, and a JSON record if asked for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich import box
from rich.console import Console
from rich.table import Table

from safebench import bench_learner, bench_physics, bench_safeguards, presets, provenance, registry
from safebench import task as tasks
from safebench.safeguard import Safeguard

ACTION_SETS = 512
CHAIN = "chain"
"""The serial chain of safebench.bench_physics, a system for `physics` alone."""


def run(
    what: Sequence[str],
    names: Sequence[str],
    guards: Mapping[str, Safeguard],
    physics: str,
    out: Path | None,
    console: Console,
) -> None:
    """Run the benchmarks named in `what` (physics, safeguards, learner) on some tasks.

    guards: what `safeguards` measures. physics: what `learner` trains with.
    """
    record: dict[str, Any] = {"what": f"safebench bench {' '.join(what)}"}
    with console.status("measuring ...") as status:

        def report(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text)

        for part in what:
            # A compile time read from a cache is no compile time.
            with _cache(part not in COMPILE_TIMES_COUNT):
                rows = PARTS[part](names, guards, physics, report, console)
            record[part] = [row._asdict() for row in rows]
    if out is not None:
        record["provenance"] = asdict(provenance.collect())
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(record, indent=1) + "\n")
        console.print(f"Wrote {out}", soft_wrap=True)


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
    made = {}
    for name in names or presets.names():
        _, module, config = presets.resolve(name)
        if names or config.regularisation == 0.0:
            made[name] = module.make(config)
    return made


def _physics(names, guards, physics, report, console) -> list:
    systems = [name for name in names if name == CHAIN or _mechanical(name)]
    timings = bench_physics.measure(systems, report)
    title = f"Physics: batch {bench_physics.BATCH}, {bench_physics.STEPS} steps"
    shown = _table(title, "system", "physics", "forward ms", "gradient ms", "compile s", "gradient compile s")
    for row in timings:
        shown.add_row(*row[:2], *(f"{value:.3g}" for value in row[2:]))
    console.print(shown)
    ratios = _table("MJX / compiled", "system", "forward", "gradient", "gradient compile")
    for ratio in bench_physics.compare(timings):
        ratios.add_row(ratio.system, *(f"{value:.1f}x" for value in ratio[1:]))
    console.print(ratios)
    return [*timings, *bench_physics.compare(timings)]


def _mechanical(name: str) -> bool:
    return registry.load("task", name).make().dynamics.model is not None


def _safeguards(names, guards, physics, report, console) -> list:
    names = [name for name in names if name != CHAIN]
    timings = []
    for name in names:
        task = registry.load("task", name).make("compiled")
        states = jnp.asarray(task.starts[:ACTION_SETS])
        sets = jax.jit(jax.vmap(lambda x, task=task: tasks.allowed(task, x, task.dynamics.linearise(x))))(
            states
        )
        for guard, safeguard in guards.items():
            report(f"{name}: {guard}")
            timings += bench_safeguards.measure(name, sets, {guard: safeguard})
    title = "Safeguards: microseconds per action (forward / forward + backward)"
    heads = [f"batch {batch}" for batch in bench_safeguards.BATCHES]
    shown = _table(title, "task", "safeguard", *heads, "faster than the paper's")
    for task_name in names:
        for guard in guards:
            rows = [row for row in timings if (row.task, row.safeguard) == (task_name, guard)]
            cells = [f"{row.forward_us:.2f} / {row.forward_backward_us:.2f}" for row in rows]
            at_512 = next(row for row in rows if row.batch == 512)
            faster = "-" if at_512.faster is None else f"{at_512.faster:.0f}x"
            shown.add_row(task_name, guard, *cells, faster)
    console.print(shown)
    return timings


def _learner(names, guards, physics, report, console) -> list:
    names = [name for name in names if name != CHAIN]
    timings = []
    for name in names:
        timings += bench_learner.measure(name, presets.PAPER, "shac", physics, report)
    title = f"SHAC training, {physics}: seconds per 1000 interactions and seed"
    shown = _table(title, "task", "safeguard", "compile s", "s / 1000", "guarded / unguarded")
    for row in timings:
        shown.add_row(
            row.task,
            row.safeguard,
            f"{row.compile_seconds:.1f}",
            f"{row.seconds_per_1000:.4f}",
            f"{row.overhead:.2f}",
        )
    console.print(shown)
    return timings


COMPILE_TIMES_COUNT = ("physics", "learner")
PARTS = {"physics": _physics, "safeguards": _safeguards, "learner": _learner}


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        named = heading in ("task", "system", "safeguard", "physics")
        table.add_column(heading, justify="left" if named else "right", no_wrap=named)
    return table
