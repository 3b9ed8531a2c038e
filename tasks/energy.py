"""Run a household's battery and heat pump cheaply while its rooms stay comfortable.

State (soc [kWh], t_in [deg C], t_ret [deg C]): battery charge, room and floor-heating return temperature;
actions: battery power 2 a1 kW (charging > 0) and heat-pump power 5 a2 kW (heating > 0, cooling < 0: it draws
|5 a2|). One step is an hour. Coefficients, prices and reward follow Walter et al., arXiv 2506.01665.

The heat pump is reversible because a heating-only one admits no safe set against t_out up to 40 deg C: with
nothing to draw heat out, t_in + (c1 / c2) t_ret rises by at least (t_out - t_in) / tau every hour, for ever.
The disturbance is the outdoor temperature: the safe set holds for any course of it inside its box.
"""

import csv
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
    linear,
    prove_safe_set,
    shipped_certificate,
)

CONSTRAINTS = box([0.0, 18.0, 10.0], [10.0, 24.0, 100.0])
DISTURBANCE = box([-10.0], [40.0])  # deg C outdoors
HORIZON = 720
FORECAST = 5
HOURS = 8760
COMFORT = 21.0

FLOOR, WALL = 1.1, 0.26  # heat transfer of floor heating and of walls, kW/K
TIME_CONSTANT = 240.0  # of the house, h
CAPACITY, COP = 1.1625, 3.01  # of the heating water, kWh/K; coefficient of performance
BATTERY, HEAT_PUMP = 2.0, 5.0  # kW at action 1

SELL = 0.08
COLUMNS = ("hour_of_year", "load_kw", "pv_kw", "outdoor_temperature_c")
Clock = Int[Array, ""]


def household() -> Dynamics:
    """x+ = x + dt f(x, a, w) with dt = 1 h; linear."""
    c0 = (FLOOR + WALL) / (WALL * TIME_CONSTANT)
    c1 = FLOOR / (WALL * TIME_CONSTANT)
    c2 = FLOOR / CAPACITY
    outdoors = DISTURBANCE.centre[0]
    # The proof's origin: half a charge, and the comfortable room at rest in the mean outdoor temperature.
    rest = np.array([5.0, COMFORT, (c0 * COMFORT - outdoors / TIME_CONSTANT) / c1])
    return linear(
        state=np.array([[1.0, 0.0, 0.0], [0.0, 1.0 - c0, c1], [0.0, c2, 1.0 - c2]]),
        action=np.array([[BATTERY, 0.0], [0.0, 0.0], [0.0, COP / CAPACITY * HEAT_PUMP]]),
        noise=np.array([[0.0], [1.0 / TIME_CONSTANT], [0.0]]),
        constant=np.zeros(3),
        origin=rest,
    )


def synthetic_year(seed: int = 0) -> Float[np.ndarray, "hours 3"]:
    """An invented year of hourly (load [kW], photovoltaic power [kW], outdoor temperature [deg C]).

    Temperature: mean 9.5, yearly swing 9.5 (coldest mid-January), daily swing 3.5 (warmest at 15 h), and
    a first-order autoregressive part with a correlation time of 50 h and a standard deviation of 3.5.
    Photovoltaic power: 4 kW peak times the sine of the sun's elevation at 48 degrees north times a
    cloud factor drawn per day. Load: 0.2 kW plus peaks around 7.5 h and 19 h, log-normal from hour to hour.
    """
    rng = np.random.default_rng(seed)
    hours = np.arange(HOURS)
    day, hour = hours / 24.0, hours % 24
    correlation = np.exp(-1 / 50)
    weather = np.zeros(HOURS)
    for i, shock in enumerate(3.5 * np.sqrt(1 - correlation**2) * rng.normal(size=HOURS - 1)):
        weather[i + 1] = correlation * weather[i] + shock
    temperature = 9.5 - 9.5 * np.cos(2 * np.pi * (day - 15) / 365)
    temperature += 3.5 * np.cos(2 * np.pi * (hour - 15) / 24) + weather
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (day + 10) / 365)
    latitude, angle = np.radians(48.0), 2 * np.pi * (hour - 12) / 24
    elevation = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        angle
    )
    clouds = np.repeat(rng.beta(1.5, 1.2, HOURS // 24), 24)
    photovoltaics = 4.0 * np.clip(elevation, 0.0, None) * clouds
    peaks = 0.6 * np.exp(-((hour - 7.5) ** 2) / 3) + 0.9 * np.exp(-((hour - 19) ** 2) / 6)
    load = (0.2 + peaks) * rng.lognormal(-0.08, 0.4, HOURS)
    low, high = DISTURBANCE.lower[0], DISTURBANCE.upper[0]
    return np.stack([load, photovoltaics, np.clip(temperature, low, high)], axis=1)


def read_profiles(path: str | PathLike) -> Float[np.ndarray, "hours 3"]:
    """Hourly (load, photovoltaic power, outdoor temperature) from a CSV with the columns `COLUMNS`.

    Raises:
        ValueError: if columns are missing, a value is no number, fewer than `HORIZON` hours are given, or
            a temperature lies outside the box that safety is proven for.
    """
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"{path} lacks the columns {missing}; it needs {list(COLUMNS)}")
        rows = sorted(reader, key=lambda row: float(row["hour_of_year"]))
    profiles = np.array([[float(row[name]) for name in COLUMNS[1:]] for row in rows])
    if len(profiles) < HORIZON or not np.isfinite(profiles).all():
        raise ValueError(
            f"{path} must hold at least {HORIZON} hours of finite numbers, it has {len(profiles)}"
        )
    low, high = DISTURBANCE.lower[0], DISTURBANCE.upper[0]
    if (profiles[:, 2] < low).any() or (profiles[:, 2] > high).any():
        raise ValueError(f"{path}: outdoor temperatures must lie in [{low}, {high}] deg C")
    return profiles


def price(clock: Clock) -> Scalar:
    """Purchase price per kWh: 0.2, 0.4 in the hours 6 to 10, 0.5 in the hours 17 to 20 (inclusive)."""
    hour = clock % 24
    return jnp.where((hour >= 6) & (hour <= 10), 0.4, jnp.where((hour >= 17) & (hour <= 20), 0.5, 0.2))


def electricity_cost(
    a: Float[Array, " 2"], load: Float[Array, ""], photovoltaics: Float[Array, ""], clock: Clock
) -> Scalar:
    """What one hour's exchange with the grid costs; surplus is sold at `SELL`."""
    power = BATTERY * a[0] + HEAT_PUMP * jnp.abs(a[1]) + load - photovoltaics
    return jnp.where(power > 0, price(clock), SELL) * power


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

    def at(clock: Clock) -> Float[Array, " 3"]:
        return jnp.asarray(year)[clock % len(year)]

    def observe(x: Float[Array, " 3"], clock: Clock) -> Float[Array, " 23"]:
        """The state, scaled to [-1, 1], and for this and the next 4 hours load, PV, t_out / 10, price."""
        hours = clock + jnp.arange(FORECAST)
        scaled = (x - jnp.asarray(CONSTRAINTS.centre, x.dtype)) / jnp.asarray(CONSTRAINTS.radius, x.dtype)
        forecast = jax.vmap(at)(hours) * jnp.array([1.0, 1.0, 0.1])
        parts = [scaled, forecast.T.ravel(), jax.vmap(price)(hours)]
        return jnp.concatenate([part.astype(x.dtype) for part in parts])

    def reward(
        x: Float[Array, " 3"], a: Float[Array, " 2"], after: Float[Array, " 3"], clock: Clock
    ) -> Scalar:
        """-(electricity cost of this hour + 100 (t_in - 21)^2 at the next state)."""
        load, photovoltaics, _ = at(clock).astype(x.dtype)
        discomfort = 100.0 * (after[1] - COMFORT) ** 2
        return -(electricity_cost(a, load, photovoltaics, clock) + discomfort)

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
        observe=observe,
        reward=reward,
        advance=lambda clock: (clock + 1) % len(year),
        disturb=lambda key, clock: at(clock)[2:],
        state_units=("kWh", "°C", "°C"),
    )
