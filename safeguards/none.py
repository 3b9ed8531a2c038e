"""No safeguard: the proposed action within the actuator limits, whatever it does."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.safeguard import (
    ActionSet,
    Guarded,
    Safeguard,
    clip_to_box,
    finite_centre,
    require_weight,
    safe_norm,
)

CERTIFIED = False
"""It promises nothing: the unguarded baseline."""


@dataclass(frozen=True)
class Config:
    """regularisation: weight kappa of the learner's extra loss kappa |a_s - a|^2 (here: beyond the box)."""

    regularisation: float = 0.0

    def __post_init__(self):
        require_weight("regularisation", self.regularisation)


def one_to_one(config: Config) -> bool:
    """Every action of the box is applied as it is."""
    return True


def make(config: Config = Config()) -> Safeguard:
    """Clip to [-1, 1]^m; only a NaN or infinity is replaced (by the centre), so that physics stays finite."""

    def apply(a: Float[Array, " m"], actions: ActionSet) -> Guarded:
        a = a.astype(actions.normals.dtype)
        finite = jnp.all(jnp.isfinite(a))
        a = jnp.where(finite, a, finite_centre(actions))
        action = clip_to_box(a)
        yes, no = jnp.ones((), bool), jnp.zeros((), bool)
        return Guarded(action, safe_norm(action - a), feasible=yes, last_line=no, finite=finite)

    return apply
