"""Every task under every safeguard, in Gymnasium's registry."""

import gymnasium

from safebench.adapters import identifiers


def gymnasium_id(task: str, safeguard: str) -> str:
    """What `gymnasium.make` calls a task under a safeguard; the "+" of a preset is a "-" there."""
    return f"safebench/{identifiers.slug(task, safeguard)}-v{identifiers.VERSION}"


def register() -> None:
    """Register every task with every preset. No plug-in is imported before it is made."""
    for task, safeguard in identifiers.every():
        gymnasium.register(
            gymnasium_id(task, safeguard),
            entry_point="safebench.gymnasium:Environment",
            vector_entry_point="safebench.gymnasium:VectorEnvironment",
            kwargs={"task": task, "safeguard": safeguard},
        )
