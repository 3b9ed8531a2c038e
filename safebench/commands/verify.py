"""`safebench verify`: check submitted results, and train one of their seeds again if asked to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from safebench.record import files, submission
from safebench.record.result import Result
from safebench.runs import reproduce


def verify(
    paths: Sequence[Path], seed: int | None, given: Mapping[str, str | None], console: Console
) -> bool:
    """Check every result file and print the verdicts; whether all are accepted.

    seed: train this one of each accepted file again, and compare (None: none).
    given: files of plug-ins that are not registered, by "task", "safeguard" and "learner"; such results are
        checked against the settings that they record, since there are no standard ones.

    Raises:
        LookupError: if a file has no such seed. ValueError: if it is to be trained again and not standard.
    """
    named = {kind: file for kind, file in given.items() if file is not None}
    passed = True
    for path in paths:
        problems = check(path, seed, named, console)
        for line in problems:
            console.print(Text.assemble(("refused", "red"), f" {line}"), soft_wrap=True)
        if not problems:
            note = " (not standard: made with files of its own)" if named else ""
            console.print(Text.assemble(("accepted", "green"), f" {path}{note}"), soft_wrap=True)
        passed = passed and not problems
    return passed


def check(path: Path, seed: int | None, given: Mapping[str, str], console: Console) -> list[str]:
    """One line for everything that is wrong with a file, or else with its seed when trained again.

    Raises:
        LookupError, ValueError: as `verify`.
    """

    def standard_of(found: Result) -> submission.Standard:
        strangers = [kind for kind in given if kind not in found.from_files]
        if strangers:
            kind = strangers[0]
            raise LookupError(f"its {kind} is a registered one, not {given[kind]}: leave that option out")
        return reproduce.standard_of(found, given)

    problems = submission.check(path, standard_of)
    if problems or seed is None:
        return problems
    found = files.load(path)
    with console.status(Text(f"training seed {seed} of {found.title} again ...")):
        again = reproduce.rerun(found, seed, given) if given else reproduce.rerun(found, seed)
        return [f"{path}: {line}" for line in again]
