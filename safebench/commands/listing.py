"""What there is: tasks, safeguards, learners and suites, as tables."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from safebench import registry
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
            console.print(make())


def tasks() -> Table:
    """Tasks, with the state of their certificates; one that cannot be made says why."""
    table = _table("Tasks", "task", "states", "actions", "horizon", "safe set", "what it is")
    for name in registry.names("task"):
        try:
            task = registry.make_task(name, "compiled")
            found = proof.prove(task)
        except ValueError as error:
            table.add_row(name, "-", "-", "-", "[red]FAILS[/red]", escape(str(error)))
            continue
        status = "[green]proven[/green]" if found.passed else "[red]FAILS[/red]"
        table.add_row(
            name,
            str(len(task.state_names)),
            str(len(task.action_names)),
            str(task.horizon),
            status,
            task.summary,
        )
    return table


def safeguards() -> Table:
    """Safeguards, and the presets that configure them."""
    table = _table("Safeguards", "safeguard", "certified", "what it does")
    for name in registry.names("safeguard"):
        module = registry.load("safeguard", name)
        certified = "[green]yes[/green]" if module.CERTIFIED else "no"
        table.add_row(name, certified, registry.summary(module))
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
    for name in registry.names("learner"):
        module = registry.load("learner", name)
        table.add_row(name, ", ".join(module.SETTINGS), registry.summary(module))
    return table


def suite_table() -> Table:
    """Suites, with their size."""
    table = _table("Suites", "suite", "cells", "runs", "what it is")
    for name, make in suites.SUITES.items():
        cells = make()
        runs = sum(len(cell.seeds) for cell in cells)
        table.add_row(name, str(len(cells)), str(runs), (make.__doc__ or "").split("\n")[0])
    return table


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading)
    return table
