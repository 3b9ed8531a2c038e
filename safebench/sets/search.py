"""How far a synthesis looks, how it tells its progress, and how it says that it found nothing."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True)
class Search:
    """How far to look.

    candidates: LQR laws tried per block. refinements: random changes then tried on the best one.
    contraction: lambda of every row. row_price: volume share that one more row (before pruning) must gain;
    smaller sets of rows make faster safeguards. max_rows: give up beyond this. max_steps: longest look-ahead.
    share: part of a translated coordinate's constraint kept for the base set.
    samples: Monte Carlo points of the volume. seed: of weights and samples.
    """

    candidates: int = 60
    refinements: int = 60
    contraction: float = 0.9995
    row_price: float = 1e-5
    max_rows: int = 6000
    max_steps: int = 500
    share: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3)
    samples: int = 200_000
    seed: int = 0


class SynthesisError(ValueError):
    """No safe set was found; the message says which row failed, how much it lacked and what to try."""
