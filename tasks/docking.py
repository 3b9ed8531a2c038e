"""Fly a spacecraft to a port on another one, never faster than its distance to the port allows.

Clohessy-Wiltshire dynamics in the orbital plane, in Hill's frame: x points away from the Earth, y along the
orbit, the port is at the origin and looks towards +x. Held thrust, discretised exactly over a step of 1 s.

| state | | limits |
|---|---|---|
| x | position, away from the Earth [m] | -0.5 to 100 |
| y | position, along the orbit [m] | -100 to 100 |
| xdot, ydot | velocity [m/s] | abs <= 0.2 + 2 n 100 = 0.4054 |
| velocity and x | within the regular octagon in the circle of radius 0.2 + 2 n x | 8 half-spaces |

| action | |
|---|---|
| thrust x, thrust y | 1 a N on 12 kg |

| disturbance | |
|---|---|
| in x, y | accelerations, abs <= 0.001 m/s^2, 1.2 % of the thrust's |

n = 0.001027 rad/s is the mean motion of a low orbit. Mass, orbit, thrust, the speed limit 0.2 + 2 n |r| and
docking (within 0.5 m at no more than 0.2 m/s) follow Dunlap, Mote, Delsing and Hobbs, "Run time assured
reinforcement learning for safe satellite docking" (2022), and their docking environments. Their limit is not
convex. Ours is, and stricter: x <= |r|, and an octagon lies in its circle. The disturbance is ours.

`docking-line-of-sight` keeps to abs y <= x + 5 m, too: what the port can see. There a step is 2 s, and the
disturbance half as large.
"""

import math
from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Scalar

from safebench.task import (
    Box,
    Certificate,
    Context,
    Dynamics,
    Physics,
    Polytope,
    Progress,
    Search,
    Task,
    box,
    half_spaces,
    linear,
    prove_safe_set,
    safe_norm,
    shipped_certificate,
    symmetric_box,
)

VARIANTS = {"docking-line-of-sight": {"line_of_sight": True}}

MEAN_MOTION = 0.001027  # rad/s, of the orbit
MASS, THRUST = 12.0, 1.0  # kg; N at action 1, each way
RANGE = 100.0  # m
DOCKED, CAREFUL = 0.5, 0.2  # m and m/s: nearer and slower is docked

FASTEST = CAREFUL + 2 * MEAN_MOTION * RANGE
CONSTRAINTS = box([-DOCKED, -RANGE, -FASTEST, -FASTEST], [RANGE, RANGE, FASTEST, FASTEST])
# An octagon with corners on the axes: |xdot| + t |ydot| and t |xdot| + |ydot| at most 0.2 + 2 n x.
SIDE = math.sqrt(2) - 1  # t, the tangent of 22.5 degrees
SPEED_LIMIT = half_spaces(
    [
        [-2 * MEAN_MOTION, 0.0, along * u, across * v]
        for u, v in ((1.0, SIDE), (SIDE, 1.0))
        for along in (1, -1)
        for across in (1, -1)
    ],
    np.full(8, CAREFUL),
)
SIGHT = half_spaces(
    [*SPEED_LIMIT.normals, [-1.0, 1.0, 0.0, 0.0], [-1.0, -1.0, 0.0, 0.0]], [*SPEED_LIMIT.offsets, 5.0, 5.0]
)
DISTURBANCE = symmetric_box([0.001, 0.001])  # m/s^2


class Setting(NamedTuple):
    """What the tasks of this file differ in. period: of a step [s]. horizon: of an episode [steps]."""

    name: str
    summary: str
    period: float
    horizon: int
    disturbance: Box
    half_spaces: Polytope
    search: Search


OPEN = Setting(
    name="docking",
    summary="dock a spacecraft at a speed that its distance allows",
    period=1.0,
    horizon=800,
    disturbance=DISTURBANCE,
    half_spaces=SPEED_LIMIT,
    search=Search(candidates=120, refinements=120, row_price=2e-4, contraction=0.9998),
)
SIGHTED = Setting(
    name="docking-line-of-sight",
    summary=f"{OPEN.summary}, in sight of the port",
    period=2.0,
    horizon=400,
    disturbance=symmetric_box(0.5 * DISTURBANCE.upper),
    half_spaces=SIGHT,
    search=Search(),
)


def held(rates: Float[np.ndarray, "n n"], inputs: Float[np.ndarray, "n m"], period: float):
    """(state, input) matrices of d/dt x = rates x + inputs u over a period in which u is held.

    exp([[rates, inputs], [0, 0]] period) by its Taylor series in rationals, rounded once: the certificate is
    for these very bits, which library functions give on some machines only.
    """
    n, m = inputs.shape
    generator = np.zeros((n + m, n + m), object)
    generator[:n] = np.vectorize(Fraction, otypes=[object])(np.hstack([rates, inputs]))
    total = term = np.vectorize(Fraction, otypes=[object])(np.eye(n + m))
    for order in range(1, 16):
        term = term @ generator * Fraction(period) / order
        total = total + term
    return total[:n, :n].astype(float), total[:n, n:].astype(float)


def spacecraft(period: float) -> Dynamics:
    """x+ = state x + input (thrust a / mass + w), both accelerations held over a step of `period` seconds."""
    n = MEAN_MOTION
    rates = np.zeros((4, 4))
    rates[:2, 2:] = np.eye(2)
    rates[2] = [3 * n * n, 0.0, 0.0, 2 * n]
    rates[3, 2] = -2 * n
    state, push = held(rates, np.eye(4)[:, 2:], period)
    # The proof's origin lies off the port, where hardly any speed is allowed.
    return linear(
        state, push * (THRUST / MASS), push, np.zeros(4), origin=np.array([RANGE / 4, 0.0, 0.0, 0.0])
    )


def observe(x: Float[Array, " 4"], context: Context) -> Float[Array, " 8"]:
    """Position / 100 m, tanh(position / 5 m), velocity / 0.2 m/s, velocity / its limit."""
    position, velocity = x[:2], x[2:]
    limit = CAREFUL + 2 * MEAN_MOTION * position[0]
    parts = [position / RANGE, jnp.tanh(position / 5), velocity / CAREFUL, velocity / limit]
    return jnp.concatenate(parts)


def reward(
    x: Float[Array, " 4"], a: Float[Array, " 2"], after: Float[Array, " 4"], context: Context
) -> Scalar:
    """How many metres nearer to the port the step leads, less 0.02 |a|^2 for fuel."""
    return safe_norm(x[:2]) - safe_norm(after[:2]) - 0.02 * jnp.sum(a**2)


def reached(x: Float[Array, " 4"], context: Context) -> Bool[Array, " 1"]:
    """Whether it is docked: within 0.5 m of the port, at 0.2 m/s or less."""
    return ((safe_norm(x[:2]) <= DOCKED) & (safe_norm(x[2:]) <= CAREFUL))[None]


def synthesise(progress: Progress | None = None, line_of_sight: bool = False) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    setting = SIGHTED if line_of_sight else OPEN
    return prove_safe_set(
        spacecraft(setting.period),
        CONSTRAINTS,
        setting.disturbance,
        setting.name,
        half_spaces=setting.half_spaces,
        search=setting.search,
        state_names=("x", "y", "xdot", "ydot"),
        action_names=("thrust x", "thrust y"),
        progress=progress,
    )


def make(physics: Physics = "mjx", line_of_sight: bool = False) -> Task:
    """The docking task. `physics` makes no difference: it has no mechanism.

    line_of_sight: abs y <= x + 5 m beside the speed limit.
    """
    setting = SIGHTED if line_of_sight else OPEN
    dynamics = spacecraft(setting.period)
    return Task(
        name=setting.name,
        summary=setting.summary,
        control_period=setting.period,
        horizon=setting.horizon,
        state_names=("x", "y", "xdot", "ydot"),
        action_names=("thrust x", "thrust y"),
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        half_spaces=setting.half_spaces,
        disturbance=setting.disturbance,
        certificate=shipped_certificate(__file__, dynamics, setting.name if line_of_sight else None),
        observe=observe,
        reward=reward,
        reached=reached,
        state_units=("m", "m", "m/s", "m/s"),
    )
