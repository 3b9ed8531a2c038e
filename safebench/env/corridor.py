"""Corridors: the part of a safe set that an episode carries, so that the set can move with it.

A certificate with translations proves S = S0 + T r for every fixed reference r. A corridor [low, high] gives
the references that are allowed, so S(corridor) = {x : x - T r in S0 for some r in the corridor}, and it
is proven for all corridors at once (condition 8 in safebench.sets.proof). The positions of all its states
lie in the corridor's free box. What keeps an episode safe is then only

  - every corridor's free box is clear of obstacles, and
  - the state lies in S(corridor).

Both hold at the start; the safeguard keeps the second; a task's `move` may propose any other corridor,
and the environment takes it only if both hold for it. Keeping the old one is always allowed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray, Scalar


class Corridor(NamedTuple):
    """The references low <= r <= high, one per translation of the certificate (k = 0: the set is fixed)."""

    low: Float[Array, " k"]
    high: Float[Array, " k"]


FIXED: Any = Corridor((), ())  # type: ignore[arg-type]
"""The corridor of a safe set that does not move: no numbers at all."""


class Start(NamedTuple):
    """Where an episode begins."""

    x: Float[Array, " n"]
    context: Any
    corridor: Corridor = FIXED


@dataclass(frozen=True, kw_only=True)
class Corridors:
    """What makes a task's safe set move. Pure functions of one episode.

    begin: key -> Start. Its state must lie in S(corridor) and its corridor must be clear.
    move: (x+, context, corridor) -> the corridor that the task would like next. It is not trusted.
    clearance: (context, corridor) -> how far the corridor's free boxes stay clear of everything that must
        not be touched, in metres; negative where they do not. This one is trusted: keep it short. It must
        not change with the context's `advance`: nothing but the bodies moves.
    """

    begin: Callable[[PRNGKeyArray], Start]
    move: Callable[[Array, Any, Corridor], Corridor]
    clearance: Callable[[Any, Corridor], Scalar]
