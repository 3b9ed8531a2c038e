"""The tanh-squashed Gaussian: actions tanh(u) in (-1, 1)^m with u normal, and their exact density.

Densities take the latent u, never the action: tanh(u) rounds to 1 from u = 9 on in float32, where its
inverse is lost.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def log_slope(latent: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """log of d tanh(u) / du = 1 - tanh(u)^2, without cancellation or overflow for any u.

    1 - tanh(u)^2 = 4 / (e^u + e^-u)^2, so its log is 2 (log 2 - u - softplus(-2 u)).
    """
    return 2.0 * (math.log(2.0) - latent - jax.nn.softplus(-2.0 * latent))


def log_density(
    latent: Float[Array, "*batch m"], mean: Float[Array, "*batch m"], log_std: Float[Array, "*batch m"]
) -> Float[Array, "*batch"]:
    """Log density of the action tanh(latent), per unit of action, for latents ~ N(mean, exp(log_std)^2)."""
    scaled = (latent - mean) * jnp.exp(-log_std)
    gaussian = -0.5 * scaled**2 - log_std - 0.5 * math.log(2.0 * math.pi)
    return jnp.sum(gaussian - log_slope(latent), axis=-1)


def entropy(latent: Float[Array, "*batch m"], log_std: Float[Array, "*batch m"]) -> Float[Array, "*batch"]:
    """Unbiased estimate of the action's entropy from one reparametrised latent.

    H(tanh u) = H(u) + E[log slope(u)]; only the second term is sampled.
    """
    gaussian = log_std + 0.5 * math.log(2.0 * math.pi * math.e)
    return jnp.sum(gaussian + log_slope(latent), axis=-1)
