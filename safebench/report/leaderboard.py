"""`safebench leaderboard DIR`: standard results as leaderboard.json, leaderboard.md and one HTML page."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from safebench import atomic
from safebench.record import admission
from safebench.record.admission import Claims, Known, LeftOut
from safebench.record.result import Result
from safebench.record.strict_json import plain
from safebench.report import page
from safebench.report.board import SCHEMA_VERSION, Entry, Leaderboard, entry_of
from safebench.report.leaderboard_text import markdown
from safebench.report.selection import one_per_cell

NOTHING = "Nothing is ranked"
MOST_CHANGES = 5
"""Changed settings that a reason names."""


class Written(NamedTuple):
    """The files written, the results kept off by reason, and why nothing is ranked (None: something is)."""

    paths: list[Path]
    left_out: tuple[str, ...]
    empty: str | None


def write(
    folder: str | Path,
    out: str | Path | None = None,
    known: Known | None = None,
    claims: Claims | None = None,
) -> Written:
    """Write leaderboard.json, leaderboard.md and leaderboard.html of a folder's results into it (or `out`).

    known: certificates of every task, None: not checked. claims: see safebench.record.admission.

    Raises:
        ValueError: if the folder does not exist or holds no readable result.
        OSError: if the files cannot be written.
    """
    target = Path(out if out is not None else folder)
    admitted, left_out = admission.admit(folder, known, claims, "for a leaderboard")
    atomic.check_writable(target / "leaderboard.json")
    board = _board(admitted, left_out, known)
    texts = {
        "leaderboard.json": json.dumps(plain(board), indent=1, allow_nan=False) + "\n",
        "leaderboard.md": markdown(board),
        "leaderboard.html": page.page(plain(board)),
    }
    for name, text in texts.items():
        atomic.write(target / name, text)
    return Written([target / name for name in texts], board.left_out, board.empty)


def make(
    results: Sequence[Result],
    problems: Sequence[str] = (),
    known: Known | None = None,
    claims: Claims | None = None,
) -> Leaderboard:
    """The leaderboard of some results: only standard and consistent ones enter, one per cell.

    problems: lines on what could not be read. known, claims: as `write`.
    """
    admitted, left_out = [], []
    for cell in results:
        wrong = admission.fault(cell, known, claims)
        if wrong:
            left_out.append(LeftOut(_name(cell), wrong))
        else:
            admitted.append(cell)
    board = _board(admitted, left_out, known)
    return replace(board, left_out=(*problems, *board.left_out))


def _board(results: Sequence[Result], left_out: Sequence[LeftOut], known: Known | None) -> Leaderboard:
    """The leaderboard of results that are what they claim to be; `left_out`: of those that are not."""
    reasons = [_unfit(cell, known) for cell in results]
    unfit = [LeftOut(_name(cell), why) for cell, why in zip(results, reasons, strict=True) if why]
    shown, others = one_per_cell([cell for cell, why in zip(results, reasons, strict=True) if not why])
    entries = sorted(map(entry_of, shown), key=_order)
    ranks: dict[str, int] = {}
    ranked = []
    for entry in entries:
        if entry.certified and entry.return_iqm is not None:
            ranks[entry.task] = ranks.get(entry.task, 0) + 1
            entry = replace(entry, rank=ranks[entry.task])
        ranked.append(entry)
    kept_off = tuple(admission.grouped([*left_out, *unfit, *others]))
    return Leaderboard(SCHEMA_VERSION, tuple(ranked), _nothing_ranked(ranked), kept_off)


def _name(cell: Result) -> str:
    return f"{cell.title} ({cell.suite})"


def _unfit(cell: Result, known: Known | None) -> str | None:
    """Why a result has no place on a leaderboard, true as it may be."""
    if not cell.settings.standard:
        changed = cell.settings.changed
        more = ", ..." if len(changed) > MOST_CHANGES else ""
        return f"not standard (changed: {', '.join(name[:40] for name in changed[:MOST_CHANGES])}{more})"
    if cell.failed_seeds:
        seeds = ", ".join(map(str, cell.failed_seeds))
        return f"every update of seed{'s' if len(cell.failed_seeds) > 1 else ''} {seeds} was skipped"
    if admission.unknown_task(cell, known):
        return f"task {cell.task.name!r} is not installed here, so that its certificate cannot be checked"
    return None


def _nothing_ranked(entries: Sequence[Entry]) -> str | None:
    """In words, why nothing is ranked; None if something is."""
    if any(entry.rank is not None for entry in entries):
        return None
    if not entries:
        return f"{NOTHING}: every result was kept off, for the reasons below."
    if any(entry.certified for entry in entries):
        return f"{NOTHING}: every certified entry diverged."
    return f"{NOTHING}: none of the entries is certified."


def _order(entry: Entry) -> tuple:
    size = -entry.return_iqm if entry.return_iqm is not None else math.inf
    return entry.task, not entry.certified, size, entry.safeguard, entry.learner
