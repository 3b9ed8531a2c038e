"""Interval arithmetic must contain what mpmath computes with 60 digits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from safebench.sets import interval
from safebench.sets.interval import SINE_ERROR, Interval, ball, magnitude, point

mpmath.mp.dps = 60

finite = st.floats(-1e6, 1e6, allow_subnormal=True)
pair = st.tuples(finite, finite).map(sorted)
share = st.floats(0, 1)


def between(ends, fraction):
    """A number of the interval: 60 digits may round the sum out of it, so that is cut off."""
    low, high = map(mpmath.mpf, ends)
    return min(max(low + (high - low) * mpmath.mpf(fraction), low), high)


def holds(enclosure: Interval, exact) -> bool:
    return mpmath.mpf(float(enclosure.lower)) <= exact <= mpmath.mpf(float(enclosure.upper))


@given(pair, pair, share, share)
@example((0.0, 0.0), (-1.0, -1e-185), 0.0, 1.0)
@settings(max_examples=300, deadline=None)
def test_arithmetic_contains_the_exact_result(first, second, s, t):
    X, Y = Interval(*first), Interval(*second)
    x, y = between(first, s), between(second, t)
    assert holds(X + Y, x + y)
    assert holds(X - Y, x - y)
    assert holds(X * Y, x * y)
    assert holds(X * X, x * x)
    assert holds(-X, -x)
    assert holds(2.5 - X, mpmath.mpf(2.5) - x)
    if y != 0:
        assert holds(X / Y, x / y)
        assert holds(1.0 / Y, 1 / y)


@given(st.floats(-1e4, 1e4), st.floats(0, 8), share)
@settings(max_examples=300, deadline=None)
def test_sine_and_cosine_contain_the_exact_result(low, width, s):
    ends = (low, low + width)
    X, x = Interval(*ends), between(ends, s)
    assert holds(interval.sin(X), mpmath.sin(x))
    assert holds(interval.cos(X), mpmath.cos(x))


@given(st.integers(-2000, 2000), st.integers(-3, 3), st.integers(-3, 3))
@settings(max_examples=200, deadline=None)
def test_crests_and_troughs_are_not_missed(quarter, below, above):
    """Intervals a few units in the last place wide, at multiples of pi / 2."""
    centre = quarter * math.pi / 2
    low, high = sorted(centre + k * np.spacing(abs(centre) + 1.0) for k in (below, above))
    for x in (low, high, centre):
        if low <= x <= high:
            assert holds(interval.sin(Interval(low, high)), mpmath.sin(mpmath.mpf(x)))
            assert holds(interval.cos(Interval(low, high)), mpmath.cos(mpmath.mpf(x)))
    top = mpmath.mpf(quarter) * mpmath.pi / 2
    if mpmath.mpf(low) <= top <= mpmath.mpf(high):
        assert holds(interval.sin(Interval(low, high)), mpmath.sin(top))
        assert holds(interval.cos(Interval(low, high)), mpmath.cos(top))


def test_library_sine_is_within_the_allowed_error():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-10, 10, 2000), rng.uniform(-(2.0**20), 2.0**20, 2000)])
    x = np.concatenate([x, np.arange(-500, 500) * math.pi / 2])
    for computed, exact in ((np.sin(x), mpmath.sin), (np.cos(x), mpmath.cos)):
        errors = [
            abs(mpmath.mpf(float(y)) - exact(mpmath.mpf(float(z)))) for y, z in zip(computed, x, strict=True)
        ]
        assert max(errors) < SINE_ERROR / 4


def test_bounds_are_tight():
    x = Interval(0.5, 1.0)
    assert float(interval.sin(x).upper) == pytest.approx(math.sin(1.0), abs=1e-14)
    assert float(interval.cos(x).lower) == pytest.approx(math.cos(1.0), abs=1e-14)
    wide = interval.sin(Interval(-1.0, 2.0))
    assert float(wide.upper) == 1.0
    assert float(wide.lower) == pytest.approx(math.sin(-1.0), abs=1e-14)
    product = Interval(-1.0, 2.0) * Interval(-3.0, 0.5)
    assert float(product.lower) == pytest.approx(-6.0)
    assert float(product.upper) == pytest.approx(3.0)


def test_without_outward_rounding_containment_fails():
    """Negative control: the exact sum of these floats is not a float."""
    low = 0.1 + 0.2
    exact = mpmath.mpf(0.1) + mpmath.mpf(0.2)
    assert not holds(Interval(low, low), exact)
    assert holds(point(0.1) + point(0.2), exact)


def test_square_knows_that_both_factors_are_one_number():
    x = Interval(-2.0, 1.0)
    assert float((x * x).lower) == 0.0
    assert float((x * Interval(-2.0, 1.0)).lower) < -1.9


def whole(x: Interval) -> np.ndarray:
    return np.isneginf(x.lower) & np.isposinf(x.upper)


def test_division_by_an_interval_with_zero_is_the_whole_line():
    holding = Interval(np.array([-1.0, 0.0, 1.0]), np.array([1.0, 2.0, 2.0]))
    for numerator in (1.0, 0.0, point(0.0), Interval(-1.0, 1.0)):
        quotient = numerator / holding
        assert whole(quotient)[:2].all()
        assert np.isfinite(magnitude(quotient)[2])
    # Negative control: the ends of 0 / [-1, 1] alone look like a sound answer.
    assert [0.0 / end for end in (-1.0, 1.0)] == [0.0, 0.0]


def test_what_is_computed_with_the_whole_line_stays_unbounded():
    line = 1.0 / Interval(-1.0, 1.0)
    zero = point(0.0)
    results = [
        line + 1.0,
        1.0 - line,
        line - line,
        line * 0.0,
        zero * line,
        line * line,
        line / 2.0,
        0.0 / line,
    ]
    results += [
        interval.square(line),
        interval.reciprocal(line),
        interval.sin(line),
        interval.cos(line),
        -line,
    ]
    for result in results:
        assert whole(result).all()
        assert np.isinf(magnitude(result))
        assert np.isinf(ball(result)[1])
    # Negative control: products of the ends that are nan, taken for 0, would turn a singularity into 0.
    with np.errstate(invalid="ignore"):
        ends = np.array([line.lower, line.upper]) * 0.0
    assert np.isnan(ends).all()


@pytest.mark.parametrize("ends", [(np.nan, 1.0), (0.0, np.nan), (np.nan, np.nan), (np.inf, np.inf)])
def test_ends_that_no_real_number_lies_between_are_refused(ends):
    with pytest.raises(ValueError, match="real numbers"):
        Interval(*ends)
    with pytest.raises(ValueError, match="real numbers"):
        Interval(0.0, 1.0) + ends[1] if np.isnan(ends[1]) else point(ends[0])


wide = st.floats(allow_nan=False, allow_infinity=False)


@given(st.tuples(wide, wide).map(sorted), st.tuples(wide, wide).map(sorted))
@example((-1.7e308, 1.7e308), (-1.7e308, 1.7e308))
@example((0.0, 0.0), (1e308, 1.7e308))
@settings(max_examples=300, deadline=None)
def test_overflow_never_leaves_an_interval_that_is_too_small(first, second):
    X, Y = Interval(*first), Interval(*second)
    for x in map(mpmath.mpf, first):
        assert holds(X * X, x * x)
        for y in map(mpmath.mpf, second):
            assert holds(X + Y, x + y)
            assert holds(X - Y, x - y)
            assert holds(X * Y, x * y)
            if y != 0:
                assert holds(X / Y, x / y)


def test_huge_angles_give_the_whole_range():
    wave = interval.cos(point(np.array([1e9, -1e300, 2.0**21])))
    assert (wave.lower == -1).all()
    assert (wave.upper == 1).all()


@given(pair)
@settings(deadline=None)
def test_a_ball_covers_its_interval(ends):
    middle, radius = (mpmath.mpf(float(x)) for x in ball(Interval(*ends)))
    assert middle - radius <= ends[0]
    assert middle + radius >= ends[1]


def test_arrays_broadcast_and_stay_arrays():
    x = Interval(np.zeros((3, 1)), np.ones((3, 1)))
    assert (np.arange(4.0) * x).lower.shape == (3, 4)


def test_empty_intervals_are_refused():
    with pytest.raises(ValueError, match="lower <= upper"):
        Interval(1.0, 0.0)
