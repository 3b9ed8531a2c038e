"""The tariff of Walter et al., hour by hour."""

import jax.numpy as jnp
import pytest

from safebench.household import tariff


def test_prices_of_a_day():
    printed = [0.2] * 6 + [0.4] * 5 + [0.2] * 6 + [0.5] * 4 + [0.2] * 3
    for clock in range(48):
        assert tariff.price(jnp.asarray(clock)) == printed[clock % 24]


def test_surplus_is_sold_for_less_at_any_hour():
    for clock, bought in ((0, 0.2), (18, 0.5)):
        assert tariff.electricity_cost(jnp.asarray(2.0), jnp.asarray(clock)) == pytest.approx(2 * bought)
        assert tariff.electricity_cost(jnp.asarray(-2.0), jnp.asarray(clock)) == pytest.approx(-2 * 0.08)
