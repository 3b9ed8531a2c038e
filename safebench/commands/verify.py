"""`safebench verify`: check submitted results, and train one of their seeds again if asked to."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from safebench.record import files, submission
from safebench.runs import reproduce


def verify(paths: Sequence[Path], seed: int | None, console: Console) -> bool:
    """Check every result file and print the verdicts; whether all are accepted.

    seed: train this one of each accepted file again, and compare (None: none).

    Raises:
        LookupError: if a file has no such seed. ValueError: if it is to be trained again and not standard.
    """
    passed = True
    for path in paths:
        problems = check(path, seed, console)
        for line in problems:
            console.print(f"[red]refused[/red] {line}", soft_wrap=True, highlight=False)
        if not problems:
            console.print(f"[green]accepted[/green] {path}", soft_wrap=True, highlight=False)
        passed = passed and not problems
    return passed


def check(path: Path, seed: int | None, console: Console) -> list[str]:
    """One line for everything that is wrong with a file, or else with its seed when trained again.

    Raises:
        LookupError, ValueError: as `verify`.
    """
    problems = submission.check(path, reproduce.standard_of)
    if problems or seed is None:
        return problems
    found = files.load(path)
    with console.status(f"training seed {seed} of {found.title} again ..."):
        return [f"{path}: {line}" for line in reproduce.rerun(found, seed)]
