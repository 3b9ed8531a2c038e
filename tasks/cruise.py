"""Follow another car on a road at 22 m/s where it lets you, never closer than 1.8 seconds behind it.

| state | unit | limits |
|---|---|---|
| s, the gap to the leader beyond the headway: gap - 1.8 s v | m | 0 to 120 |
| v, own speed | m/s | 0 to 32 |
| v_lead, the leader's speed | m/s | 0 to 30 |

| action in [-1, 1] | force at the wheels, kN |
|---|---|
| a | 4.856 a: 0.3 g of 1650 kg, braking < 0 |

| disturbance | unit | box |
|---|---|---|
| push: wind, and what the drag is beside its chord | m/s^2 | -0.03 to 0.03 |
| w, the speed that the leader makes for | m/s | 2 to 28 |

Mass, drag F_r = 0.1 N + 5 N s/m v + 0.25 N s^2/m^2 v^2, headway and the bound of 0.3 g are those of Ames,
Xu, Grizzle, Tabuada, Control Barrier Function Based Quadratic Programs for Safety Critical Systems, IEEE
Transactions on Automatic Control 2017. One step is 0.2 s. The plant is linear: its drag is the chord of F_r
from 0 to 32 m/s, less 32 N, half the largest distance between the two. From F_r that differs by at most
0.0194 m/s^2, so a car with the true drag is one course of the push, which simulation draws uniformly from
its box. The gap follows from the mean of the speeds at both ends of a step, exact where accelerations are
constant within it.

The leader approaches its target speed by v_lead+ = v_lead + 0.2 s / 10 s (w - v_lead): it brakes by 0.285 g
at most, and stays within its limits by itself. Safety is proven for any course of w; in an episode w is
drawn anew every ten seconds, and is not observed.

The set found is 79.6 % of the limits' box, the largest one that any law could keep 87.9 %.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

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

CONSTRAINTS = box([0.0, 0.0, 0.0], [120.0, 32.0, 30.0])
DISTURBANCE = box([-0.03, 2.0], [0.03, 28.0])
PERIOD = 0.2  # s
HORIZON = 300
DESIRED = 22.0  # m/s

MASS, GRIP, GRAVITY = 1650.0, 0.3, 9.81  # kg; share of g; m/s^2
DRAG = (0.1, 5.0, 0.25)  # N, N s/m, N s^2/m^2
HEADWAY = 1.8  # s
LAG = 10.0  # s, of the leader behind its target speed
HOLD = 50  # steps for which the leader keeps a target
ORIGIN = np.array([50.0, 16.0, 15.0])  # that the certified law contracts to


class Leader(NamedTuple):
    """The leader's target speeds, m/s, each for `HOLD` steps, and the step."""

    targets: Float[Array, " targets"]
    clock: Int[Array, ""]


def chord() -> tuple[float, float]:
    """The drag that is simulated, per mass: (m/s^2 at rest, 1/s), midway between F_r and its chord."""
    top = CONSTRAINTS.upper[1]
    constant, slope, curvature = DRAG
    return (constant - curvature * top**2 / 8) / MASS, (slope + curvature * top) / MASS


def car() -> Dynamics:
    """One step of own car and leader; linear."""
    rest, rate = chord()
    # Every quantity is its row over (s, v, v_lead, a, push, w, 1).
    s, v, lead, a, push, w, one = np.eye(7)
    speed = v + PERIOD * (GRIP * GRAVITY * a - rate * v - rest * one + push)
    leader = lead + PERIOD / LAG * (w - lead)
    gap = s + HEADWAY * v + PERIOD / 2 * (lead + leader - v - speed)
    rows = np.stack([gap - HEADWAY * speed, speed, leader])
    return linear(
        state=rows[:, :3], action=rows[:, 3:4], noise=rows[:, 4:6], constant=rows[:, 6], origin=ORIGIN
    )


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    return prove_safe_set(
        car(), CONSTRAINTS, DISTURBANCE, "cruise", search=Search(contraction=0.9998), progress=progress
    )


def make(physics: Physics = "mjx") -> Task:
    """The task. `physics` makes no difference (it has no MuJoCo model)."""
    dynamics = car()

    def begin(key: PRNGKeyArray, x: Float[Array, " 3"]) -> Leader:
        low, high = DISTURBANCE.lower[1], DISTURBANCE.upper[1]
        targets = jax.random.uniform(key, (HORIZON // HOLD,), x.dtype, low, high)
        return Leader(targets, jnp.zeros((), int))

    def disturb(key: PRNGKeyArray, leader: Leader) -> Float[Array, " 2"]:
        push = jax.random.uniform(key, (), leader.targets.dtype, DISTURBANCE.lower[0], DISTURBANCE.upper[0])
        return jnp.stack([push, leader.targets[leader.clock // HOLD % len(leader.targets)]])

    return Task(
        name="cruise",
        summary="keep a car's speed where the car ahead allows it, and the distance always",
        control_period=PERIOD,
        horizon=HORIZON,
        state_names=("s", "v", "v_lead"),
        action_names=("force",),
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=shipped_certificate(__file__, dynamics),
        begin=begin,
        observe=observe,
        reward=reward,
        advance=lambda leader: leader._replace(clock=leader.clock + 1),
        disturb=disturb,
        state_units=("m", "m/s", "m/s"),
    )


def observe(x: Float[Array, " 3"], leader: Leader) -> Float[Array, " 5"]:
    """The state, scaled to [-1, 1]; how much faster the leader is, and how far v is below 22 m/s, over 10."""
    scaled = (x - jnp.asarray(CONSTRAINTS.centre, x.dtype)) / jnp.asarray(CONSTRAINTS.radius, x.dtype)
    return jnp.concatenate([scaled, jnp.stack([x[2] - x[1], DESIRED - x[1]]) / 10])


def reward(x: Float[Array, " 3"], a: Float[Array, " 1"], after: Float[Array, " 3"], leader: Leader) -> Scalar:
    """-((v - 22) / 10)^2 at the next state - 0.1 a^2."""
    return -(((after[1] - DESIRED) / 10) ** 2) - 0.1 * a[0] ** 2
