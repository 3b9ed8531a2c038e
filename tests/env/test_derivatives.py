"""The least and the largest value, with a derivative where several attain it, nearly or exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from safebench.env.derivatives import TIED, largest, near_least, smallest

VALUES = arrays(
    np.float64,
    (3, 4),
    elements=st.floats(-1e9, 1e9, allow_subnormal=False) | st.sampled_from([0.0, 1.0, np.inf]),
)


@pytest.mark.slow
@settings(deadline=None)
@given(VALUES, st.sampled_from([0, 1, -1]))
def test_the_value_is_numpys_and_the_derivative_a_mean(v, axis):
    np.testing.assert_array_equal(smallest(v, axis), v.min(axis=axis))
    np.testing.assert_array_equal(largest(-v, axis), (-v).max(axis=axis))
    shares = jax.grad(lambda v: jnp.sum(smallest(v, axis)))(jnp.asarray(v))
    np.testing.assert_allclose(shares.sum(axis=axis), 1.0)
    assert (shares >= 0).all()
    first = np.expand_dims(np.argmin(v, axis), axis)
    assert (np.take_along_axis(np.asarray(shares), first, axis) > 0).all()


def test_ties_share_the_derivative_and_others_have_none():
    v = jnp.array([2.0, 1.0, 3.0, 1.0])
    np.testing.assert_array_equal(jax.grad(smallest)(v), [0.0, 0.5, 0.0, 0.5])
    np.testing.assert_array_equal(jax.grad(largest)(-v), [0.0, 0.5, 0.0, 0.5])
    np.testing.assert_array_equal(jax.jacfwd(smallest)(v), [0.0, 0.5, 0.0, 0.5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_value_computed_twice_with_two_roundings_still_counts_as_the_least(dtype):
    """What jnp.min does not allow for: beside the least as the other computation has it, none is equal."""
    least = np.nextafter(dtype(0.1), dtype(0))
    v = jnp.asarray([0.1, 0.2], dtype)
    assert not (v == least).any()
    np.testing.assert_array_equal(near_least(jnp.append(v, least)), [True, False, True])
    far = least * (1 - dtype(4 * TIED * np.finfo(dtype).eps))
    np.testing.assert_array_equal(near_least(jnp.append(v, far)), [False, False, True])


def test_of_no_values():
    nothing = jnp.zeros(0)
    assert smallest(nothing) == np.inf
    assert largest(nothing) == -np.inf
    assert jax.grad(smallest)(nothing).shape == (0,)
    assert jax.jvp(smallest, (nothing,), (nothing,))[1] == 0.0


def test_nan_stays_one():
    assert np.isnan(smallest(jnp.array([1.0, np.nan])))
    assert np.isnan(largest(jnp.array([1.0, np.nan])))
