"""What `safebench run` does once its options are read."""

import contextlib
from pathlib import Path

import jax
from rich.console import Console

from safebench.report import plots, summary
from safebench.runs.cell import Cell
from safebench.runs.events import Place
from safebench.runs.here import here
from safebench.runs.paths import path_of
from safebench.runs.runner import Outcome, execute

HERE = "here"
RAY = "ray"


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
            console.print("interrupted: finished cells are kept; the same command goes on from there")
            raise
    _show(outcome, cells, folder, console)
    broken = [result for result in outcome.results if result.broken_promise]
    for result in broken:
        console.print(f"[red]UNSAFE[/red] {result.title}: a certified cell counted safety failures")
    return not broken and not outcome.failed


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
        figures = plots.save(plots.learning_curves(outcome.results), folder / "learning_curves")
        written = [path_of(cell, folder) for cell in dict.fromkeys(cells) if cell not in outcome.failed]
        console.print("Wrote:")
        for path in [*written, *figures]:
            console.print(f"  {path}", soft_wrap=True)
    for cell, problem in outcome.failed.items():
        details = path_of(cell, folder).with_suffix(".error.txt")
        console.print(f"[red]failed[/red] {cell.title}: {problem} (see {details})", soft_wrap=True)
