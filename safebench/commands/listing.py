"""What there is: tasks, safeguards, learners and suites, as tables; proofs, which take long, come last."""

from collections.abc import Callable, Mapping

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
    """Print one kind, or all four: first what is known at once, then proofs of safe sets as they are made."""
    tables: dict[str, tuple[Callable[[], Table], ...]] = {
        "tasks": (tasks,),
        "safeguards": (safeguards, preset_table),
        "learners": (learners,),
        "suites": (suite_table,),
    }
    for name in [kind] if kind else tables:
        for make in tables[name]:
            fit.show(make(), console)
    if kind in (None, "tasks"):
        prove_safe_sets(console)


def tasks() -> Table:
    """Tasks; one that cannot be used says why."""
    table = _table("Tasks", "task", "what it is")
    broken = registry.broken("task")
    for name in _all("task", broken):
        if name in broken:
            table.add_row(name, Text.assemble(BROKEN, f": {broken[name]}"))
            continue
        table.add_row(name, _described("task", name))
    return table


def prove_safe_sets(console: Console) -> None:
    """Print the size and the safe set of every task that can be used, each when its proof has been made."""
    broken = registry.broken("task")
    names = [name for name in registry.names("task") if name not in broken]
    table = _table("Safe sets, checked here and now", "task", "states", "actions", "horizon", "safe set")
    table.columns[0].min_width = max(map(len, names), default=0)
    add = fit.begin(table, console)
    with console.status(Text()) as status:
        for done, name in enumerate(names):
            status.update(Text(f"{name}: proving its safe set ({done} of {len(names)} done)"))
            try:
                cells, problem = _task(name)
            except ValueError as error:
                cells, problem = ["-", "-", "-", FAILS], str(error)
            add(name, *cells)
            if problem:
                console.print(Text(f"  {problem}"), soft_wrap=True)
    console.print()


def _task(name: str) -> tuple[list[str | Text], str]:
    """States, actions, horizon and verdict; and why a proof failed, "" where it did not."""
    task = registry.make_task(name, "compiled")
    with speaking(f"task {name!r}"):
        found = proof.prove(task)
        sizes = [len(task.state_names), len(task.action_names), task.horizon]
        status = Text("proven", style="green") if found.passed else FAILS
        return [*map(str, sizes), status], "; ".join(found.failures)


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
        settings = registry.load("learner", name).SETTINGS
        table.add_row(name, ", ".join(map(str, settings)), _described("learner", name))
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
FAILS = Text("FAILS", style="red")
"""Of a task that cannot be made, or whose set is not proven."""


def _described(kind: Kind, name: str) -> Text:
    """What a plug-in's file says of itself, and what the name changes."""
    found = registry.find(kind, name)
    changed = ", ".join(f"{field}={value}" for field, value in found.options.items())
    return Text(registry.summary(found.module) + (f" With {changed}." if changed else ""))


def _all(kind: Kind, broken: Mapping[str, str]) -> list[str]:
    return sorted({*registry.names(kind), *broken})


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading)
    return table
