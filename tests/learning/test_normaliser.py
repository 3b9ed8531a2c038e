"""The running normaliser: moments of what it saw, and a state that blew up does not end it."""

import jax.numpy as jnp
import numpy as np
import pytest

from safebench.learning import networks
from safebench.learning.networks import absorb, fresh_normaliser, normalise


def seen(*batches):
    normaliser = fresh_normaliser(2)
    for batch in batches:
        normaliser = absorb(normaliser, jnp.asarray(batch))
    return normaliser


def test_it_has_the_moments_of_what_it_saw():
    rows = np.random.default_rng(0).normal([3.0, -1.0], [2.0, 0.5], (4000, 2))
    normaliser = seen(*np.split(rows, 8))
    np.testing.assert_allclose(normaliser.mean, rows.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(normaliser.squares / normaliser.weight, rows.var(axis=0), rtol=0.01)
    assert float(jnp.std(normalise(normaliser, jnp.asarray(rows)))) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("size", [1e10, 1e200, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_state_that_blew_up_does_not_zero_all_others(size, dtype, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(4000, 2))
    wild = rows.copy()
    wild[5, 0] = size
    with np.errstate(over="ignore"):
        batches = [values.astype(dtype) for values in (rows, wild, rows)]
    ordinary = normalise(seen(*batches), jnp.asarray([[1.0, 1.0]]))
    assert 0.02 < float(ordinary[0, 0]) < 1.1
    assert 0.9 < float(ordinary[0, 1]) < 1.1
    monkeypatch.setattr(networks, "FARTHEST", np.inf)  # control: without the bound nothing is left of it
    assert not abs(float(normalise(seen(*batches), jnp.asarray([[1.0, 1.0]]))[0, 0])) > 0.02


def test_nan_is_not_hidden():
    assert np.isnan(seen(np.array([[np.nan, 0.0]])).mean[0])


def test_a_scale_far_from_one_is_learnt():
    rows = np.random.default_rng(0).normal(size=(4000, 2)) * [1e5, 1e-3]
    normaliser = seen(*np.split(rows, 40))
    deviation = np.sqrt(normaliser.squares / normaliser.weight)
    assert 0.3e5 < deviation[0] < 3e5
