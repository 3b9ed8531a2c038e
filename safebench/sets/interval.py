"""Vectorised interval arithmetic, rounded outwards.

An `Interval` encloses: if x lies in X and y in Y, then x op y, computed in real arithmetic, lies in
X op Y (Moore, Interval Analysis, 1966). IEEE 754 rounds + - * / to nearest, so one step of
`nextafter` outwards encloses their exact results; sine and cosine get the margin SINE_ERROR.

Nothing undefined is lost. Where floats give nan (0 times an unbounded end, unbounded ends that cancel) or a
division meets 0, the result is the whole line, and what is computed with a whole line is one again, 0 times
it, its square, sine and cosine included: it may stand for a quotient that has no value. An `Interval` of nan
cannot be made.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Array = np.ndarray

# Absolute error allowed for numpy's sin and cos on |x| <= LARGEST_ANGLE: 16 units in the last place of
# values just below 1. numpy documents 4 at most; the test against mpmath measures less than 1.
SINE_ERROR = 2.0**-49
LARGEST_ANGLE = 2.0**20


def _down(x: Array) -> Array:
    return np.nextafter(x, -np.inf)


def _up(x: Array) -> Array:
    return np.nextafter(x, np.inf)


class Interval:
    """The closed intervals [lower, upper], elementwise; plain numbers and arrays count as points.

    `x * x` with one and the same object is the square, so that it never goes below zero.
    Dividing by an interval that holds 0 gives the whole line, whatever the numerator.

    Raises:
        ValueError: if lower > upper, an end is nan, or no real number lies between the ends.
    """

    __slots__ = ("lower", "upper")
    __array_ufunc__ = None  # numpy arrays on the left leave arithmetic to this class

    def __init__(self, lower: Float[Array, "*shape"] | float, upper: Float[Array, "*shape"] | float):
        self.lower, self.upper = np.asarray(lower, float), np.asarray(upper, float)
        # Written so that nan is refused.
        if not ((self.lower <= self.upper) & (self.lower < np.inf) & (self.upper > -np.inf)).all():
            raise ValueError(f"an interval needs real numbers with lower <= upper, got [{lower}, {upper}]")

    def __repr__(self) -> str:
        return f"Interval({self.lower}, {self.upper})"

    def __add__(self, other) -> "Interval":
        other = point(other)
        with np.errstate(invalid="ignore", over="ignore"):
            return _outwards(self.lower + other.lower, self.upper + other.upper)

    __radd__ = __add__

    def __neg__(self) -> "Interval":
        return Interval(-self.upper, -self.lower)

    def __sub__(self, other) -> "Interval":
        other = point(other)
        with np.errstate(invalid="ignore", over="ignore"):
            return _outwards(self.lower - other.upper, self.upper - other.lower)

    def __rsub__(self, other) -> "Interval":
        return point(other) - self

    def __mul__(self, other) -> "Interval":
        if other is self:
            return square(self)
        other = point(other)
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            products = np.stack(
                np.broadcast_arrays(
                    self.lower * other.lower,
                    self.lower * other.upper,
                    self.upper * other.lower,
                    self.upper * other.upper,
                )
            )
        return _outwards(products.min(axis=0), products.max(axis=0))

    __rmul__ = __mul__

    def __truediv__(self, other) -> "Interval":
        return self * reciprocal(point(other))

    def __rtruediv__(self, other) -> "Interval":
        return point(other) * reciprocal(self)


def point(x) -> Interval:
    """The interval of one number, exactly; an Interval is returned as it is."""
    return x if isinstance(x, Interval) else Interval(x, x)


def _outwards(low: Array, high: Array) -> Interval:
    """The interval of two rounded ends, one step wider each; the whole line where an end is nan."""
    undefined = np.isnan(low) | np.isnan(high)
    return Interval(np.where(undefined, -np.inf, _down(low)), np.where(undefined, np.inf, _up(high)))


def square(x: Interval) -> Interval:
    """x^2, never below zero; the whole line of the whole line."""
    with np.errstate(over="ignore", under="ignore"):
        low, high = x.lower * x.lower, x.upper * x.upper
    smallest = np.where((x.lower <= 0) & (x.upper >= 0), 0.0, np.minimum(low, high))
    whole = np.isneginf(x.lower) & np.isposinf(x.upper)
    return Interval(np.where(whole, -np.inf, np.maximum(_down(smallest), 0.0)), _up(np.maximum(low, high)))


def reciprocal(x: Interval) -> Interval:
    """1 / x, the whole line where x holds 0."""
    unbounded = ~((x.lower > 0) | (x.upper < 0))
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        low, high = _down(1.0 / x.upper), _up(1.0 / x.lower)
    return Interval(np.where(unbounded, -np.inf, low), np.where(unbounded, np.inf, high))


def magnitude(x: Interval) -> Float[Array, "*shape"]:
    """max |x| over each interval."""
    return np.maximum(np.abs(x.lower), np.abs(x.upper))


def ball(x: Interval) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """A number near the middle of each interval, and a radius about it that covers the interval."""
    with np.errstate(invalid="ignore"):
        middle = 0.5 * x.lower + 0.5 * x.upper
        radius = _up(np.maximum(_up(x.upper - middle), _up(middle - x.lower)))
    unbounded = ~np.isfinite(middle) | ~np.isfinite(radius)
    return np.where(unbounded, 0.0, middle), np.where(unbounded, np.inf, radius)


def sin(x: Interval) -> Interval:
    """sin x, x in radians."""
    return _wave(x, np.sin, 0.25)


def cos(x: Interval) -> Interval:
    """cos x, x in radians."""
    return _wave(x, np.cos, 0.0)


def _wave(x: Interval, function: Callable, crest: float) -> Interval:
    """Sine or cosine; its crests lie `crest` + k turns from 0, its troughs half a turn later.

    The crests inside an interval are counted with a slack of 1e-9 turns, far above the rounding
    error of the count: one counted too many lies so close outside that the value is 1 to rounding.
    """
    with np.errstate(invalid="ignore"):
        ends = function(x.lower), function(x.upper)
        turns = x.lower / (2 * math.pi) - crest, x.upper / (2 * math.pi) - crest
    low = np.minimum(*ends) - SINE_ERROR
    high = np.maximum(*ends) + SINE_ERROR
    too_large = ~(magnitude(x) <= LARGEST_ANGLE)

    def meets(shift: float) -> Array:
        return np.floor(turns[1] - shift + 1e-9) >= np.ceil(turns[0] - shift - 1e-9)

    bottom = np.where(meets(0.5) | too_large, -1.0, np.maximum(low, -1.0))
    top = np.where(meets(0.0) | too_large, 1.0, np.minimum(high, 1.0))
    unbounded = ~(np.isfinite(x.lower) & np.isfinite(x.upper))
    return Interval(np.where(unbounded, -np.inf, bottom), np.where(unbounded, np.inf, top))
