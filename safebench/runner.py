"""Run many cells: skip the finished, keep what is done, show progress."""

from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from safebench import provenance, result, standards
from safebench.result import Result
from safebench.run import Prepared, prepare, run
from safebench.snapshot import Snapshot
from safebench.suites import Cell


def path_of(cell: Cell, folder: Path) -> Path:
    """The result file of a cell."""
    return result.cell_path(folder, _stem(cell.task), _stem(cell.safeguard), _stem(cell.learner))


def finished(prepared: Prepared, folder: Path) -> Result | None:
    """The cell's result if its file is there.

    Raises:
        ValueError: if the file is damaged, or holds the cell with other settings.
    """
    cell = prepared.cell
    path = path_of(cell, folder)
    if not path.exists():
        return None
    try:
        found = result.load(path)
    except ValueError as error:
        raise ValueError(f"{error} (move the file away, or redo the cell with --force)") from None
    same = (
        found.seeds == cell.seeds
        and found.physics in (cell.physics, "plain")
        and found.precision == cell.precision
        and found.settings == provenance.settings(cell)
        and found.learner.config == standards.as_json(prepared.learner_config)
        and found.safeguard.config == standards.as_json(prepared.safeguard_config)
    )
    if not same:
        raise ValueError(
            f"{path}: holds this cell with other settings; choose another --out, or redo it with --force"
        )
    return found


def execute(cells: list[Cell], folder: Path, force: bool, console: Console) -> list[Result]:
    """Run every unfinished cell, each result written before the next cell starts.

    Raises:
        ValueError, LookupError: for a bad cell or result file, before anything runs.
        OSError: if the folder cannot be written, before anything runs.
    """
    results: dict[Cell, Result] = {}
    for cell in cells:
        prepared = prepare(cell)
        found = None if force else finished(prepared, folder)
        if found is not None:
            results[cell] = found
    _check_writable(folder)
    if results:
        console.print(f"{len(results)} of {len(cells)} cells were finished before: skipped (--force redoes)")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for cell in cells:
            if cell in results:
                continue
            bar = progress.add_task(cell.title, total=cell.interactions, state="compiling")

            def report(snapshot: Snapshot, bar=bar, cell=cell) -> None:
                state = "training"
                if snapshot.evaluated is not None:
                    rate = snapshot.interactions * len(cell.seeds) / max(snapshot.seconds, 1e-9)
                    state = f"return {snapshot.evaluated.return_mean:.1f}, {rate:.0f} steps/s"
                progress.update(bar, completed=snapshot.interactions, total=snapshot.of, state=state)

            results[cell] = run(cell, report)
            result.write(results[cell], path_of(cell, folder))
            if not console.is_terminal:
                console.print(f"{cell.title}: done in {results[cell].timing.train_seconds:.0f} s")
    return [results[cell] for cell in cells]


def _check_writable(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"cannot write results to {str(folder)!r}: {error.strerror}") from None


def _stem(name: str) -> str:
    """A plug-in's short name: of `./my_task.py` and `package.my_task` it is `my-task`."""
    if name.endswith(".py"):
        return Path(name).stem.replace("_", "-").lower()
    return name.rpartition(".")[2].replace("_", "-").lower()
