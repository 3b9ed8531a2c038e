"""Run a household's battery and heating-only heat pump cheaply in winter while its rooms stay comfortable.

Plant, limits, prices and reward are those printed in Walter et al., arXiv 2506.01665; one step is an hour.

| state | unit | limits |
|---|---|---|
| soc, battery charge | kWh | 0 to 10 |
| t_in, room temperature | deg C | 18 to 24 |
| t_ret, floor heating's return temperature | deg C | 10 to 100 |

| action in [-1, 1] | power, kW |
|---|---|
| a1, battery | 2 a1; charging > 0 |
| a2, heat pump | 2.5 + 2.5 a2: 0 to 5, it only heats |

| disturbance | unit | box |
|---|---|---|
| t_out, outdoor temperature | deg C | -10 to 15 |

Winter, since against t_out up to 40 deg C, as in the paper, a pump that only heats admits no safe set: for
that reason the pump of `energy`, which runs all year, cools as well. The set found is 90.48 % of the
limits' box; the largest one that any law could keep is 90.52 %.

Hours: November to March, November first. By default of an invented, seeded year; the temperatures of 34 of
the 3624 hours leave the box and are clipped to it. Or of a CSV (`make(profiles=...)`), which must not leave
it. An episode begins at any hour that 720 hours follow before the end of March. The paper's single episode
begins at hour 7800 of its year: with a CSV that holds its 720 hours it is the reference episode. Its start
state is not published; here it is half a charge and the comfortable room at rest in the mean outdoor
temperature.

Conventions: as printed, powers are in kW and photovoltaic power lowers what is bought. The reward in the
code of the paper's authors, from which its published returns come, adds photovoltaic power instead, and
takes the actions in [-1, 1] for powers in kW.
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
    Task,
    box,
    discomfort,
    electricity_cost,
    heated_house,
    heating_season,
    hour_of,
    household_observation,
    invented_year,
    prove_safe_set,
    read_hours,
    require_hours,
    shipped_certificate,
)

CONSTRAINTS = box([0.0, 18.0, 10.0], [10.0, 24.0, 100.0])
DISTURBANCE = box([-10.0], [15.0])  # deg C outdoors
HORIZON = 720
REFERENCE_HOUR = 7800  # of the year, at which the paper's episode begins: 21 November
BATTERY, HEAT_PUMP = 2.0, 2.5  # kW at action 1; of the pump as much above what it draws at action 0
Clock = Int[Array, ""]


def household() -> Dynamics:
    """The house with this task's battery and heating-only pump; linear."""
    return heated_house(BATTERY, (HEAT_PUMP, HEAT_PUMP), DISTURBANCE.centre[0])


def winter(
    profiles: str | PathLike | None = None,
) -> tuple[Int[np.ndarray, " hours"], Float[np.ndarray, "hours 3"]]:
    """The hours of the year from November to March; their (load [kW], PV [kW], outdoor temperature [deg C]).

    Raises:
        ValueError: if the CSV `profiles` lacks columns, has a value that is no number, fewer than `HORIZON`
            such hours, a gap between them, or a temperature outside the box that safety is proven for.
    """
    if profiles is None:
        year = invented_year(DISTURBANCE)
        hours = np.arange(len(year))
    else:
        hours, year = read_hours(profiles)
    season = heating_season(hours)
    hours, year = hours[season], year[season]
    require_hours(year, HORIZON, DISTURBANCE, profiles)
    if hours[0] % 24 or not np.isin(np.diff(hours), (1, -8759, -8783)).all():
        raise ValueError(
            f"{profiles}: the hours from November to March must begin at midnight and have no gap"
        )
    return hours, year


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    return prove_safe_set(household(), CONSTRAINTS, DISTURBANCE, "energy-heating", progress=progress)


def make(physics: Physics = "mjx", profiles: str | PathLike | None = None) -> Task:
    """The task. `physics` makes no difference (it is not mechanical).

    profiles: a CSV for `winter`, with the columns hour_of_year, load_kw, pv_kw and outdoor_temperature_c; an
        invented year by default.

    Raises:
        ValueError: as `winter`.
    """
    dynamics = household()
    certificate = shipped_certificate(__file__, dynamics)
    hours, values = winter(profiles)
    last = len(hours) - HORIZON
    first = np.flatnonzero(hours[: last + 1] == REFERENCE_HOUR)
    known = profiles is not None and len(first) > 0

    def reward(
        x: Float[Array, " 3"], a: Float[Array, " 2"], after: Float[Array, " 3"], clock: Clock
    ) -> Scalar:
        """-(electricity cost of this hour + 100 (t_in - 21)^2 at the next state)."""
        load, photovoltaics, _ = hour_of(values, clock).astype(x.dtype)
        power = BATTERY * a[0] + HEAT_PUMP * (1 + a[1]) + load - photovoltaics
        return -(electricity_cost(power, clock) + discomfort(after))

    return Task(
        name="energy-heating",
        summary="run a battery and a heat pump that only heats cheaply in winter, within its limits",
        control_period=3600.0,
        horizon=HORIZON,
        state_names=("soc", "t_in", "t_ret"),
        action_names=("battery", "heat pump"),
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=certificate,
        begin=lambda key, x: jax.random.randint(key, (), 0, last + 1),
        observe=lambda x, clock: household_observation(x, clock, values, CONSTRAINTS),
        reward=reward,
        advance=lambda clock: (clock + 1) % len(hours),
        disturb=lambda key, clock: hour_of(values, clock)[2:],
        reference_start=(certificate.origin, jnp.asarray(first[0])) if known else None,
        state_units=("kWh", "°C", "°C"),
    )
