"""`safebench sweep --draw`: fair tuning of learners for tasks, and the record of each."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from safebench import atomic
from safebench.commands.choice import Choice
from safebench.commands.sweep import run_combinations, show
from safebench.plugin import name_of
from safebench.record import tuning as records
from safebench.record.tuning import Tuning
from safebench.report.tuning import tunings
from safebench.runs import tuning


def run_tuning(
    tries: int,
    over: Sequence[str],
    choice: Choice,
    folder: Path,
    force: bool,
    workers: int | None,
    console: Console,
) -> bool:
    """Tune every learner for every task; whether all cells ended and kept their promise.

    Each try is evaluated once, at its end, unless `choice` says how often.

    The record of each is FOLDER/TASK/LEARNER.json, its ranking and results in FOLDER/TASK/LEARNER.

    Raises:
        ValueError, LookupError: for a bad cell, or a learner with nothing to draw from, before anything runs.
    """
    if over:
        raise ValueError("--draw draws from the learner's SEARCH: leave out --over")
    cells = replace(choice, safeguards=choice.safeguards or list(tuning.SAFEGUARDS)).product()
    count = len(tuning.SEEDS) if choice.seeds is None else choice.seeds
    if not 1 <= count <= len(tuning.SEEDS):
        raise ValueError(f"there are {len(tuning.SEEDS)} tuning seeds, --seeds wants {count}")
    cells = [replace(cell, seeds=tuning.SEEDS[:count]) for cell in cells]
    if not any(text.startswith("evaluation.points=") for text in choice.assignments):
        cells = [replace(cell, evaluations=1) for cell in cells]  # the choice is by the end alone
    pairs = list(itertools.product(choice.tasks or (), choice.learners or ()))
    draws = {(task, learner): tuning.drawn(learner, task, tries) for task, learner in pairs}
    kept = True
    for (task, learner), combinations in draws.items():
        place = folder / name_of(task) / name_of(learner)
        path = place.with_name(f"{place.name}.json")
        atomic.check_writable(path)
        bases = [cell for cell in cells if (cell.task, cell.learner) == (task, learner)]
        ran = run_combinations(bases, combinations, place, force, workers, console)
        kept = kept and ran.kept
        tried = [
            [result for other, result in ran.done if other == combination] for combination in combinations
        ]
        if any(len(each) < len(bases) for each in tried):
            console.print(f"{task}, {learner}: cells are missing, so nothing is chosen: run it again")
            kept = False
            continue
        found = tuning.record(learner, task, combinations, tried)
        records.write(found, path)
        say(found, path, console)
    return kept


def say(found: Tuning, path: Path, console: Console) -> None:
    """What was chosen, what the tries reached, and where the record is."""
    settings = found.tries[found.chosen].settings
    listed = ", ".join(f"{name}={value}" for name, value in settings.items())
    console.print(
        Text.assemble(
            (f"Chosen for {found.task}, {found.learner}: ", "bold"),
            f"{listed} (try {found.chosen + 1} of {len(found.tries)})",
        ),
        soft_wrap=True,
    )
    show(tunings([found]), console)
    console.print(Text(f"Wrote {path}"), soft_wrap=True)
