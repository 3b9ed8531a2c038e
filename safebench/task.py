"""What the author of a task imports; everything of safebench that a task needs, and no more.

A task is a module with `make(physics) -> Task` and `synthesise(progress) -> Certificate`: see
`tasks/pendulum.py`, or begin with `safebench new task NAME`. Its model and certificate lie beside its file:
`shipped_model(__file__)` and `shipped_certificate(__file__, dynamics)` find them.
"""

from safebench.env.corridor import Corridor, Corridors, Start
from safebench.env.derivatives import safe_norm
from safebench.env.picture import Discs, Picture
from safebench.env.shipped import shipped_certificate, shipped_model
from safebench.env.task import (
    STARTS,
    Context,
    Task,
    allowed,
    reset,
    uniform_disturbance,
    uniform_starts,
)
from safebench.physics.dynamics import Dynamics, Physics, linear, mechanical
from safebench.sets.certificate import Certificate
from safebench.sets.polytope import Box, box, symmetric_box
from safebench.sets.search import Progress, Search
from safebench.sets.synthesis import prove_safe_set

__all__ = [
    "STARTS",
    "Box",
    "Certificate",
    "Context",
    "Corridor",
    "Corridors",
    "Discs",
    "Dynamics",
    "Physics",
    "Picture",
    "Progress",
    "Search",
    "Start",
    "Task",
    "allowed",
    "box",
    "linear",
    "mechanical",
    "prove_safe_set",
    "reset",
    "safe_norm",
    "shipped_certificate",
    "shipped_model",
    "symmetric_box",
    "uniform_disturbance",
    "uniform_starts",
]
