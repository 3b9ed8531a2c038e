"""A certificate: a safe set with everything needed to prove it again."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from safebench.polytope import Box

Array = np.ndarray


@dataclass(frozen=True)
class Certificate:
    """The set S = {x : normals @ (x - origin) <= offsets} and its proof data. Arrays are float64.

    The proof is about the base set S0 = {y : base_normals @ y <= base_offsets} and the affine law
    a = gain @ y + feedforward. Without translations S0 = S and y = x - origin. With translations
    (k columns of `translations`, limits L), S = {x : there is r, |r| <= L, with
    x - origin - translations @ r in S0}: the law then steers to the governor reference r.

    constraints: the box X that S must lie in. disturbance: the box W.
    contraction: lambda < 1; from S the law reaches lambda S0 (shifted), leaving room for rounding.
    fingerprint: hash of the dynamics it was proven for (`Dynamics.fingerprint`).
    volume: share of X's volume in S with its 95 % interval (value, low, high), by Monte Carlo.
    method: how it was made, in words and numbers.
    """

    task: str
    fingerprint: str
    origin: Float[Array, " n"]
    normals: Float[Array, "rows n"]
    offsets: Float[Array, " rows"]
    base_normals: Float[Array, "base n"]
    base_offsets: Float[Array, " base"]
    gain: Float[Array, "m n"]
    feedforward: Float[Array, " m"]
    translations: Float[Array, "n k"]
    translation_limits: Float[Array, " k"]
    constraints: Box
    disturbance: Box
    contraction: float
    volume: tuple[float, float, float]
    method: str
