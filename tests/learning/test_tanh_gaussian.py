"""The tanh-squashed Gaussian's density, against numerical integration and high-precision arithmetic."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from safebench.learning.tanh_gaussian import entropy, log_density, log_slope


def density(action, mean, std):
    """p(action), through the function under test."""
    latent = jnp.arctanh(jnp.asarray([action]))
    return float(jnp.exp(log_density(latent, jnp.asarray([mean]), jnp.log(jnp.asarray([std])))))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.4), (0.7, 0.3), (-1.5, 0.5), (0.2, 1.5)])
def test_probabilities_of_intervals_up_to_the_bounds_are_right(mean, std):
    for low, high in [(-0.9, 0.9), (0.9, 0.999), (0.999, 0.99999), (-0.99999, -0.999)]:
        mass, _ = quad(density, low, high, args=(mean, std), limit=200, epsabs=1e-12)
        expected = np.diff(norm.cdf(np.arctanh([low, high]), mean, std))[0]
        np.testing.assert_allclose(mass, expected, rtol=1e-6, atol=1e-11)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_the_density_is_exact_where_the_action_rounds_to_its_bound(dtype):
    for latent in (-300.0, -40.0, -9.5, 0.0, 1e-3, 9.5, 40.0, 300.0):
        with mpmath.workdps(400):
            exact = float(mpmath.log(1 - mpmath.tanh(latent) ** 2))
        np.testing.assert_allclose(
            log_slope(jnp.asarray(latent, dtype)), exact, rtol=8 * jnp.finfo(dtype).eps, atol=1e-7
        )
    u = jnp.asarray(40.0, dtype)
    assert not np.isfinite(jnp.log(1 - jnp.tanh(u) ** 2))  # the direct formula does not survive here
    slope = jax.grad(lambda u: log_density(u[None], jnp.zeros(1, dtype), jnp.zeros(1, dtype)))(u)
    np.testing.assert_allclose(slope, -40.0 + 2.0, rtol=1e-5)


def test_dimensions_add_and_batches_broadcast():
    rng = np.random.default_rng(0)
    latent, mean, log_std = rng.normal(size=(3, 5, 2))
    whole = log_density(latent, mean, log_std)
    parts = sum(log_density(latent[:, [i]], mean[:, [i]], log_std[:, [i]]) for i in range(2))
    np.testing.assert_allclose(whole, parts, rtol=1e-12)


def test_the_entropy_estimate_is_unbiased_and_its_gradient_too():
    mean, log_std = 0.8, -0.3

    def exact(mean, log_std):  # -E[log p], integrated over the latent
        latent = np.linspace(mean - 9.0, mean + 9.0, 20_001)
        logs = log_density(latent[:, None], jnp.array([mean]), jnp.array([log_std]))
        return -np.trapezoid(norm.pdf(latent, mean, np.exp(log_std)) * logs, latent)

    noise = jax.random.normal(jax.random.key(0), (200_000, 1))

    def estimate(mean, log_std):
        return jnp.mean(entropy(mean + jnp.exp(log_std) * noise, jnp.full(1, log_std)))

    found, slopes = jax.value_and_grad(estimate, argnums=(0, 1))(mean, log_std)
    np.testing.assert_allclose(found, exact(mean, log_std), atol=0.01)
    h = 1e-3
    by_mean = (exact(mean + h, log_std) - exact(mean - h, log_std)) / (2 * h)
    by_log_std = (exact(mean, log_std + h) - exact(mean, log_std - h)) / (2 * h)
    np.testing.assert_allclose(slopes, [by_mean, by_log_std], atol=0.01)
