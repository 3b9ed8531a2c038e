"""`safebench report` and `safebench leaderboard`: what is made of result files. Neither needs jax."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from safebench.report import leaderboard, report


def write_report(folder: Path, out: Path | None, paper: Path | None, console: Console) -> None:
    """Write tables and figures of a folder's results; say what was written and left out.

    out: FOLDER/report by default. paper: reference figures instead of the shipped ones.

    Raises:
        ValueError: if there are no results, or the reference figures are damaged.
    """
    done = report.write(folder, out, paper)
    _show(done.written, done.left_out, console)


def write_leaderboard(folder: Path, out: Path | None, console: Console) -> None:
    """Write the leaderboard of a folder's results; say what was written and left out.

    out: the folder itself by default.

    Raises:
        ValueError: if there are no results.
    """
    done = leaderboard.write(folder, out)
    _show(done.paths, done.left_out, console)


def _show(written: Sequence[Path], left_out: Sequence[str], console: Console) -> None:
    console.print("Wrote:")
    for path in written:
        console.print(f"  {path}", soft_wrap=True)
    for line in left_out:
        console.print(f"[yellow]left out[/yellow] {line}", soft_wrap=True, highlight=False)
