"""How the settings of a learner for a task were chosen: every try, and what it reached. Never imports jax.

The files below results/tuning/ hold one such record each, TASK/LEARNER.json.
"""
# ruff: noqa: RUF009 (`about` only wraps dataclasses.field)

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from safebench import atomic
from safebench.record.result import NAME, Provenance
from safebench.record.strict_json import about, build, plain

Returns = Mapping[str, Sequence[float | None]]
"""By safeguard, the final return of every seed; None where it is not finite."""


@dataclass(frozen=True)
class Reached:
    """What a try reached with one safeguard."""

    safeguard: str = about("the safeguard", pattern=NAME, longest=64)
    final_return: tuple[float | None, ...] = about("of every seed, at the end; null: not finite")
    violations: int = about("in training and evaluation, of all seeds", minimum=0)


@dataclass(frozen=True)
class Try:
    """One draw from the search space."""

    settings: dict[str, Any] = about("the learner's settings that were drawn")
    reached: tuple[Reached, ...] = about("with every safeguard", shortest=1)


@dataclass(frozen=True)
class Tuning:
    """The search for a learner's settings for a task."""

    task: str = about("the task", pattern=NAME, longest=64)
    learner: str = about("the learner", pattern=NAME, longest=64)
    seeds: tuple[int, ...] = about("tuning seeds", minimum=0, shortest=1)
    interactions: int = about("training steps that each seed may take", "steps", minimum=1)
    physics: str = about("implementation of the dynamics", pattern="mjx|compiled|plain")
    space: dict[str, Any] = about("the choices of every setting that was searched")
    tries: tuple[Try, ...] = about("in the order in which they were drawn", shortest=1)
    chosen: int = about("index of the try that was chosen", minimum=0)
    provenance: Provenance = about("where it comes from")


def best(tries: Sequence[Returns]) -> int:
    """The try with the lowest sum of ranks over the safeguards, by the mean over seeds; of equals the first.

    A seed that is not finite makes its try the last with that safeguard.
    """
    ranks = np.zeros(len(tries))
    for safeguard in tries[0]:
        means = [mean(returns[safeguard]) for returns in tries]
        ranks += rankdata([-value for value in means], method="min")
    return int(ranks.argmin())


def mean(returns: Sequence[float | None]) -> float:
    """Over the seeds; minus infinity where one is not finite."""
    finite = [value for value in returns if value is not None and math.isfinite(value)]
    return float(np.mean(finite)) if len(finite) == len(returns) else -math.inf


def write(record: Tuning, path: str | Path) -> None:
    """Write a record, whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    atomic.write(Path(path), json.dumps(plain(record), indent=1, allow_nan=False) + "\n")


def load(path: str | Path) -> Tuning:
    """Read a record.

    Raises:
        ValueError: if it is none, with the place.
    """
    return build(Tuning, json.loads(Path(path).read_text()))
