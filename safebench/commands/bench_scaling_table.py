"""One row of `safebench bench scaling`, and its table; without jax."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

AXES: Mapping[str, str] = {
    "seeds": "an interaction of one seed",
    "window": "an interaction",
    "environments": "a guarded step",
    "rows": "a safeguarded action",
}
"""What grows, and what the microseconds of its rows are of."""
HEADS = ("grows", "size", "wall\nus", "CPU\nus", "temporary\nMB", "memory\nMB", "compile\ns")
UNITS = "Microseconds of " + ", ".join(f"{unit} ({axis})" for axis, unit in AXES.items())
"""What the table's microseconds are of, in a line."""


class Scaling(NamedTuple):
    """One program, at one size of what grows.

    axis: one of AXES; the unit of wall_us and cpu_us is there. wall_us, cpu_us: microseconds, after
        compilation, by the wall's clock and of all threads.
    temporary_mb: what the program needs beside its arguments and outputs, by XLA's plan; memory_mb: with
        them. Megabytes are 1e6 bytes.
    """

    axis: str
    size: int
    task: str
    safeguard: str
    wall_us: float
    cpu_us: float
    temporary_mb: float
    memory_mb: float
    compile_seconds: float


def lines(found: Sequence[Scaling]) -> list[list[str]]:
    """The table's body, a row per program, below HEADS."""
    return [
        [f"{row.axis}, {row.safeguard}", str(row.size), *(f"{value:.3g}" for value in row[4:])]
        for row in found
    ]
