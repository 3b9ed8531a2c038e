"""What got slower than in a record of `safebench bench --out`; of plain dicts, without jax.

A ratio is (time now / calibration now) / (time then / calibration then): a machine that is slower, or busier,
takes longer for the calibration loop too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from safebench.commands.bench_record import Figure, calibrated, figures, joined, parts
from safebench.commands.bench_table import table
from safebench.report import fit

SLOWER = 1.2
"""Ratios above this are named."""
NAMED = 6
"""Rows that a line names before it counts the others."""


class Slower(NamedTuple):
    """A time that grew. ratio: relative to the calibration where both records have one."""

    figure: Figure
    then: float
    now: float
    ratio: float


class Comparison(NamedTuple):
    """What got slower, the worst first; how many figures both records hold; rows of one of them alone.

    Rows are told as text: part and names.
    """

    slower: tuple[Slower, ...]
    compared: int
    only_then: tuple[str, ...]
    only_now: tuple[str, ...]


def compare(then: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """The times of two records, of the parts that the second one holds.

    Where one of them has no calibration, ratios are those of the times alone.
    """
    before, after = figures({part: then[part] for part in parts(now) if part in then}), figures(now)
    unit = _units(then, now)
    common = [figure for figure in after if figure in before]
    grown = [
        Slower(figure, before[figure], after[figure], after[figure] / before[figure] / unit[figure.clock])
        for figure in common
    ]
    slower = sorted((each for each in grown if each.ratio > SLOWER), key=lambda each: -each.ratio)
    return Comparison(tuple(slower), len(common), _rows_of(before, after), _rows_of(after, before))


def show(path: Path, then: Mapping[str, Any], now: Mapping[str, Any], console: Console) -> None:
    """Print what got slower than in the record at `path`, and what only one of the two holds."""
    found, limit = compare(then, now), f"{100 * (SLOWER - 1):.0f} %"
    said = "Slower than" if found.slower else "Nothing got slower than"
    if found.compared:
        console.print(Text(f"{said} {path} by more than {limit}, {_how(then, now)}"), soft_wrap=True)
    if found.slower:
        shown = table(None, "part", "of", "time", "then", "now", "times as long")
        for each in found.slower:
            what, of = each.figure, joined(*each.figure.row)
            cells = (f"{each.then:.3g}", f"{each.now:.3g}", f"{each.ratio:.2f}")
            shown.add_row(what.part, of, joined(what.field, what.within), *cells)
        fit.show(shown, console)
    console.print(Text(f"Figures compared: {found.compared}"), soft_wrap=True)
    for rows, where in ((found.only_now, "not in the record"), (found.only_then, "in the record alone")):
        if rows:
            more = f", and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
            console.print(Text(f"{where}: {'; '.join(rows[:NAMED])}{more}"), soft_wrap=True)


def _how(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if not (calibrated(then) and calibrated(now)):
        again = f"safebench bench {' '.join(parts(then))} --out FILE"
        return (
            "NOT CALIBRATED: it has no time of the calibration loop, so a slower or busier machine looks "
            f"like slower code; `{again}` writes a record that has one"
        )
    old, new = then["calibration"], now["calibration"]
    seconds = [f"{each['wall_seconds']:.3g} s on {each['device']}" for each in (old, new)]
    return f"relative to the calibration loop ({seconds[0]} then, {seconds[1]} now)"


def _units(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float]:
    """How many times longer the calibration loop takes now, by clock."""
    if not (calibrated(then) and calibrated(now)):
        return {"wall": 1.0, "cpu": 1.0}
    old, new = then["calibration"], now["calibration"]
    return {clock: new[f"{clock}_seconds"] / old[f"{clock}_seconds"] for clock in ("wall", "cpu")}


def _rows_of(figures: Mapping[Figure, float], others: Mapping[Figure, float]) -> tuple[str, ...]:
    """The rows, and fields of rows that both have, that the others lack."""
    known = {figure[:2] for figure in others}
    lacking = [figure for figure in figures if figure not in others]
    told = [figure if figure[:2] in known else Figure(*figure[:2], "") for figure in lacking]
    return tuple(dict.fromkeys(joined(each.part, *each.row, each.field, each.within) for each in told))
