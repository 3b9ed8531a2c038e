"""The multiplier of a constraint: the controller's arithmetic, its bounds, and what a constraint may be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safebench.env import safety
from safebench.learning.multiplier import (
    LARGEST,
    fresh_multiplier,
    move_multiplier,
    penalised,
    require_constraint,
)

SHARES = st.lists(st.integers(0, 20).map(lambda count: count / 20), min_size=1, max_size=30)
GAINS = st.tuples(*3 * [st.floats(0, 50)])


def window(share):
    """The safety of 20 steps of which a share violate."""
    violations = jnp.arange(20) < round(20 * share)
    return safety.none()._replace(violations=violations.astype(jnp.int32))


@jax.jit
def moved(shares, limit, gains):
    """The multipliers after each of 30 windows."""

    def step(multiplier, share):
        violations = (jnp.arange(20) < jnp.round(20 * share)).astype(jnp.int32)
        following = move_multiplier(multiplier, safety.none()._replace(violations=violations), limit, gains)
        return following, following

    return jax.lax.scan(step, fresh_multiplier(), shares)[1]


def run(shares, limit, gains):
    found = moved(jnp.array(shares + [0.0] * (30 - len(shares))), limit, gains)
    return np.asarray(found.value)[: len(shares)], np.asarray(found.integral)[: len(shares)]


def plain(shares, limit, gains):
    """The controller in plain Python."""
    proportional, integral, derivative = gains
    summed, before, values = 0.0, 0.0, []
    for share in shares:
        excess = share - limit
        summed = min(max(summed + integral * excess, 0.0), LARGEST)
        rise = max(excess - before, 0.0)
        values.append(min(max(proportional * excess + summed + derivative * rise, 0.0), LARGEST))
        before = excess
    return values


@given(SHARES, st.floats(0, 1), GAINS)
@settings(max_examples=200, deadline=None)
def test_it_is_the_controller_and_never_negative_or_beyond_its_bound(shares, limit, gains):
    values, integrals = run(shares, limit, gains)
    np.testing.assert_allclose(values, plain(shares, limit, gains), rtol=1e-9, atol=1e-9)
    for found in (values, integrals):
        assert (found >= 0).all()
        assert (found <= LARGEST).all()


@given(SHARES, st.floats(0, 1), st.floats(0.1, 50))
@settings(max_examples=50, deadline=None)
def test_with_the_integral_gain_alone_it_is_projected_dual_ascent(shares, limit, rate):
    values, _ = run(shares, limit, (0.0, rate, 0.0))
    expected = 0.0
    for found, share in zip(values, shares, strict=True):
        expected = min(max(expected + rate * (share - limit), 0.0), LARGEST)
        assert found == pytest.approx(expected, abs=1e-9)


def test_long_years_of_peace_and_of_war_leave_no_windup():
    quiet = run([0.0] * 29 + [1.0], 0.5, (0.0, 1.0, 0.0))[0]
    assert quiet[-2] == 0
    assert quiet[-1] == 0.5  # as if it had just begun: an unprojected sum would stand at -14
    full = run([1.0] * 29 + [0.0], 0.5, (0.0, 50.0, 0.0))[0]
    assert full[-2] == LARGEST
    assert full[-1] == LARGEST - 25


def test_only_a_rising_share_is_answered_by_the_derivative():
    values, _ = run([0.5, 0.5, 0.2, 0.4], 0.1, (0.0, 0.0, 10.0))
    np.testing.assert_allclose(values, [4.0, 0.0, 0.0, 2.0], atol=1e-12)


def test_without_a_constraint_there_is_no_multiplier():
    assert move_multiplier(None, window(0.5), None, None) is None
    assert move_multiplier(None, window(0.5), 0.1, (0.0, 1.0, 0.0)) is None
    assert move_multiplier(fresh_multiplier(), window(0.5), 0.1, (0.0, 1.0, 0.0)).value > 0


NUMBERS = {"allow_subnormal": False}  # XLA takes them for zero


@given(st.floats(-1e3, 1e3, **NUMBERS), st.floats(0, 1e3, **NUMBERS), st.floats(0, LARGEST, **NUMBERS))
@settings(deadline=None)
def test_the_penalised_gain_lies_between_gain_and_minus_cost(gain, cost, weight):
    multiplier = fresh_multiplier()._replace(value=jnp.asarray(weight))
    found = float(penalised(jnp.asarray(gain), jnp.asarray(cost), multiplier))
    assert min(gain, -cost) - 1e-9 <= found <= max(gain, -cost) + 1e-9
    if weight == 0:
        assert found == gain


@pytest.mark.parametrize(
    ("limit", "gains", "name"),
    [
        (-0.1, (0.0, 1.0, 0.0), "cost_limit"),
        (1.1, (0.0, 1.0, 0.0), "cost_limit"),
        (float("nan"), (0.0, 1.0, 0.0), "cost_limit"),
        ("25", (0.0, 1.0, 0.0), "cost_limit"),
        (0.1, None, "multiplier_gains"),
        (0.1, (0.0, -1.0, 0.0), "multiplier_gains"),
        (0.1, (0.0, float("nan"), 0.0), "multiplier_gains"),
        (0.1, (0.0, 0.0, 0.0), "multiplier_gains"),
        (0.1, (1.0, 1.0), "multiplier_gains"),
        (None, (1.0, 1.0), "multiplier_gains"),
    ],
)
def test_a_constraint_that_makes_no_sense_is_refused_in_one_line(limit, gains, name):
    with pytest.raises(ValueError, match=rf"^{name} must be [^\n]*$"):
        require_constraint(limit, gains)


def test_what_makes_sense_is_not_refused():
    for limit, gains in ((None, None), (None, (0.0, 1.0, 0.0)), (0.0, (1.0, 0.0, 0.0)), (1, (0.0, 1, 2.5))):
        require_constraint(limit, gains)
