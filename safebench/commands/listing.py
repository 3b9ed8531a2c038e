"""What there is: tasks, safeguards, learners and suites, as tables."""

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safebench import registry
from safebench.plugin import Kind, speaking
from safebench.report import fit
from safebench.runs import presets, suites
from safebench.sets import proof


def show(kind: str | None, console: Console) -> None:
    """Print one kind, or all four."""
    shows = {
        "tasks": (tasks,),
        "safeguards": (safeguards, preset_table),
        "learners": (learners,),
        "suites": (suite_table,),
    }
    for name in [kind] if kind else shows:
        for make in shows[name]:
            fit.show(make(), console)


def tasks() -> Table:
    """Tasks, with the state of their certificates; one that cannot be used says why."""
    table = _table("Tasks", "task", "states", "actions", "horizon", "safe set", "what it is")
    broken = registry.broken("task")
    for name in _all("task", broken):
        if name in broken:
            table.add_row(name, "-", "-", "-", BROKEN, Text(broken[name]))
            continue
        try:
            table.add_row(name, *_task(name))
        except ValueError as error:
            table.add_row(name, "-", "-", "-", Text("FAILS", style="red"), Text(str(error)))
    return table


def _task(name: str) -> list[Text]:
    task = registry.make_task(name, "compiled")
    with speaking(f"task {name!r}"):
        found = proof.prove(task)
        status = Text("proven", style="green") if found.passed else Text("FAILS", style="red")
        sizes = [len(task.state_names), len(task.action_names), task.horizon]
        return [*(Text(str(size)) for size in sizes), status, Text(task.summary)]


def safeguards() -> Table:
    """Safeguards, and the presets that configure them."""
    table = _table("Safeguards", "safeguard", "certified", "what it does")
    broken = registry.broken("safeguard")
    for name in _all("safeguard", broken):
        if name in broken:
            table.add_row(name, BROKEN, Text(broken[name]))
            continue
        module = registry.load("safeguard", name)
        certified = Text("yes", style="green") if module.CERTIFIED else Text("no")
        table.add_row(name, certified, Text(registry.summary(module)))
    return table


def preset_table() -> Table:
    """Named configurations of safeguards; the paper's nine come first."""
    table = _table("Safeguard presets", "preset", "settings", "in the paper")
    for name, preset in presets.PRESETS.items():
        changed = ", ".join(f"{field}={value}" for field, value in preset.options.items()) or "defaults"
        table.add_row(name, changed, "yes" if name in presets.PAPER else "")
    return table


def learners() -> Table:
    """Learners, with the tasks that have tuned settings."""
    table = _table("Learners", "learner", "tuned for", "what it is")
    broken = registry.broken("learner")
    for name in _all("learner", broken):
        if name in broken:
            table.add_row(name, BROKEN, Text(broken[name]))
            continue
        found = registry.find("learner", name)
        changed = ", ".join(f"{field}={value}" for field, value in found.options.items())
        text = registry.summary(found.module) + (f" With {changed}." if changed else "")
        table.add_row(name, ", ".join(map(str, found.module.SETTINGS)), Text(text))
    return table


def suite_table() -> Table:
    """Suites, with their size."""
    table = _table("Suites", "suite", "cells", "runs", "what it is")
    for name, make in suites.SUITES.items():
        cells = make()
        runs = sum(len(cell.seeds) for cell in cells)
        table.add_row(name, str(len(cells)), str(runs), (make.__doc__ or "").split("\n")[0])
    return table


BROKEN = Text("broken", style="red")
"""Of a plug-in that is installed and cannot be used."""


def _all(kind: Kind, broken: Mapping[str, str]) -> list[str]:
    return sorted({*registry.names(kind), *broken})


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading)
    return table
