"""What the tries of tunings reached: of every learner, how good its choice is, and how hard to find."""

from collections.abc import Sequence

import numpy as np

from safebench.record.tuning import Tuning, mean
from safebench.report.table import Entry, Table

CLOSE = 0.05
"""Share of the best return by which a try may lie below it and still count as close."""
NOTE = (
    "Returns: at the end of training, mean over the tuning seeds. Chosen: of the try with the lowest sum of "
    "ranks over the safeguards; best: of the best try with this safeguard. Close: tries no more than "
    f"{100 * CLOSE:.0f} % below the best."
)


def tunings(records: Sequence[Tuning]) -> Table:
    """A row for every record and safeguard."""
    rows: list[tuple[Entry, ...]] = []
    for record in sorted(records, key=lambda each: (each.task, each.learner)):
        for index, named in enumerate(record.tries[0].reached):
            returns = np.array([mean(one.reached[index].final_return) for one in record.tries])
            best = float(returns.max())
            rows.append(
                (
                    *(record.task, record.learner, named.safeguard),
                    *(len(returns), float(returns[record.chosen]), best, float(np.median(returns))),
                    int((np.isfinite(returns) & (returns >= best - CLOSE * abs(best))).sum()),
                )
            )
    header = ("task", "learner", "safeguard", "tries", "chosen", "best", "median", "close")
    return Table("tuning", "What tunings reached", header, tuple(rows), NOTE)
