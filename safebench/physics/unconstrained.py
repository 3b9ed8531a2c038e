"""States that a safe set does not speak of: a pole that swings while its cart must stay on a rail.

A safe set of some states alone is sound where the next values of these depend on no others: then the system
of them is a system of its own, with its own proof. `check_independent` shows that for a mechanical model from
the formulas of its accelerations: those of constrained joints must not contain an unconstrained state.
Joints commanded by acceleration have such formulas whatever hangs on them.

Rounding alone knows of the others: the forces that give a commanded acceleration are larger where they move
fast. Every unconstrained state has therefore a range, which rounding is allowed for up to.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import mujoco
import numpy as np
from jaxtyping import Float, Int

from safebench.physics.commands import Commanded
from safebench.physics.expression import degrees, program
from safebench.physics.force_bound import limit_of
from safebench.physics.rigid_body import accelerations_of, forces_of
from safebench.sets.inclusion import Inclusion
from safebench.sets.polytope import Box

Array = np.ndarray

Unconstrained = Mapping[int, float]
"""By index of a state that no constraint speaks of, the largest magnitude that it is expected to have."""

NONE: Unconstrained = MappingProxyType({})


def constrained(states: int, unconstrained: Unconstrained) -> Int[Array, " k"]:
    """The indices of the other states, in their order."""
    return np.array([i for i in range(states) if i not in unconstrained], int)


def whole(part: Box, unconstrained: Unconstrained) -> Box:
    """The box of all states: `part` of those that are constrained, their ranges of the others."""
    states = len(part.lower) + len(unconstrained)
    radius = np.array([unconstrained.get(i, 0.0) for i in range(states)])
    low, high = -radius, radius.copy()
    kept = constrained(states, unconstrained)
    low[kept], high[kept] = part
    return Box(low, high)


def of_part(inclusion: Inclusion, kept: Int[Array, " k"]) -> Inclusion:
    """The inclusion of some states, whose motion depends on no others."""
    states = len(inclusion.origin)

    def widened(directions: Float[Array, "r k"]) -> Float[Array, "r n"]:
        given = np.atleast_2d(np.asarray(directions, float))
        wide = np.zeros((len(given), states))
        wide[:, kept] = given
        return wide

    return inclusion._replace(
        origin=inclusion.origin[kept],
        state=inclusion.state[np.ix_(kept, kept)],
        action=inclusion.action[kept],
        support=lambda directions: inclusion.support(widened(directions)),
        magnitude=inclusion.magnitude[kept],
        shares=lambda directions: inclusion.shares(widened(directions)),
    )


def indices_of(names: Sequence[str], ranges: Mapping[str, float]) -> Unconstrained:
    """Ranges by index instead of by name.

    Raises:
        ValueError: if a name is unknown, a range no finite number above 0, or no state is left.
    """
    for name, value in ranges.items():
        if name not in names:
            raise ValueError(f"unconstrained names {name!r}, expected states among {', '.join(names)}")
        if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
            raise ValueError(f"unconstrained state {name} has the range {value!r}, expected a number above 0")
    if ranges and len(ranges) == len(names):
        raise ValueError("every state is unconstrained: a safe set must speak of one")
    return MappingProxyType({names.index(name): float(value) for name, value in ranges.items()})


def check_independent(
    model: mujoco.MjModel, names: Sequence[str], unconstrained: Unconstrained, commanded: Commanded = ()
) -> None:
    """Show that the next constrained states of a model depend on no unconstrained one.

    names: of the states, (q, v).

    Raises:
        ValueError: naming the state that does and the one that it depends on.
    """
    joints = model.nv
    graph, outputs = accelerations_of(model, commanded)
    code = program(graph, outputs)
    reads = np.array([degrees(code, [j]) for j in range(2 * joints)]) != 0
    for joint in range(joints):
        speed = joints + joint
        if joint not in unconstrained and speed in unconstrained:
            raise ValueError(
                f"{names[joint]} is constrained, so {names[speed]} must be: it is how fast the other changes"
            )
        for other in unconstrained if speed not in unconstrained else ():
            if reads[other, joint]:
                raise ValueError(
                    f"{names[speed]} depends on {names[other]}, which is unconstrained: constrain that, or "
                    f"command the joint of {names[joint]} by acceleration"
                )
    _check_limits(model, names, unconstrained, commanded)


def _check_limits(
    model: mujoco.MjModel, names: Sequence[str], unconstrained: Unconstrained, commanded: Commanded
) -> None:
    """Refuse limits of forces that depend on an unconstrained state: nothing bounds those."""
    code = program(*forces_of(model, commanded))
    for other in unconstrained:
        for order, actuator in zip(degrees(code, [other]), commanded, strict=True):
            if order and limit_of(model, actuator) < np.inf:
                raise ValueError(
                    f"the forcerange of {model.actuator(actuator).name} cannot be proven: the force depends "
                    f"on {names[other]}, which is unconstrained; leave it out"
                )
