"""Combinations of settings, all of a grid or some drawn: one cell for each, each in its own folder."""

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from safebench.record.result import Result
from safebench.runs import settings
from safebench.runs.cell import Cell

Combination = Mapping[str, str]
"""Values by OWNER.FIELD."""

MOST = 10_000
"""Combinations of one sweep."""


def parse(over: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """["learner.window=16,32"] -> {"learner.window": ("16", "32")}.

    Values are separated by commas outside brackets: "(64,64),(128,128)" are two.

    Raises:
        ValueError: for anything else than OWNER.FIELD=VALUE,..., an empty or repeated value or field.
    """
    grid: dict[str, tuple[str, ...]] = {}
    for text in over:
        target, _, listed = text.partition("=")
        values = tuple(value.strip() for value in _split(listed))
        if not re.fullmatch(r"(learner|safeguard)\.\w+", target) or "" in values:
            raise ValueError(
                f"--over wants learner.FIELD=VALUE,VALUE,... or safeguard.FIELD=..., not {text!r}"
            )
        if target in grid:
            raise ValueError(f"--over names {target} twice: give all its values at once")
        if len(set(values)) < len(values):
            raise ValueError(f"--over {target} names a value twice: {listed}")
        grid[target] = values
    if not grid:
        raise ValueError("say what to sweep: --over learner.FIELD=VALUE,VALUE,...")
    count = math.prod(map(len, grid.values()))
    if count > MOST:
        raise ValueError(f"--over asks for {count} combinations, at most {MOST} can be run")
    return grid


def every(grid: Mapping[str, Sequence[str]]) -> list[Combination]:
    """Every combination of the values, the last field changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def folder_name(combination: Combination) -> str:
    """E.g. "learner.discount=0.9,learner.policy_hidden=64x64"."""
    return ",".join(f"{name}={_file_name(value)}" for name, value in combination.items())


def cells(base: Cell, combinations: Sequence[Combination]) -> dict[str, Cell]:
    """The cell of every combination, by the name of its folder.

    Raises:
        ValueError: if a swept field is also set, or two combinations would share a folder.
    """
    fixed = [f"learner.{name}" for name, _ in base.learner_changes]
    fixed += [f"safeguard.{name}" for name, _ in base.safeguard_changes]
    fixed += [f"task.{name}" for name, _ in base.task_changes]
    both = sorted(set(fixed) & {name for combination in combinations for name in combination})
    if both:
        raise ValueError(f"{both[0]} is both set (--set) and swept (--over)")
    found: dict[str, Cell] = {}
    for combination in combinations:
        name = folder_name(combination)
        if name in found:
            raise ValueError(f"two combinations would share the folder {name!r}: choose other values")
        changes = settings.parse([f"{field}={value}" for field, value in combination.items()])
        found[name] = dataclasses.replace(
            base,
            learner_changes=(*base.learner_changes, *changes.get("learner", {}).items()),
            safeguard_changes=(*base.safeguard_changes, *changes.get("safeguard", {}).items()),
            task_changes=(*base.task_changes, *changes.get("task", {}).items()),
        )
    return found


def run(
    bases: Sequence[Cell],
    combinations: Sequence[Combination],
    folder: Path,
    prepare: Callable[[Cell], object],
    execute: Callable[[list[Cell], Path], list[Result]],
    console: Console,
) -> list[tuple[Combination, Result]]:
    """Run every combination of every base cell, finished ones skipped; in the order given.

    prepare: builds a cell, raising for bad settings: all are tried before the first runs.

    Raises:
        ValueError, LookupError: for a bad field, value or cell, before anything runs.
    """
    by_folder: dict[str, list[Cell]] = {}
    for base in bases:
        for name, cell in cells(base, combinations).items():
            by_folder.setdefault(name, []).append(cell)
            prepare(cell)
    done: list[tuple[Combination, Result]] = []
    for index, (combination, (name, chosen)) in enumerate(zip(combinations, by_folder.items(), strict=True)):
        number = (f"{index + 1} of {len(by_folder)}:", "bold")
        console.print(Text.assemble(number, f" {name}"), soft_wrap=True)
        done += [(combination, result) for result in execute(chosen, folder / name)]
    return done


def _split(listed: str) -> list[str]:
    """At the commas outside brackets."""
    parts, depth = [""], 0
    for character in listed:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _file_name(value: str) -> str:
    """A value as part of a folder's name: "(64, 64)" is "64x64"."""
    inner = re.sub(r"\s+", "", value).strip("()[],").replace(",", "x")
    return re.sub(r"[^A-Za-z0-9.+-]", "_", inner) or "empty"
