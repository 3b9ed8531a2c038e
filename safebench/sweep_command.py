"""What `safebench sweep` does once its options are read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from safebench import summary, sweep
from safebench.result import Result
from safebench.run import prepare
from safebench.run_command import place_of
from safebench.runner import execute
from safebench.suites import Cell


def run_sweep(
    bases: Sequence[Cell],
    grid: Mapping[str, Sequence[str]],
    folder: Path,
    force: bool,
    workers: int | None,
    console: Console,
) -> bool:
    """Run the grid, print and write its ranking; whether all cells ended and kept their promise.

    Raises:
        ValueError, LookupError: for a bad field, value or cell, before anything runs.
    """
    place = place_of("here", workers)
    failed: dict[Cell, str] = {}

    def run_cells(cells: list[Cell], into: Path) -> list[Result]:
        outcome = execute(cells, into, force, console, place)
        failed.update(outcome.failed)
        return outcome.results

    try:
        done = sweep.run(bases, grid, folder, prepare, run_cells, console)
    except KeyboardInterrupt:
        console.print("interrupted: finished cells are kept; the same command goes on from there")
        raise
    if done:
        found = sweep.table(done)
        sweep.show(found, console)
        for path in sweep.write(found, folder):
            console.print(f"Wrote {path}", soft_wrap=True)
    for cell, problem in failed.items():
        console.print(f"[red]failed[/red] {cell.title}: {problem}", soft_wrap=True, highlight=False)
    broken = [result for _, result in done if summary.broken_promise(result)]
    for result in broken:
        console.print(f"[red]UNSAFE[/red] {result.title}: a certified cell counted safety failures")
    return not broken and not failed
