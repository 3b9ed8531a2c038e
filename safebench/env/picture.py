"""What a task shows of its scene beside its bodies: obstacles, goals, free boxes, in a plane."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

NOTHING: Any = np.zeros((0, 2))
NO_RADIUS: Any = np.zeros(0)
NO_ENDS: Any = np.zeros((0, 2, 2))
NO_CELLS: Any = np.zeros((0, 0), bool)
NOWHERE: Any = np.zeros(2)


class Discs(NamedTuple):
    """Discs in a plane. centre [m]; radius [m], negative for a disc that is not there."""

    centre: Float[Array, "discs 2"]
    radius: Float[Array, " discs"]


class Links(NamedTuple):
    """Links of an arm, capsules in a plane. ends [m]: of each its first and its second; radius [m]."""

    ends: Float[Array, "links 2 2"]
    radius: Float[Array, " links"]


class JointMap(NamedTuple):
    """The plane of an arm's two joint angles [rad], cut into cells between two corners.

    taken: cells (by the first angle, then the second) that no free box may touch. goals: angles to go to.
    """

    taken: Bool[Array, "first second"]
    lower: Float[Array, " 2"]
    upper: Float[Array, " 2"]
    goals: Float[Array, "goals 2"]


class Picture(NamedTuple):
    """One moment of a scene, seen from above (or from the side for what moves in a vertical plane).

    obstacles: what must not be touched. bodies: what moves. goals: where it is to go.
    lower, upper: corners of the free boxes, one row per box.
    links: of an arm, whose plane is not that of its positions, joint angles. joints: the plane of these,
        which a still shows below.

    Without bodies, the goals alone are shown, over the mechanism as its model's first camera sees it: in the
    coordinates of that view, right and up.
    """

    obstacles: Discs
    bodies: Discs
    goals: Float[Array, "goals 2"]
    lower: Float[Array, "boxes 2"] = NOTHING
    upper: Float[Array, "boxes 2"] = NOTHING
    links: Links = Links(NO_ENDS, NO_RADIUS)
    joints: JointMap = JointMap(NO_CELLS, NOWHERE, NOWHERE, NOTHING)
