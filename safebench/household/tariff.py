"""What a household's exchange with the grid costs: the tariff of Walter et al., arXiv 2506.01665."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

SELL = 0.08
"""What a kWh of surplus earns, at any hour."""


def price(clock: Int[Array, ""]) -> Scalar:
    """Purchase price per kWh: 0.2, 0.4 in the hours 6 to 10, 0.5 in the hours 17 to 20 (inclusive)."""
    hour = clock % 24
    return jnp.where((hour >= 6) & (hour <= 10), 0.4, jnp.where((hour >= 17) & (hour <= 20), 0.5, 0.2))


def electricity_cost(power: Float[Array, ""], clock: Int[Array, ""]) -> Scalar:
    """What the hour `clock` of `power` kW from the grid costs; below 0 it is surplus, sold at `SELL`."""
    return jnp.where(power > 0, price(clock), SELL) * power
