"""Results as one table, for analysis with pandas."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from safebench.record import files
from safebench.record.result import CounterColumns, Curve, Result, Run


def _kinds(record: type, prefix: str = "") -> dict[str, type]:
    """The columns of a curve: whole numbers, or numbers of which some may be null."""
    fields = [field for field in dataclasses.fields(record) if field.type is not CounterColumns]
    return {prefix + field.name: int if field.type == tuple[int, ...] else float for field in fields}


COLUMNS: dict[str, type] = {
    **dict.fromkeys(("suite", "task", "safeguard", "learner"), str),
    "seed": int,
    **_kinds(Curve),
    **_kinds(CounterColumns, "training_"),
    **_kinds(CounterColumns, "evaluation_"),
    **dict.fromkeys(("certified", "standard"), bool),
    **dict.fromkeys(("physics", "precision"), str),
}
"""The columns of `load_results`."""


def load_results(folder: str | Path) -> pd.DataFrame:
    """One row per seed and evaluation of every result file below a folder.

    Columns as in the files (`results/README.md`): `training_...` counts since the start of training,
    `evaluation_...` those of one evaluation. What is null in a file is NaN. A file that cannot be read
    is left out, with a warning that names it.

    >>> import safebench
    >>> frame = safebench.load_results("results/quick")
    >>> frame.groupby("safeguard")["training_violations"].max() > 0
    safeguard
    boundary-projection    False
    none                    True
    ray-mask               False
    Name: training_violations, dtype: bool

    Raises:
        ValueError: if the folder does not exist.
    """
    results, problems = files.load_folder(folder)
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
    frames: list[pd.DataFrame] = []
    for result in results:
        try:
            frames += [_rows(result, run) for run in result.runs]
        except (ValueError, OverflowError) as error:
            problems.append(f"{result.title} ({result.suite}): cannot be a table: {error}")
    for line in problems:
        warnings.warn(line, UserWarning, stacklevel=2)
    return pd.concat(frames or [empty], ignore_index=True)


def _rows(result: Result, run: Run) -> pd.DataFrame:
    """One seed, a row per evaluation.

    Raises:
        ValueError: if its columns differ in length. OverflowError: for a count that no computer counts to.
    """
    columns: dict[str, Any] = {
        "suite": result.suite,
        "task": result.task.name,
        "safeguard": result.safeguard.name,
        "learner": result.learner.name,
        "seed": run.seed,
        **{name: values for name, values in vars(run.curve).items() if name in COLUMNS},
        **{f"training_{name}": counts for name, counts in vars(run.curve.training).items()},
        **{f"evaluation_{name}": counts for name, counts in vars(run.curve.evaluation).items()},
        "certified": result.certified,
        "standard": result.settings.standard,
        "physics": result.physics,
        "precision": result.precision,
    }
    return pd.DataFrame(columns).astype(COLUMNS)
