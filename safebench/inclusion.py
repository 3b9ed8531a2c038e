"""What a proof may assume of a system: an affine model and a rigorous bound on everything else.

An inclusion speaks of the one-step map over ALL states in the constraint box, all actions in
[-1, 1]^m and all disturbances in the disturbance box, in coordinates y = x - origin:

    y+  in  A y + B a + { residuals r with g . r <= support(g) for every g }.

The synthesis searches with it, the verifier proves with it, and neither knows what is inside.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Array = np.ndarray


class Inclusion(NamedTuple):
    """See the module. `support` maps directions (k, n) to rigorous upper bounds (k,), outward-rounded."""

    origin: Float[Array, " n"]
    state: Float[Array, "n n"]
    action: Float[Array, "n m"]
    support: Callable[[Float[Array, "k n"]], Float[Array, " k"]]
