"""The cells that the options of a command name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from safebench import registry
from safebench.plugin import Kind
from safebench.runs import presets, settings, suites
from safebench.runs.cell import Cell

KINDS: tuple[Kind, ...] = ("task", "safeguard", "learner")


@dataclass(frozen=True)
class Choice:
    """Names of tasks, safeguards and learners (None: none named), and what differs from standard settings.

    seeds, interactions: None for the standard ones. assignments: OWNER.FIELD=VALUE, as `--set` takes them.
    """

    tasks: list[str] | None
    safeguards: list[str] | None
    learners: list[str] | None
    seeds: int | None
    interactions: int | None
    physics: str
    precision: str
    assignments: Sequence[str]

    def product(self) -> list[Cell]:
        """Every combination of the names.

        Raises:
            ValueError: if one of the three kinds has no name, or a setting is bad.
        """
        return self._changed(suites.product(self.tasks, self.safeguards, self.learners))

    def part_of(self, suite: str) -> list[Cell]:
        """The cells of a suite that have these names; a kind without names: any.

        Raises:
            LookupError: for an unknown suite, or a name it does not have. ValueError: for a bad setting.
        """
        return self._changed(suites.part(suite, self.tasks, self.safeguards, self.learners))

    def _changed(self, cells: Sequence[Cell]) -> list[Cell]:
        changes = settings.parse(list(self.assignments))
        return [
            suites.changed(cell, self.seeds, self.interactions, self.physics, self.precision, changes)
            for cell in cells
        ]


def to_run(choice: Choice, suite: str | None) -> list[Cell]:
    """The cells of a suite, or those named one by one.

    Raises:
        ValueError, LookupError: for an empty choice, an unknown name or a bad setting.
    """
    if suite is not None:
        return choice.part_of(suite)
    if not (choice.tasks or choice.safeguards or choice.learners):
        raise ValueError("say what to run: --suite NAME, or -t TASK -g SAFEGUARD -l LEARNER")
    return choice.product()


def usable(cells: Sequence[Cell], console: Console) -> list[Cell]:
    """The cells without those of installed plug-ins that are broken, which are named: a suite is not to fail
    for a stranger's fault."""
    causes: dict[tuple[str, str], str] = {}
    for cell in cells:
        for kind in KINDS:
            name = getattr(cell, kind)
            if (kind, name) not in causes:
                causes[kind, name] = _cause(kind, name)
    left_out = {named: cause for named, cause in causes.items() if cause}
    for (what, name), cause in left_out.items():
        console.print(Text.assemble(("left out", "yellow"), f" {what} {name}: {cause}"), soft_wrap=True)
    return [cell for cell in cells if not any((kind, getattr(cell, kind)) in left_out for kind in KINDS)]


def _cause(kind: Kind, name: str) -> str:
    """Why a plug-in of somebody else cannot be used; empty if it can, or is none."""
    if name in presets.PRESETS or registry.built_in(kind, name):
        return ""
    try:
        registry.find(kind, name)
        if kind == "task":
            registry.make_task(name, "compiled")
    except (LookupError, ValueError) as error:
        return str(error.args[0])
    return ""


def folder_of(suite: str | None) -> Path:
    """Where the results of a run go if nothing else is said: runs/SUITE."""
    return Path("runs") / (suite or suites.CUSTOM)
