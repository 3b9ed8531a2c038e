"""`safebench bench`: its parts one after the other; tables, a JSON record and a comparison if asked for."""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.experimental.compilation_cache import compilation_cache
from rich.console import Console
from rich.text import Text

from safebench import atomic, registry
from safebench.commands import bench_against, bench_record, calibration
from safebench.commands.bench_parts import DRAWN, ONLY, PARTS, Job
from safebench.commands.bench_physics import CHAIN
from safebench.env.safeguard import Safeguard
from safebench.report import fit
from safebench.runs import presets, provenance
from safebench.runs.api import guard

COMPILE_TIMES_COUNT = ("physics", "learner", "growth", "scaling")


class Asked(NamedTuple):
    """What the command line names: parts, systems, safeguards, the learner's physics; nothing where empty."""

    what: Sequence[str]
    systems: Sequence[str]
    safeguards: Sequence[str]
    physics: str | None


def bench(
    what: Sequence[str] | None,
    systems: Sequence[str] | None,
    safeguards: Sequence[str] | None,
    physics: str | None,
    out: Path | None,
    console: Console,
    figure: Path | None = None,
    against: Path | None = None,
) -> None:
    """Run parts of the benchmark on systems and safeguards, by name; all where none is named.

    Of the parts, `growth` and `scaling` only where a system is one of theirs. against: a record to compare
    with; what is not named is then what it holds.

    Raises:
        LookupError: for an unknown part, task or safeguard, or a record that is not there, before anything
            runs. ValueError: if growth or scaling is asked for without one of its tasks, a figure without
            one of them, or a comparison with a file that is no record, or has none of the parts.
    """
    for part in what or ():
        if part not in PARTS:
            raise LookupError(registry.unknown("benchmark", part, PARTS))
    record = None if against is None else bench_record.read(against)
    asked = Asked(what or (), systems or (), safeguards or (), physics)
    if record is not None:
        asked = _filled(asked, record, str(against))
    names = list(asked.systems or [*registry.names("task"), CHAIN])
    for name in names:
        if name != CHAIN:
            registry.load("task", name)
    able = [part for part in PARTS if set(names) & set(ONLY.get(part, names))]
    what = asked.what or able
    for part in what:
        if part not in able:
            raise ValueError(f"{part} is that of {', '.join(ONLY[part])}, not of {', '.join(names)}")
    if figure is not None and len(set(asked.what) & set(DRAWN)) != 1:
        raise ValueError(f"--figure draws what {' or '.join(DRAWN)} found: name one of them")
    for path in (out, figure):
        if path is not None:
            atomic.check_writable(path)
    measured = run(what, names, guards(asked.safeguards), asked.physics or "mjx", out, console, figure)
    if against is not None and record is not None:
        bench_against.show(against, record, measured, console)


def _filled(asked: Asked, record: Mapping[str, Any], path: str) -> Asked:
    """What was asked for, and where nothing was, what a record holds."""
    held = bench_record.parts(record)
    what = asked.what or held
    if not set(what) & set(held):
        raise ValueError(f"{path} holds {', '.join(held)}, not {', '.join(what)}")

    def named(parts: Container[str], *fields: str) -> list[str]:
        return bench_record.named(record, [part for part in what if part in parts], *fields)

    physics = [asked.physics, *named(("learner",), "physics")]
    return Asked(
        what,
        asked.systems or named(PARTS, "system", "task"),
        asked.safeguards or named(("safeguards", "filter"), "safeguard"),
        next(filter(None, physics), None),
    )


def run(
    what: Sequence[str],
    names: Sequence[str],
    guards: Mapping[str, Safeguard],
    physics: str,
    out: Path | None,
    console: Console,
    figure: Path | None = None,
) -> dict[str, Any]:
    """Run the parts named in `what` on some systems, print their tables, and write the record to `out`.

    The calibration loop is timed before the first part and after each. Gives the record.
    """
    record: dict[str, Any] = {"what": f"safebench bench {' '.join(what)}"}
    measured_in = asdict(provenance.collect())  # a figure that is drawn later is no part of what was measured
    with console.status(Text("measuring ...")) as status:

        def report(text: str) -> None:
            status.update(Text(text))
            if not console.is_terminal:
                console.print(Text(text), soft_wrap=True)

        taken = calibration.samples()
        for part in what:
            # A compile time read from a cache is no compile time.
            with _cache(part not in COMPILE_TIMES_COUNT):
                measured = PARTS[part](Job(names, guards, physics, report, figure))
            for table in measured.tables:
                fit.show(table, console)
            record[part] = [row._asdict() for row in measured.rows]
            taken += calibration.samples()
    record["calibration"] = calibration.summarise(taken)._asdict()
    record["provenance"] = measured_in
    if out is not None:
        atomic.write(out, json.dumps(record, indent=1) + "\n")
        console.print(Text(f"Wrote {out}"), soft_wrap=True)
    return record


@contextmanager
def _cache(enabled: bool) -> Iterator[None]:
    before = jax.config.values["jax_enable_compilation_cache"]
    _enable(enabled)
    try:
        yield
    finally:
        _enable(before)


def _enable(cache: bool) -> None:
    jax.config.update("jax_enable_compilation_cache", cache)
    compilation_cache.reset_cache()  # jax reads the option once, at the first program of the process


def guards(names: Sequence[str] | None) -> dict[str, Safeguard]:
    """Safeguards by preset name; by default all but the regularised ones, whose actions are the same.

    Raises:
        LookupError: for an unknown name.
    """
    made = {name: guard(name) for name in names or presets.names()}
    return {name: each for name, each in made.items() if names or each.config.regularisation == 0.0}
