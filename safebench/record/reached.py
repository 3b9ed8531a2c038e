"""How many interactions a learning curve needs to reach a level."""

import math
from collections.abc import Sequence


def interactions_to_final(
    interactions: Sequence[int], returns: Sequence[float | None], tolerance: float = 0.05
) -> int | None:
    """First evaluated interactions whose return is at most 5 % of |final return| below the final return.

    The paper's "# steps" (arXiv 2506.01665). One-sided, as its archive has it: a run that was better
    before it ended worse counts from its first point. None if the final return is not finite.
    """
    final = returns[-1]
    if final is None or not math.isfinite(final):
        return None
    return interactions_to(interactions, returns, final - tolerance * abs(final))


def interactions_to(interactions: Sequence[int], returns: Sequence[float | None], level: float) -> int | None:
    """First evaluated interactions whose return is at least `level`; None if there are none."""
    reached = zip(interactions, returns, strict=True)
    return next((int(count) for count, value in reached if value is not None and value >= level), None)
