"""Taylor models must contain what mpmath computes with 60 digits, anywhere on their cube."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safebench.physics import taylor
from safebench.physics.taylor import TaylorModel, excludes_zero, reciprocal, variable

mpmath.mp.dps = 60

centre, width = st.floats(-3, 3), st.floats(0, 1)
place = st.floats(-1, 1)


def polynomial(x: TaylorModel, s) -> mpmath.mpf:
    total = mpmath.mpf(0)
    for monomial, coefficient in x.terms.items():
        total += mpmath.mpf(float(coefficient)) * mpmath.fprod(mpmath.mpf(s[j]) for j in monomial)
    return total


def holds(x: TaylorModel, exact, s) -> bool:
    """An infinite radius holds everything."""
    return np.isinf(x.radius) or abs(polynomial(x, s) - exact) <= mpmath.mpf(float(x.radius))


def inputs(middles, widths, s):
    """Variables and the exact numbers that they take on at s."""
    models = [
        variable(j, np.asarray(c - w), np.asarray(c + w))
        for j, (c, w) in enumerate(zip(middles, widths, strict=True))
    ]
    return models, [polynomial(x, s) for x in models]


FUNCTIONS = {
    "sum": lambda x, y, m: x + 0.1 * y - x * 3.0 + 0.7,
    "product": lambda x, y, m: (x * y + 0.3) * (y - x) * (x + y) * (0.1 * x),
    "quotient": lambda x, y, m: (x - y) / (x * x + 2.5) / (7.0 + y),
    "waves": lambda x, y, m: m.sin(x * y + 1.0) * m.cos(3.0 * y) - m.cos(x),
    "inertia": lambda x, y, m: (0.2 * m.sin(x) * y * y - y) / (4.0 / 3.0 - 0.75 * m.cos(x) * m.cos(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.tuples(centre, centre), st.tuples(width, width), st.tuples(place, place))
@settings(max_examples=60, deadline=None)
def test_the_exact_value_lies_in_the_model(name, middles, widths, s):
    models, exact = inputs(middles, widths, s)
    with np.errstate(all="ignore"):
        assert holds(FUNCTIONS[name](*models, taylor), FUNCTIONS[name](*exact, mpmath), s)


@pytest.mark.parametrize("name", list(FUNCTIONS)[1:])
def test_without_its_radius_a_model_fails(name):
    """Negative control: the polynomial alone misses the exact value, on a wide and on a narrow cube."""
    for widths in ((0.3, 0.4), (1e-3, 1e-3)):
        s = (1.0, -0.9)
        models, exact = inputs((0.4, 0.6), widths, s)
        found = FUNCTIONS[name](*models, taylor)
        assert holds(found, FUNCTIONS[name](*exact, mpmath), s)
        assert not holds(TaylorModel(found.terms, np.zeros(())), FUNCTIONS[name](*exact, mpmath), s)


def test_the_radius_falls_with_the_fourth_power_of_the_width():
    radii = []
    for w in (0.1, 0.05):
        models, _ = inputs((0.4, 0.6), (w, w), (0, 0))
        radii.append(float(FUNCTIONS["inertia"](*models, taylor).radius))
    assert 12 < radii[0] / radii[1] < 24


def test_a_model_that_may_be_0_has_no_finite_reciprocal():
    through = variable(0, np.array([-1.0, 0.0, 0.5]), np.array([1.0, 1.0, 1.0]))
    found = reciprocal(through)
    assert np.isfinite(found.radius).tolist() == [False, False, True]
    assert excludes_zero(through).tolist() == [False, False, True]


def test_nothing_computed_from_a_division_by_0_is_bounded():
    with np.errstate(all="ignore"):
        lost = 1.0 / variable(0, np.array(-1.0), np.array(1.0))
        for x in (
            lost * 0.0,
            0.0 * lost,
            lost - lost,
            taylor.sin(lost),
            taylor.cos(lost),
            1.0 / lost,
            lost / 2.0,
        ):
            assert not np.isfinite(x.radius)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_overflow_and_nan_leave_no_finite_bound(bad):
    with np.errstate(all="ignore"):
        x = variable(0, np.array(-bad), np.array(bad))
        for y in (x * x, x * x * 0.0, x * x - x * x, 1.0 / (x * x), taylor.sin(x * x)):
            assert not (np.isfinite(y.radius) and all(np.isfinite(c) for c in y.terms.values()))


def test_a_sine_over_many_turns_is_at_most_1():
    x = taylor.sin(variable(0, np.array(-40.0), np.array(40.0)))
    assert float(x.radius) == 1.0
    assert float(x.constant) == 0.0
