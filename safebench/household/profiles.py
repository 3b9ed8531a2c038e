"""Hourly profiles of a household, rows of (load [kW], photovoltaic power [kW], outdoor temperature [deg C]).

One year is invented, seeded; others come from a CSV with the columns `COLUMNS`.
"""

import csv
from os import PathLike

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from safebench.household.tariff import price
from safebench.sets.polytope import Box

COLUMNS = ("hour_of_year", "load_kw", "pv_kw", "outdoor_temperature_c")
HOURS = 8760
AUTUMN, SPRING = 7296, 2160
"""Hours of the year at which November begins and March ends (of 365 days)."""
FORECAST = 5
"""Hours that a household knows: this one and the next four."""


def invented_year(outdoors: Box, seed: int = 0) -> Float[np.ndarray, "hours 3"]:
    """An invented year, its temperatures clipped to the box `outdoors`.

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
    low, high = outdoors.lower[0], outdoors.upper[0]
    return np.stack([load, photovoltaics, np.clip(temperature, low, high)], axis=1)


def read_hours(path: str | PathLike) -> tuple[Int[np.ndarray, " hours"], Float[np.ndarray, "hours 3"]]:
    """The hours of the year that a CSV with the columns `COLUMNS` holds, in order, and their profiles.

    Raises:
        ValueError: if columns are missing, a value is no number, or an hour is no whole number.
    """
    with open(path, newline="") as file:
        reader = csv.DictReader(file, restval="")
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"{path} lacks the columns {missing}; it needs {list(COLUMNS)}")
        rows = sorted(reader, key=lambda row: float(row["hour_of_year"]))
    numbers = np.array([[float(row[name]) for name in COLUMNS] for row in rows]).reshape(-1, len(COLUMNS))
    if not (numbers[:, 0] % 1 == 0).all():
        raise ValueError(f"{path}: every {COLUMNS[0]} must be a whole number")
    return numbers[:, 0].astype(int), numbers[:, 1:]


def heating_season(hours: Int[np.ndarray, " hours"]) -> Int[np.ndarray, " rows"]:
    """Where the hours from November to March stand among `hours` (of the year, in order), November first."""
    return np.concatenate([np.flatnonzero(hours >= AUTUMN), np.flatnonzero(hours < SPRING)])


def require_hours(profiles: Float[np.ndarray, "hours 3"], least: int, outdoors: Box, path: object) -> None:
    """Check what was read from `path`.

    Raises:
        ValueError: if there are fewer than `least` hours, a number is not finite, or a temperature lies
            outside the box that safety is proven for.
    """
    if len(profiles) < least or not np.isfinite(profiles).all():
        raise ValueError(f"{path} must hold at least {least} hours of finite numbers, it has {len(profiles)}")
    low, high = outdoors.lower[0], outdoors.upper[0]
    if (profiles[:, 2] < low).any() or (profiles[:, 2] > high).any():
        raise ValueError(f"{path}: outdoor temperatures must lie in [{low}, {high}] deg C")


def hour_of(profiles: Float[np.ndarray, "hours 3"], clock: Int[Array, ""]) -> Float[Array, " 3"]:
    """The profiles' row at `clock`; after the last one comes the first."""
    return jnp.asarray(profiles)[clock % len(profiles)]


def household_observation(
    x: Float[Array, " 3"], clock: Int[Array, ""], profiles: Float[np.ndarray, "hours 3"], constraints: Box
) -> Float[Array, " 23"]:
    """The state, scaled to [-1, 1], and for this and the next 4 hours load, PV, t_out / 10, price."""
    hours = clock + jnp.arange(FORECAST)
    scaled = (x - jnp.asarray(constraints.centre, x.dtype)) / jnp.asarray(constraints.radius, x.dtype)
    forecast = jax.vmap(lambda hour: hour_of(profiles, hour))(hours) * jnp.array([1.0, 1.0, 0.1])
    parts = [scaled, forecast.T.ravel(), jax.vmap(price)(hours)]
    return jnp.concatenate([part.astype(x.dtype) for part in parts])
