"""What `safebench run` does once its options are read."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import jax
from rich.console import Console
from rich.text import Text

from safebench.commands.ending import Interrupted
from safebench.record import admission
from safebench.record.result import Result
from safebench.report import plots, summary
from safebench.runs import events, precision
from safebench.runs.cell import Cell
from safebench.runs.events import Place
from safebench.runs.here import here
from safebench.runs.paths import path_of
from safebench.runs.runner import Outcome, execute

HERE = "here"
RAY = "ray"
INTERRUPTED = (
    "interrupted: finished cells are kept, and long ones where they stood; "
    "the same command (without --force) goes on from there"
)


def run_cells(
    cells: list[Cell],
    folder: Path,
    force: bool,
    on: str,
    workers: int | None,
    trackers: list[str],
    console: Console,
    checkpoints: bool = False,
) -> bool:
    """Run cells and show their table; whether all of them ended and kept their promise.

    Raises:
        ValueError, LookupError: for a bad cell, place or tracker, before anything runs.
    """
    place = place_of(on, workers)
    require_device(place, on)
    if place is not here:
        jax.config.update("jax_platforms", "cpu")  # an accelerator's memory is for those who train
    with contextlib.ExitStack() as stack:
        track = None
        if trackers:
            from safebench.runs.track import tracking

            track = stack.enter_context(tracking(trackers, folder))
        try:
            outcome = execute(cells, folder, force, console, place, track, checkpoints)
        except KeyboardInterrupt:
            console.print(INTERRUPTED, soft_wrap=True)
            raise Interrupted from None
    _show(outcome, cells, folder, console)
    kept_promise = keep_promises(outcome.results, console)
    return kept_promise and not outcome.failed and not any(found.failed_seeds for found in outcome.results)


def require_device(place: Place, on: str = HERE) -> None:
    """The device that cells are to be trained on, before anything is done; a cluster's is not known here.

    Raises:
        ValueError: if there is none.
    """
    if place is here:
        precision.require_device()
    elif on == HERE:
        precision.require_device_elsewhere()


def keep_promises(results: Sequence[Result], console: Console) -> bool:
    """Whether no certified cell counted a safety failure; those that did are named."""
    broken = [result for result in results if result.broken_promise]
    for result in broken:
        line = f" {result.title}: a certified cell counted safety failures"
        console.print(Text.assemble(("UNSAFE", "red"), line), soft_wrap=True)
    return not broken


def place_of(on: str, workers: int | None) -> Place:
    """Where cells run: this process, workers of this machine, or a Ray cluster.

    Raises:
        ValueError: for an unknown place, fewer than one worker, or if Ray is not installed.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"--workers must be at least 1, not {workers}")
    kind, _, address = on.partition(":")
    if kind == RAY:
        from safebench.runs.cluster import on_ray

        return on_ray(address or None, workers)
    if on != HERE:
        raise ValueError(f"--on wants {HERE!r}, {RAY!r} or '{RAY}:ADDRESS', not {on!r}")
    if workers is None or workers == 1:
        return here
    from safebench.runs.workers import workers as in_workers

    return in_workers(workers)


def _show(outcome: Outcome, cells: list[Cell], folder: Path, console: Console) -> None:
    if outcome.results:
        summary.show(outcome.results, console)
        figures = plots.save(
            plots.learning_curves(_all_of(folder, outcome.results)), folder / "learning_curves"
        )
        paths = [path_of(cell, folder) for cell in dict.fromkeys(cells)]
        console.print("Wrote:")
        for path in [*(path for path in paths if path.exists()), *figures]:
            console.print(Text(f"  {path}"), soft_wrap=True)
    say_failed(outcome, console, folder)


def say_failed(outcome: Outcome, console: Console, folder: Path | None = None) -> None:
    """One line for every cell that failed, or of which some updates were skipped."""
    for cell, problem in outcome.failed.items():
        details = None if folder is None else path_of(cell, folder).with_suffix(".error.txt")
        where = f" (see {details})" if details is not None and details.exists() else ""
        console.print(Text.assemble(("failed", "red"), f" {cell.title}: {problem}{where}"), soft_wrap=True)
    said = {cell.title for cell in outcome.failed}
    for result in outcome.results:
        if result.skipped and result.title not in said:
            tried = sum(run.curve.updates[-1] for run in result.runs if run.curve.updates)
            problem = events.nothing_learnt(result)
            word = ("failed", "red") if problem else ("skipped", "yellow")
            line = problem or f"{result.skipped:,} of {tried:,} updates: a loss or gradient was not finite"
            console.print(Text.assemble(word, f" {result.title}: {line}"), soft_wrap=True)


def _all_of(folder: Path, results: Sequence[Result]) -> list[Result]:
    """The results of a run, and all others that its folder holds and that are what they claim to be."""
    try:
        found = admission.admit(folder).results
    except ValueError:  # none that can be read
        found = []
    known = {(result.suite, result.title): result for result in [*found, *results]}
    return list(known.values())
