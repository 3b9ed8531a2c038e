"""Safety counters: what happened at every single step, summed, never averaged away."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from safebench.record.result import CounterColumns, Counters, column


class Safety(NamedTuple):
    """Counts over some number of environment steps (one step when it comes out of `Env.step`).

    steps: environment steps counted.
    violations: next states outside the constraints X (ground truth).
    departures: next states outside the certified safe set S, all that violate among them.
    infeasible: steps at which the safe action set was found empty.
    last_line: uses of the last line, the shrink to the certified centre.
    interventions: steps at which the applied action differs from the proposed one.
    non_finite: steps with a NaN or infinity in the proposed action, the next state or the reward.
    switches: steps at which the safe set's corridor changed; 0 where the set is fixed. No failure.
    correction: sum of |applied - proposed| (Euclidean, normalised actions).
    worst_margin: largest signed distance beyond any constraint, in units of that constraint's
        half-width; negative while every state is strictly inside.
    """

    steps: Int[Array, "..."]
    violations: Int[Array, "..."]
    departures: Int[Array, "..."]
    infeasible: Int[Array, "..."]
    last_line: Int[Array, "..."]
    interventions: Int[Array, "..."]
    non_finite: Int[Array, "..."]
    switches: Int[Array, "..."]
    correction: Float[Array, "..."]
    worst_margin: Float[Array, "..."]


def none() -> Safety:
    """The counters of zero steps."""
    zero = jnp.zeros((), jnp.int32)
    return Safety(zero, zero, zero, zero, zero, zero, zero, zero, jnp.zeros(()), jnp.full((), -jnp.inf))


def total(safety: Safety) -> Safety:
    """Sum the counters over every axis (maximum for the worst margin); no gradient flows through."""
    safety = jax.tree.map(jax.lax.stop_gradient, safety)
    summed = jax.tree.map(jnp.sum, safety._replace(worst_margin=jnp.zeros(())))
    return summed._replace(worst_margin=jnp.max(safety.worst_margin))


def add(first: Safety, second: Safety) -> Safety:
    """Counters of both periods together, elementwise."""
    summed = jax.tree.map(jnp.add, first, second)
    return summed._replace(worst_margin=jnp.maximum(first.worst_margin, second.worst_margin))


def counters(safety: Safety) -> Counters:
    """As plain numbers, of counters already summed; None for a correction or margin that is not finite."""
    return Counters(**{name: column(np.asarray(value)[None])[0] for name, value in safety._asdict().items()})


def columns(safety: Safety) -> CounterColumns:
    """As columns of plain numbers, one entry per entry of the counters' only axis."""
    return CounterColumns(**{name: column(value) for name, value in safety._asdict().items()})
