"""Where the training of a cell stands, as plain numbers: what live tables and trackers show."""

from typing import NamedTuple

from safebench.result import Counters


class Evaluated(NamedTuple):
    """One evaluation. Means are over all seeds, counts are sums; NaN where not finite or not known.

    return_mean, reference_return: as in safebench.result.Curve.
    policy_loss, value_loss, gradient_norm: of the updates since the evaluation before.
    skipped: updates not made because a gradient was not finite, since training began.
    training: safety since training began. evaluation: safety of this evaluation alone.
    """

    return_mean: float
    reference_return: float
    policy_loss: float
    value_loss: float
    gradient_norm: float
    skipped: int
    training: Counters
    evaluation: Counters


class Snapshot(NamedTuple):
    """The state of a run: once compiled (nothing evaluated yet), then after every evaluation.

    interactions: training steps done by each seed. of: how many each seed will do.
    seconds: since training began.
    """

    interactions: int
    of: int
    seconds: float
    evaluated: Evaluated | None
