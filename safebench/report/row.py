"""One result in a few numbers, as every table and figure shows it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from safebench.record.result import Counters, Result
from safebench.report import stats
from safebench.report.stats import Estimate


class Row(NamedTuple):
    """One result in numbers. Safety counts are over training and evaluation, all seeds.

    success, violated: shares of the last evaluation; None: no goal, or not recorded. time_to_goal: seconds;
    None where no seed reached a goal. switches: a share of all steps; None: not recorded.
    """

    result: Result
    returns: Estimate
    reference: Estimate | None
    interactions_to_95: float | None
    safety: Counters
    success: Estimate | None
    time_to_goal: float | None
    violated: Estimate | None
    switches: float | None


def row(result: Result) -> Row:
    """The figures of one result."""
    finals = [run.final for run in result.runs]
    returns = stats.iqm_interval([final.return_mean for final in finals])
    has_reference = result.runs[0].curve.reference_return is not None
    reference = stats.iqm_interval([final.reference_return for final in finals]) if has_reference else None
    counted = result.counted
    return Row(
        result=result,
        returns=returns,
        reference=reference,
        interactions_to_95=_typical([final.interactions_to_95 for final in finals]),
        safety=counted,
        success=_share([final.success for final in finals]),
        time_to_goal=_typical([final.time_to_goal for final in finals]),
        violated=_share([final.violated for final in finals]),
        switches=None if counted.switches is None else counted.switches / max(counted.steps, 1),
    )


def _typical(values: Sequence[float | None]) -> float | None:
    """The IQM of those that are known."""
    known = [value for value in values if value is not None]
    return float(stats.iqm(np.array(known))) if known else None


def _share(values: Sequence[float | None]) -> Estimate | None:
    """The IQM and its interval; None unless all are known."""
    return None if None in values else stats.iqm_interval(values)
