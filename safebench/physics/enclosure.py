"""What a proof may assume of a mechanical model's simulated step; see `remainder` for the theorem."""

import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics import conditioning, force_bound, remainder
from safebench.physics.commands import Commanded
from safebench.physics.rigid_body import accelerations_of
from safebench.physics.unconstrained import NONE, Unconstrained, constrained, of_part, whole
from safebench.sets.inclusion import Inclusion
from safebench.sets.polytope import Box


def include(
    model: mujoco.MjModel,
    disturbance_input: Float[np.ndarray, "v q"],
    constraints: Box,
    disturbance: Box,
    commanded: Commanded = (),
    unconstrained: Unconstrained = NONE,
) -> Inclusion:
    """What a proof may assume of the model's simulated step on a box; see `remainder` for the theorem.

    The origin is the centre of the constraint box. `support` covers mjx and the compiled step alike.
    Rounding is allowed for by what the step adds up and by the model's conditioning (`conditioning`).

    unconstrained: states that the constraints and the inclusion do not speak of, on which the motion of the
        others does not depend (`unconstrained.check_independent`). Forces are bounded up to their ranges.

    Raises:
        ValueError: if the model is not covered, the boxes do not fit it or are not finite, or its
            accelerations have no finite bound on the box.
    """
    graph, outputs = accelerations_of(model, commanded)
    states = 2 * model.nv
    remainder.check_boxes(constraints, disturbance, states - len(unconstrained), disturbance_input)
    constraints = whole(constraints, unconstrained)
    # What moves states that are left out says nothing of the others.
    outputs = [0.0 if model.nv + joint in unconstrained else one for joint, one in enumerate(outputs)]
    included = remainder.include(
        graph,
        outputs,
        model.opt.timestep,
        disturbance_input,
        constraints,
        disturbance,
        rounding=conditioning.magnitude(model, constraints, commanded),
    )
    included = included._replace(forces=force_bound.forces(model, constraints, commanded))
    return of_part(included, constrained(states, unconstrained)) if unconstrained else included
