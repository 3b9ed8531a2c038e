"""Run a household's battery and heat pump cheaply while its rooms stay comfortable.

State (soc [kWh], t_in [deg C], t_ret [deg C]): battery charge, room and floor-heating return temperature;
actions: battery power 2 a1 kW (charging > 0) and heat-pump power 5 a2 kW (heating > 0, cooling < 0: it draws
|5 a2|). One step is an hour. Coefficients, prices and reward follow Walter et al., arXiv 2506.01665.

The heat pump is reversible because a heating-only one admits no safe set against t_out up to 40 deg C: with
nothing to draw heat out, t_in + (c1 / c2) t_ret rises by at least (t_out - t_in) / tau every hour, for ever.
The disturbance is the outdoor temperature: the safe set holds for any course of it inside its box.
"""

from os import PathLike

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar

from safebench.task import (
    Certificate,
    Dynamics,
    Physics,
    Progress,
    Search,
    Task,
    box,
    discomfort,
    electricity_cost,
    heated_house,
    hour_of,
    household_observation,
    invented_year,
    prove_safe_set,
    read_hours,
    require_hours,
    shipped_certificate,
)

CONSTRAINTS = box([0.0, 18.0, 10.0], [10.0, 24.0, 100.0])
DISTURBANCE = box([-10.0], [40.0])  # deg C outdoors
HORIZON = 720
BATTERY, HEAT_PUMP = 2.0, 5.0  # kW at action 1
Clock = Int[Array, ""]


def household() -> Dynamics:
    """The house with this task's battery and reversible pump; linear."""
    return heated_house(BATTERY, (0.0, HEAT_PUMP), DISTURBANCE.centre[0])


def synthetic_year() -> Float[np.ndarray, "hours 3"]:
    """The default profiles: an invented year of hourly (load [kW], PV [kW], outdoor temperature [deg C])."""
    return invented_year(DISTURBANCE)


def read_profiles(path: str | PathLike) -> Float[np.ndarray, "hours 3"]:
    """Hourly (load, PV, outdoor temperature) from a CSV with the columns hour_of_year, load_kw, pv_kw and
    outdoor_temperature_c.

    Raises:
        ValueError: if columns are missing, a value is no number, fewer than `HORIZON` hours are given, or
            a temperature lies outside the box that safety is proven for.
    """
    _, profiles = read_hours(path)
    require_hours(profiles, HORIZON, DISTURBANCE, path)
    return profiles


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    return prove_safe_set(
        household(), CONSTRAINTS, DISTURBANCE, "energy", search=Search(candidates=120), progress=progress
    )


def make(physics: Physics = "mjx", profiles: str | PathLike | None = None) -> Task:
    """The energy task. `physics` makes no difference (it is not mechanical).

    profiles: a CSV for `read_profiles`; `synthetic_year` by default.

    Raises:
        ValueError: as `read_profiles`.
    """
    dynamics = household()
    certificate = shipped_certificate(__file__, dynamics)
    year = synthetic_year() if profiles is None else read_profiles(profiles)

    def reward(
        x: Float[Array, " 3"], a: Float[Array, " 2"], after: Float[Array, " 3"], clock: Clock
    ) -> Scalar:
        """-(electricity cost of this hour + 100 (t_in - 21)^2 at the next state)."""
        load, photovoltaics, _ = hour_of(year, clock).astype(x.dtype)
        power = BATTERY * a[0] + HEAT_PUMP * jnp.abs(a[1]) + load - photovoltaics
        return -(electricity_cost(power, clock) + discomfort(after))

    return Task(
        name="energy",
        version=1,
        summary="run a battery and a heat pump cheaply within comfort and charge limits",
        control_period=3600.0,
        horizon=HORIZON,
        state_names=("soc", "t_in", "t_ret"),
        action_names=("battery", "heat pump"),
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=certificate,
        begin=lambda key, x: jax.random.randint(key, (), 0, len(year)),
        observe=lambda x, clock: household_observation(x, clock, year, CONSTRAINTS),
        reward=reward,
        advance=lambda clock: (clock + 1) % len(year),
        disturb=lambda key, clock: hour_of(year, clock)[2:],
        state_units=("kWh", "°C", "°C"),
    )
