"""What a task under a safeguard is called in other libraries' registries."""

from collections.abc import Iterator

from safebench import registry
from safebench.runs import presets

VERSION = 1
"""Of the adapters: spaces, seeding, what is in `info`. A task's own version is `Task.version`."""


def slug(task: str, safeguard: str) -> str:
    """One name for both: registries do not take the "+" of a preset."""
    return f"{task}-{safeguard}".replace("+", "-")


def every() -> Iterator[tuple[str, str]]:
    """Every registered task with every preset. No plug-in is imported."""
    return ((task, safeguard) for task in registry.names("task") for safeguard in presets.names())
