"""What the limits of a state are where half-spaces tie it to the others."""

import numpy as np
import pytest

from safebench.commands.traces import half_space_limits
from safebench.sets.polytope import half_spaces

CONE = half_spaces([[-0.1, 1.0, 0.0], [-0.1, -2.0, 0.0], [0.0, 0.0, 3.0]], [0.2, 0.2, 6.0])


def test_limits_hold_the_others_as_they_are():
    states = np.array([[1.0, 0.0, 0.0], [1.0, 0.29, 2.5], [10.0, -0.7, 0.0], [-3.0, 0.0, 0.0]])
    (low, high), beyond = half_space_limits(CONE, states, 1)
    np.testing.assert_allclose(high, [0.3, 0.3, 1.2, -0.1])
    np.testing.assert_allclose(low, [-0.15, -0.15, -0.6, 0.05])
    assert beyond.tolist() == [False, False, True, True]
    (low, high), beyond = half_space_limits(CONE, states, 0)
    assert (high == np.inf).all()
    np.testing.assert_allclose(low, [-2.0, 0.9, 12.0, -2.0])
    assert beyond.tolist() == [False, False, True, True]
    (low, high), beyond = half_space_limits(CONE, states, 2)
    np.testing.assert_allclose(high, 2.0)
    assert beyond.tolist() == [False, True, False, False]


@pytest.mark.parametrize("given", [None, half_spaces([[0.0, 1.0, 0.0]], [1.0])])
def test_a_state_that_no_half_space_speaks_of_has_no_limits(given):
    (low, high), beyond = half_space_limits(given, np.full((5, 3), 9.0), 2)
    assert (low == -np.inf).all()
    assert (high == np.inf).all()
    assert not beyond.any()
