"""Taylor models: polynomials of third order with a rigorous bound on everything they leave out.

A `TaylorModel` of a function f on the cube [-1, 1]^d is a polynomial p and a radius R >= 0 with

    |f(s) - p(s)| <= R    for every s in the cube.

THEOREM. If X and Y are Taylor models of f and g, then X op Y, sin X, cos X and 1 / X as computed here
are Taylor models of f op g, sin f, cos f and 1 / f (Makino, Berz, Taylor models and other validated
functional inclusion methods, 2003, section 2: their addition, multiplication and intrinsic functions).
Why, with N_k(p) the sum of the absolute coefficients of degree k and N their sum over k: |s| <= 1 makes
N(p) a bound of |p| on the cube, so that

    product   terms beyond the order lie below sum_{k+l > 3} N_k(p) N_l(q), and |f g - p q| below
              N(p) R_q + N(q) R_p + R_p R_q;
    function  with c the constant term of p, r = N(p - c) + R_p >= |f - c|, Taylor's theorem leaves at most
              r^4 / 4! for sine and cosine, and t^4 / (|c| (1 - t)), t = r / |c| < 1, for 1 / f.

Where t >= 1, f may reach 0. Then, and after overflow, the radius is infinite or nan, and stays so.

Rounding. A coefficient that is a float sum of n products differs from the exact one by at most n eps times
the sum of their magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1);
all coefficients of a product together then by (n + 1) eps N(p) N(q), which goes into the radius. Radii are
sums of fewer than 2^14 non-negative terms: GROWTH makes up for their rounding and TINY for underflow.
"""

from functools import cache, cached_property

import numpy as np
from jaxtyping import Float

from safebench.sets.interval import LARGEST_ANGLE, SINE_ERROR

Array = np.ndarray
Monomial = tuple[int, ...]  # the variables that it multiplies, sorted: (0, 0, 2) is s0^2 s2

ORDER = 3
EPS = float(np.finfo(float).eps)
GROWTH = 1.0 + 2.0**-36
TINY = 1e-290


class TaylorModel:
    """See the module. Numbers and arrays count as Taylor models of constants.

    terms: coefficients (arrays that broadcast, one number for each of many cubes); absent ones are 0.
    radius: broadcasts with them.
    """

    __array_ufunc__ = None  # numpy scalars and arrays on the left leave arithmetic to this class

    def __init__(self, terms: dict[Monomial, Float[Array, "*cubes"]], radius: Float[Array, "*cubes"]):
        self.terms, self.radius = terms, radius

    @cached_property
    def levels(self) -> list[Float[Array, "*cubes"] | float]:
        """N_k: the sums of the absolute coefficients of each degree."""
        sums: list = [0.0] * (ORDER + 1)
        for monomial, coefficient in self.terms.items():
            sums[len(monomial)] = sums[len(monomial)] + np.abs(coefficient)
        return sums

    @property
    def constant(self) -> Float[Array, "*cubes"]:
        """The value of the polynomial at 0."""
        return self.terms.get((), np.zeros(()))

    @property
    def deviation(self) -> Float[Array, "*cubes"]:
        """An upper bound of |f - constant| on the cube."""
        return _over(sum(self.levels[1:]) + self.radius)

    def __add__(self, other):
        other = model(other)
        terms, rounded = dict(self.terms), 0.0
        for monomial, coefficient in other.terms.items():
            if monomial in terms:
                terms[monomial] = terms[monomial] + coefficient
                rounded = rounded + np.abs(terms[monomial])
            else:
                terms[monomial] = coefficient
        return TaylorModel(terms, _over(self.radius + other.radius + EPS * rounded))

    __radd__ = __add__

    def __neg__(self):
        return TaylorModel({monomial: -x for monomial, x in self.terms.items()}, self.radius)

    def __sub__(self, other):
        return self + -model(other)

    def __rsub__(self, other):
        return model(other) + -self

    def __mul__(self, other):
        if not isinstance(other, TaylorModel):
            factor = np.asarray(other, float)
            scaled = {monomial: x * factor for monomial, x in self.terms.items()}
            size = np.abs(factor)
            return TaylorModel(scaled, _over(size * self.radius + EPS * size * sum(self.levels)))
        terms: dict[Monomial, Array] = {}
        for first, x in self.terms.items():
            for second, y in other.terms.items():
                if len(first) + len(second) <= ORDER:
                    monomial = _joined(first, second)
                    terms[monomial] = terms[monomial] + x * y if monomial in terms else x * y
        beyond = sum(
            self.levels[k] * sum(other.levels[ORDER + 1 - k :]) for k in range(1, ORDER + 1)
        )  # nothing of degree k + l > ORDER is left out of this sum
        one, two = sum(self.levels), sum(other.levels)
        count = min(len(self.terms), len(other.terms)) + 2
        radius = beyond + one * other.radius + two * self.radius + self.radius * other.radius
        return TaylorModel(terms, _over(radius + count * EPS * one * two))

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self * reciprocal(model(other))

    def __rtruediv__(self, other):
        return reciprocal(self) * other


def model(x) -> TaylorModel:
    """The Taylor model of a constant, exactly; a TaylorModel is returned as it is."""
    return x if isinstance(x, TaylorModel) else TaylorModel({(): np.asarray(x, float)}, np.zeros(()))


def variable(index: int, lower: Float[Array, "*cubes"], upper: Float[Array, "*cubes"]) -> TaylorModel:
    """A variable that runs over [lower, upper] as s_index runs over [-1, 1]."""
    middle = 0.5 * lower + 0.5 * upper
    half = _over(np.maximum(upper - middle, middle - lower))
    # Every number of [lower, upper] is middle + half s for some s: a larger range than asked for.
    return TaylorModel({(): middle, (index,): half}, np.zeros(()))


def excludes_zero(x: TaylorModel) -> np.ndarray:
    """Whether f has no zero on the cube; False where that is not known."""
    return x.deviation < np.abs(x.constant)


def sin(x: TaylorModel) -> TaylorModel:
    """sin f, f in radians."""
    x = model(x)
    with np.errstate(invalid="ignore"):
        s, c = np.sin(x.constant), np.cos(x.constant)
    return _wave(x, (s, c, -s / 2, -c / 6))


def cos(x: TaylorModel) -> TaylorModel:
    """cos f, f in radians."""
    x = model(x)
    with np.errstate(invalid="ignore"):
        s, c = np.sin(x.constant), np.cos(x.constant)
    return _wave(x, (c, -s, -c / 2, s / 6))


def reciprocal(x: TaylorModel) -> TaylorModel:
    """1 / f; the radius is not finite where f may be 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        c = x.constant
        ratio = _over(x.deviation / np.abs(c))
        inverse = 1.0 / c
        coefficients = (inverse, -(inverse**2), inverse**3, -(inverse**4))
        # Each of the four powers of a rounded 1 / c is off by less than 16 eps of itself, and ratio < 1.
        left_out = np.abs(inverse) * (ratio**4 / (1.0 - ratio) + 64.0 * EPS)
        return _compose(x, coefficients, np.where(ratio < 1.0, left_out, np.inf))


def _wave(x: TaylorModel, coefficients: tuple) -> TaylorModel:
    with np.errstate(invalid="ignore", over="ignore"):
        r = x.deviation
        # Each of the four coefficients is off by less than SINE_ERROR, and |f - c|^k <= r^k.
        left_out = r**4 / 24.0 + SINE_ERROR * (1.0 + r + r**2 + r**3)
        result = _compose(x, coefficients, np.where(np.abs(x.constant) <= LARGEST_ANGLE, left_out, np.inf))
        # A sine lies in [-1, 1]: 0 with radius 1. An infinite radius stays: it may stand for a division by 0.
        poor = ~(result.radius <= 1.0) & np.isfinite(x.constant) & np.isfinite(r)
        if not poor.any():
            return result
        terms = {monomial: np.where(poor, 0.0, value) for monomial, value in result.terms.items()}
    return TaylorModel(terms, np.where(poor, 1.0, result.radius))


def _compose(x: TaylorModel, coefficients: tuple, left_out: Float[Array, "*cubes"]) -> TaylorModel:
    """sum_k coefficients_k (x - its constant)^k, with `left_out` added to the radius (Horner's scheme)."""
    step = TaylorModel({monomial: y for monomial, y in x.terms.items() if monomial}, x.radius)
    total = model(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = step * total + coefficient
    return TaylorModel(total.terms, _over(total.radius + left_out))


def _over(x):
    return x * GROWTH + TINY


@cache
def _joined(first: Monomial, second: Monomial) -> Monomial:
    return tuple(sorted(first + second))
