"""A house with a battery, and a heat pump that warms its floor: the linear model of Walter et al.

Coefficients, setpoint and comfort weight are those of arXiv 2506.01665. What pump and battery can do is a
task's own.
"""

import numpy as np
from jaxtyping import Array, Float, Scalar

from safebench.physics.dynamics import Dynamics, linear

COMFORT = 21.0
"""Degrees Celsius that the room should have."""

FLOOR, WALL = 1.1, 0.26  # heat transfer of floor heating and of walls, kW/K
TIME_CONSTANT = 240.0  # of the house, h
CAPACITY, COP = 1.1625, 3.01  # of the heating water, kWh/K; coefficient of performance


def heated_house(battery: float, heat_pump: tuple[float, float], outdoors: float) -> Dynamics:
    """x+ = x + dt f(x, a, w), dt = 1 h, of x = (soc [kWh], t_in [deg C], t_ret [deg C]); w: deg C outdoors.

    battery: kW at a1 = 1 (charging > 0). heat_pump: (kW at a2 = 0, kW more at a2 = 1), heating > 0.
    outdoors: the mean temperature. The proof's origin: half a charge, and the comfortable room at rest in it.
    """
    c0 = (FLOOR + WALL) / (WALL * TIME_CONSTANT)
    c1 = FLOOR / (WALL * TIME_CONSTANT)
    c2 = FLOOR / CAPACITY
    idle, swing = heat_pump
    return linear(
        state=np.array([[1.0, 0.0, 0.0], [0.0, 1.0 - c0, c1], [0.0, c2, 1.0 - c2]]),
        action=np.array([[battery, 0.0], [0.0, 0.0], [0.0, COP / CAPACITY * swing]]),
        noise=np.array([[0.0], [1.0 / TIME_CONSTANT], [0.0]]),
        constant=np.array([0.0, 0.0, COP / CAPACITY * idle]),
        origin=np.array([5.0, COMFORT, (c0 * COMFORT - outdoors / TIME_CONSTANT) / c1]),
    )


def discomfort(x: Float[Array, " 3"]) -> Scalar:
    """100 (t_in - 21)^2, in the currency of the tariff."""
    return 100.0 * (x[1] - COMFORT) ** 2
