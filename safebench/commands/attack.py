"""`safebench certify --attack`: every certified safeguard on every task, and the controls."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from safebench import atomic, registry
from safebench.env.attack import INFLATION, Record, attack, inflated
from safebench.env.safeguard import Safeguard
from safebench.env.task import Task
from safebench.report import fit
from safebench.runs import presets, provenance
from safebench.runs.api import guard


class Plan(NamedTuple):
    """One attack to come. steps: the fewest guarded ones. control: a counterexample must be found.

    checked: whether the environment asks if a corridor is clear.
    """

    target: str
    task: Task
    guard: Safeguard
    control: bool
    steps: int
    checked: bool = True


def attack_all(names: Sequence[str], steps: int, physics: str, out: Path | None, console: Console) -> bool:
    """Attack, print the table and write the record (unless `out` is None); whether all went as it must.

    names: of tasks. steps: the fewest guarded ones per task and safeguard.
    """
    if out is not None:
        atomic.check_writable(out)
    targets = certified()
    records: list[Record] = []
    said = TextColumn("{task.description}", markup=False)
    with Progress(said, BarColumn(), TimeRemainingColumn(), console=console) as progress:
        every = [plan for name in names for plan in plans(registry.make_task(name, physics), targets, steps)]
        bar = progress.add_task("attacking", total=len(every))
        for plan in every:
            progress.update(bar, description=f"{plan.task.name}: {plan.target}")
            records.append(
                attack(plan.task, plan.target, plan.guard, plan.control, plan.steps, checked=plan.checked)
            )
            progress.advance(bar)
    fit.show(table(records), console)
    if out is not None:
        write(records, out)
        console.print(Text(f"Wrote {out}"), soft_wrap=True)
    return all(record.as_expected for record in records)


def certified() -> list[str]:
    """The presets that promise safety.

    Regularisation changes the learner's loss, not the action: its presets would repeat the same attack.
    """
    names = [name for name in presets.names() if presets.resolve(name)[1].CERTIFIED]
    return [name for name in names if not name.endswith("+regularised")]


def plans(task: Task, targets: Sequence[str], steps: int) -> list[Plan]:
    """The attacks on one task: on each target, on no safeguard, on a set made too large and, where the set
    moves, on corridors that are not checked."""
    projection = guard("boundary-projection")
    planned = [
        *(Plan(target, task, guard(target), False, steps) for target in targets),
        Plan("none", task, guard("none"), True, 1),
        Plan(f"offsets x {INFLATION}", inflated(task), projection, True, 1),
    ]
    if task.corridors is not None:
        planned.append(Plan("unchecked corridors", task, projection, True, 1, checked=False))
    return planned


def table(records: Sequence[Record]) -> Table:
    """One row per attack."""
    columns: dict[str, Callable[[Record], str | Text]] = {
        "task": lambda record: record.task,
        "against": lambda record: record.target,
        "steps": lambda record: f"{record.steps:,}",
        "outside": lambda record: f"{record.outside:,}",
        "infeasible": lambda record: f"{record.infeasible:,}",
        "last line": lambda record: f"{record.last_line:,}",
        "first after": lambda record: "-" if record.first is None else f"{record.first:,}",
        "verdict": _verdict,
    }
    shown = Table(title="Attacks", caption=f"{_guarded(records):,} guarded steps; controls must fail soon")
    for heading in columns:
        shown.add_column(heading, justify="left" if heading in ("task", "against") else "right")
    for record in records:
        shown.add_row(*(text(record) for text in columns.values()))
    return shown


def _verdict(record: Record) -> Text:
    kind = "control" if record.control else "safe"
    return Text(kind, style="green") if record.as_expected else Text(f"NOT {kind}", style="red")


def _guarded(records: Sequence[Record]) -> int:
    return sum(record.steps for record in records if not record.control)


def write(records: Sequence[Record], path: Path) -> None:
    """The record of the attacks, as JSON."""
    document = {
        "what": "safebench certify --attack",
        "guarded_steps": _guarded(records),
        "records": [asdict(record) for record in records],
        "provenance": asdict(provenance.collect()),
    }
    atomic.write(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
