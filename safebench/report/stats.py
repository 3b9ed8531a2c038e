"""Statistics over few runs, after Agarwal et al., "Deep RL at the Edge of the Statistical Precipice" (2021).

Scores are arrays of runs (one task) or lists of such arrays (several tasks, each with its own number of
runs). A run that diverged counts as -infinity, the worst score there is: no run is ever dropped.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
"""Bootstrap resamples: enough that the ends of a 95 % interval move by a few per cent of its length."""

Scores = Float[np.ndarray, " runs"]


class Estimate(NamedTuple):
    """A statistic and its bootstrap interval."""

    value: float
    low: float
    high: float


def scores(values: Sequence[float | None]) -> Scores:
    """Runs as numbers, None and NaN as -infinity.

    Raises:
        ValueError: if there is no run.
    """
    array = np.array([np.nan if value is None else value for value in values], float)
    if array.ndim != 1 or not len(array):
        raise ValueError("a statistic needs at least one run")
    return np.where(np.isnan(array), -np.inf, array)


def iqm(runs: Float[np.ndarray, "... runs"]) -> Float[np.ndarray, "..."]:
    """Interquartile mean over the last axis: the lowest and highest quarter (rounded down) are left out."""
    runs = np.sort(np.asarray(runs, float), axis=-1)
    cut = runs.shape[-1] // 4
    with np.errstate(invalid="ignore"):
        middle = runs[..., cut : runs.shape[-1] - cut].mean(axis=-1)
    return np.where(np.isnan(middle), -np.inf, middle)  # inf - inf only arises with diverged runs


def bootstrap(
    statistic: Callable[[list[Scores]], float],
    tasks: Sequence[Scores],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A statistic over tasks with its stratified bootstrap percentile interval.

    Stratified: every resample draws, with replacement, as many runs of each task as the task has.

    Raises:
        ValueError: if a task has no run, or confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    if not tasks or any(not len(runs) for runs in tasks):
        raise ValueError("a statistic needs at least one run of every task")
    rng = np.random.default_rng(seed)
    draws = [runs[rng.integers(0, len(runs), (resamples, len(runs)))] for runs in map(np.asarray, tasks)]
    values = np.array([statistic([draw[i] for draw in draws]) for i in range(resamples)])
    return Estimate(float(statistic(list(tasks))), *_interval(values, confidence))


def iqm_interval(
    runs: Sequence[float | None], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The interquartile mean of one task's runs with its bootstrap interval."""
    array = scores(runs)
    rng = np.random.default_rng(seed)
    values = iqm(array[rng.integers(0, len(array), (resamples, len(array)))])
    return Estimate(float(iqm(array)), *_interval(values, confidence))


def _interval(values: Float[np.ndarray, " resamples"], confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    if np.isfinite(values).all():
        low, high = np.quantile(values, [tail, 1 - tail])
    else:  # interpolating between two resamples fails where one of them is -infinity: take the lower
        low, high = np.quantile(values, [tail, 1 - tail], method="lower")
    return float(low), float(high)


def performance_profile(
    tasks: Sequence[Scores], thresholds: Float[np.ndarray, " thresholds"]
) -> Float[np.ndarray, " thresholds"]:
    """Share of runs that score more than each threshold, averaged over tasks."""
    shares = [(np.asarray(runs)[:, None] > np.asarray(thresholds)).mean(axis=0) for runs in tasks]
    return np.mean(shares, axis=0)


def profile_interval(
    tasks: Sequence[Scores],
    thresholds: Float[np.ndarray, " thresholds"],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Float[np.ndarray, " thresholds"], Float[np.ndarray, " thresholds"]]:
    """The pointwise stratified bootstrap interval (low, high) of the performance profile."""
    rng = np.random.default_rng(seed)
    shares = np.zeros((resamples, len(thresholds)))
    for runs in map(np.asarray, tasks):
        above = runs[:, None] > np.asarray(thresholds)
        # A resample's share only depends on how often it drew each run.
        picks = rng.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), size=resamples)
        shares = shares + picks @ above / len(runs) / len(tasks)
    tail = (1 - confidence) / 2
    low, high = np.quantile(shares, [tail, 1 - tail], axis=0)
    return low, high


def probability_of_improvement(first: Sequence[Scores], second: Sequence[Scores]) -> float:
    """Chance that a random run of `first` beats one of `second` on the same task (ties count half).

    Averaged over tasks; per task it is the Mann-Whitney U statistic over the number of pairs.

    Raises:
        ValueError: if the two do not cover the same number of tasks.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"both need runs of the same tasks, not of {len(first)} and {len(second)}")
    chances = []
    for ours, theirs in zip(first, second, strict=True):
        ours, theirs = np.asarray(ours)[:, None], np.asarray(theirs)[None, :]
        chances.append(np.mean((ours > theirs) + 0.5 * (ours == theirs)))
    return float(np.mean(chances))
