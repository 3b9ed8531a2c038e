"""The Lagrange multiplier of a constraint on violations, moved by a PID controller (Stooke et al. 2020).

The constraint: of the steps of training at most the share `cost_limit` may violate. After every update the
multiplier sees by how much the window's share exceeds the limit (arXiv 2007.03964, algorithm 2). With the
integral gain alone this is projected dual ascent, the multiplier of Ray et al. 2019 ("Benchmarking safe
exploration in deep reinforcement learning").
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.env.require import require_share, require_within, shown
from safebench.env.safety import Safety

LARGEST = 100.0
"""The largest multiplier: beyond it the reward weighs less than 1 % and nothing changes but the way back."""


class Multiplier(NamedTuple):
    """value: lambda >= 0. integral: its integral part. excess: the share beyond the limit, last time."""

    value: Float[Array, ""]
    integral: Float[Array, ""]
    excess: Float[Array, ""]


def fresh_multiplier() -> Multiplier:
    """Lambda 0, as if the limit had just been met."""
    zero = jnp.zeros(())
    return Multiplier(zero, zero, zero)


def move_multiplier(
    multiplier: Multiplier | None,
    safety: Safety,
    cost_limit: float | None,
    gains: tuple[float, float, float] | None,
) -> Multiplier | None:
    """The multiplier after a window of steps, whose share of violations it compares with the limit.

    safety: of the window's steps, one entry each. gains: proportional, integral, derivative; the derivative
    part only answers a rising share. The integral is projected to [0, LARGEST], which keeps it from winding
    up while the limit is met, or cannot be. Without a multiplier or a limit: None.
    """
    if multiplier is None or cost_limit is None or gains is None:
        return None
    proportional, integral, derivative = gains
    excess = jnp.mean(safety.violations, dtype=multiplier.value.dtype) - cost_limit
    summed = jnp.clip(multiplier.integral + integral * excess, 0.0, LARGEST)
    rise = jnp.maximum(excess - multiplier.excess, 0.0)
    value = jnp.clip(proportional * excess + summed + derivative * rise, 0.0, LARGEST)
    return Multiplier(value, summed, excess)


def penalised(
    gain: Float[Array, "*batch"], cost: Float[Array, "*batch"], multiplier: Multiplier
) -> Float[Array, "*batch"]:
    """(gain - lambda cost) / (1 + lambda): the Lagrangian, no larger than its parts."""
    return (gain - multiplier.value * cost) / (1.0 + multiplier.value)


def require_constraint(cost_limit: float | None, multiplier_gains: tuple[float, float, float] | None) -> None:
    """A limit is a share and has gains, each a number from 0 to 1e6, not all 0; None: no constraint.

    Raises:
        ValueError: in one line, naming the setting.
    """
    if cost_limit is not None:
        require_share("cost_limit", cost_limit)
    gains = multiplier_gains
    if gains is None and cost_limit is None:
        return
    wanted = "three numbers >= 0, not all 0 (proportional, integral, derivative)"
    if not (isinstance(gains, tuple) and len(gains) == 3):
        where = "" if cost_limit is None else " with a cost_limit"
        raise ValueError(f"multiplier_gains must be {wanted}{where}, not {shown(gains)}")
    for gain in gains:
        require_within("multiplier_gains", gain, 0, 1e6)
    if not any(gains):
        raise ValueError(f"multiplier_gains must be {wanted}, not {shown(gains)}")
