"""`safebench report` and `safebench leaderboard`: what is made of result files. Neither needs jax."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from safebench.commands import claims
from safebench.report import escape, leaderboard, report


def write_report(folder: Path, out: Path | None, paper: Path | None, console: Console) -> None:
    """Write tables and figures of a folder's results; say what was written and left out.

    out: FOLDER/report by default. paper: reference figures instead of the shipped ones.

    Raises:
        ValueError: if there are no results, or the reference figures are damaged.
    """
    done = report.write(folder, out, paper, claims.known_certificates(), claims.contradictions)
    _show(done.written, done.left_out, console)
    for line in done.remarks:
        _say("note", "dim", line, console)


def write_leaderboard(folder: Path, out: Path | None, console: Console) -> None:
    """Write the leaderboard of a folder's results; say what was written, left out, and if nothing is ranked.

    out: the folder itself by default.

    Raises:
        ValueError: if there are no results.
    """
    done = leaderboard.write(folder, out, claims.known_certificates(), claims.contradictions)
    _show(done.paths, done.left_out, console)
    if done.empty:
        _say("note", "yellow", done.empty, console)


def _show(written: Sequence[Path], left_out: Sequence[str], console: Console) -> None:
    console.print(Text("Wrote:"))
    for path in written:
        console.print(Text(f"  {escape.printable(str(path))}"), soft_wrap=True)
    for line in left_out:
        _say("left out", "yellow", line, console)


def _say(label: str, style: str, line: str, console: Console) -> None:
    console.print(Text.assemble((label, style), f" {escape.printable(line)}"), soft_wrap=True)
