"""What there is: tasks, safeguards, learners and suites, as tables."""

from rich.console import Console
from rich.table import Table

from safebench import presets, proof, registry, suites


def show(kind: str | None, console: Console) -> None:
    """Print one kind, or all four."""
    shows = {"tasks": tasks, "safeguards": safeguards, "learners": learners, "suites": suite_table}
    for name in [kind] if kind else shows:
        console.print(shows[name]())


def tasks() -> Table:
    """Tasks, with the state of their certificates."""
    table = Table("task", "state", "actions", "horizon", "certificate", "what it is", title="Tasks")
    for name in registry.names("task"):
        task = registry.load("task", name).make()
        found = proof.prove(task.certificate, task.dynamics, task.constraints, task.disturbance)
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
    """Safeguard presets, with the plug-in and options behind each."""
    table = Table("safeguard", "plug-in", "settings", "certified", "what it does", title="Safeguards")
    for name in presets.names():
        plugin, module, _ = presets.resolve(name)
        options = presets.PRESETS[name].options if name in presets.PRESETS else {}
        changed = ", ".join(f"{field}={value}" for field, value in options.items()) or "defaults"
        table.add_row(name, plugin, changed, "yes" if module.CERTIFIED else "no", registry.summary(module))
    return table


def learners() -> Table:
    """Learners, with the tasks that have tuned settings."""
    table = Table("learner", "tuned for", "what it is", title="Learners")
    for name in registry.names("learner"):
        module = registry.load("learner", name)
        table.add_row(name, ", ".join(module.SETTINGS), registry.summary(module))
    return table


def suite_table() -> Table:
    """Suites, with their size."""
    table = Table("suite", "cells", "runs", "what it is", title="Suites")
    for name, make in suites.SUITES.items():
        cells = make()
        runs = sum(len(cell.seeds) for cell in cells)
        table.add_row(name, str(len(cells)), str(runs), (make.__doc__ or "").split("\n")[0])
    return table
