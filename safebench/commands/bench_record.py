"""A record of `safebench bench --out` and the times that it holds; plain dicts, without jax."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safebench.record import json_text

EXPECTED = "--against takes a file that `safebench bench --out FILE` wrote"


class Figures(NamedTuple):
    """Fields of a part's rows: those that tell rows apart, times by the wall's clock, and by the CPU's.

    A row without one of its names holds ratios of others, and is not compared.
    """

    names: tuple[str, ...]
    wall: tuple[str, ...]
    cpu: tuple[str, ...] = ()


FIGURES: Mapping[str, Figures] = {
    "physics": Figures(
        ("system", "physics"), ("forward_ms", "gradient_ms", "forward_compile", "gradient_compile")
    ),
    "safeguards": Figures(("task", "safeguard", "batch"), ("forward_us", "forward_backward_us")),
    "learner": Figures(("task", "safeguard", "learner", "physics"), ("compile_seconds", "seconds_per_1000")),
    "filter": Figures(("task", "safeguard", "arguments"), ("median_us", "percentile_95_us")),
    "scaling": Figures(("axis", "size", "task", "safeguard"), ("wall_us", "compile_seconds"), ("cpu_us",)),
    "growth": Figures(
        ("task", "joints"),
        (),
        (
            *("certify_seconds", "guard_us", "train_seconds"),
            *("compile_seconds", "step_us", "step_compile_seconds"),
        ),
    ),
}
"""What a record holds, part by part."""


class Figure(NamedTuple):
    """Which time: its part, the names of its row, its field, and a name within it where it holds several."""

    part: str
    row: tuple[str | int, ...]
    field: str
    within: str = ""

    @property
    def clock(self) -> str:
        """By which clock it was measured, "wall" or "cpu"."""
        return "cpu" if self.field in FIGURES[self.part].cpu else "wall"


def read(path: Path) -> dict[str, Any]:
    """A record that `safebench bench --out` wrote.

    Raises:
        LookupError: if there is no such file. ValueError: if it holds no record. Both name the file and
            what was expected. OSError: if it cannot be read.
    """
    try:
        record = json_text.decode(json_text.read(path))
        _check(record)
    except FileNotFoundError:
        raise LookupError(f"there is no record {path}: {EXPECTED}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {EXPECTED}") from None
    return record


def parts(record: Mapping[str, Any]) -> list[str]:
    """The parts that a record holds, in its order."""
    return [part for part in record if part in FIGURES]


def named(record: Mapping[str, Any], among: Sequence[str], *fields: str) -> list[str]:
    """What the rows of some parts have in some of their names, such as "task", each once."""
    found = [
        row[field]
        for part in among
        for row in record.get(part, ())
        if set(FIGURES[part].names) <= set(row)
        for field in fields
        if field in FIGURES[part].names
    ]
    return list(dict.fromkeys(found))


def joined(*names: str | int) -> str:
    """Names in one line; "" is no name."""
    return " ".join(str(name) for name in names if name != "")


def calibrated(record: Mapping[str, Any]) -> bool:
    """Whether a record says how long the calibration loop took."""
    return "calibration" in record


def figures(record: Mapping[str, Any]) -> dict[Figure, float]:
    """Every time of a record."""
    return {figure: value for part in parts(record) for figure, value in _of_part(part, record[part])}


def _of_part(part: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Figure, float]]:
    names, wall, cpu = FIGURES[part]
    for row in rows:
        if set(names) <= set(row):
            key = tuple(row[name] for name in names)
            for field in wall + cpu:
                value = row.get(field, {})
                held = value if isinstance(value, Mapping) else {"": value}
                for within, time in held.items():
                    yield Figure(part, key, field, within), time


def _check(record: Any) -> None:
    if not isinstance(record, dict) or not parts(record):
        raise ValueError(f"holds none of {', '.join(FIGURES)}")
    for part in parts(record):
        if not isinstance(record[part], list) or not all(isinstance(row, dict) for row in record[part]):
            raise ValueError(f"{part} is no list of rows")
        for row in record[part]:
            _check_names(part, row)
    for figure, value in figures(record).items():
        if not _is_time(value):
            raise ValueError(f"{joined(figure.part, *figure.row, *figure[2:])} is {value!r:.40}, not a time")
    if not figures(record):
        raise ValueError("holds no times")
    if calibrated(record):
        _check_calibration(record["calibration"])


def _check_names(part: str, row: Mapping[str, Any]) -> None:
    for name in FIGURES[part].names:
        if not isinstance(row.get(name, ""), str | int):
            raise ValueError(f"{part}: {name} is {row[name]!r:.40}, not a name")


def _check_calibration(found: Any) -> None:
    for name in ("wall_seconds", "cpu_seconds"):
        value = found.get(name) if isinstance(found, dict) else None
        if not _is_time(value):
            raise ValueError(f"calibration.{name} is {value!r:.40}, not a time")
    if not isinstance(found.get("device"), str):
        raise ValueError(f"calibration.device is {found.get('device')!r:.40}, not a name")


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and value > 0
