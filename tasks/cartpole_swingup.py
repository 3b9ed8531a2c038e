"""Swing a hanging pole up and hold it, by a cart that must not leave a short rail.

The cart is commanded by acceleration, the inverse dynamics gives the force. So the cart moves as it is told
whatever the pole does, and the safe set speaks of the cart alone: nothing is asked of the pole.

| | |
|---|---|
| state | x [m], theta [rad], 0 upright; xdot [m/s], thetadot [rad/s] |
| action | acceleration of the cart, 5 a m/s^2 |
| limits | abs x <= 1 m, abs xdot <= 2 m/s; none of the pole |
| disturbance | 0.05 m/s^2 on the cart |

Cart and pole of Barto, Sutton and Anderson (1983), IEEE SMC 13(5), with damping of 0.01 N m s/rad in the
pole's joint. Episodes begin with the cart anywhere in its safe set and the pole hanging, within 0.1 rad and
0.1 rad/s. The rate of the pole stays within 75 rad/s by itself: gravity and cart turn it by at most
m l (g + 5.05 m/s^2) = 0.74 N m, the damping back by more from 74.3 rad/s on (tested). No limit of
the force is claimed. The swing-up has succeeded when the pole is within 0.2 rad and 1 rad/s of upright.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Scalar

from safebench.task import (
    Certificate,
    Context,
    Dynamics,
    Physics,
    Progress,
    Search,
    Task,
    mechanical,
    prove_safe_set,
    shipped_certificate,
    shipped_model,
    symmetric_box,
    uniform_starts,
)

CONSTRAINTS = symmetric_box([1.0, 2.0])  # x, xdot
DISTURBANCE = symmetric_box([0.05])  # m/s^2, added to the cart's acceleration
DISTURBANCE_INPUT = np.array([[1.0], [0.0]])
RANGES = {"theta": 25.0, "thetadot": 75.0}
HORIZON = 500
HANGING = np.array([np.pi, 0.0])
INERTIA = 0.1 * 0.5**2 + 1 / 120  # kg m^2, of the pole about its joint
WEIGHT = 0.1 * 9.8 * 0.5  # N m, of the pole held out level
SPREAD = 0.1  # rad, rad/s
UPRIGHT, AT_REST = 0.2, 1.0  # rad, rad/s


def observe(x: Float[Array, " 4"], context: Context) -> Float[Array, " 5"]:
    """(x, sin theta, cos theta, xdot, thetadot / 5)."""
    return jnp.stack([x[0], jnp.sin(x[1]), jnp.cos(x[1]), x[2], x[3] / 5.0])


def reward(
    x: Float[Array, " 4"], a: Float[Array, " 1"], after: Float[Array, " 4"], context: Context
) -> Scalar:
    """-((1 - cos theta) / 2 + (1 - e)^2 / 4 + 0.1 x^2 + 0.01 a^2) at the next state, e the pole's energy.

    In units of the weight's moment e is -1 hanging at rest and 1 upright at rest. Every swing that raises it
    earns something, long before the pole comes near upright.
    """
    upright = jnp.cos(after[1])
    energy = 0.5 * INERTIA * after[3] ** 2 / WEIGHT + upright
    return -((1.0 - upright) / 2 + (1.0 - energy) ** 2 / 4 + 0.1 * after[0] ** 2 + 0.01 * a[0] ** 2)


def reached(x: Float[Array, " 4"], context: Context) -> Bool[Array, " 1"]:
    """Whether the pole is upright and nearly at rest."""
    return ((jnp.cos(x[1]) >= np.cos(UPRIGHT)) & (jnp.abs(x[3]) <= AT_REST))[None]


def cart(physics: Physics = "mjx") -> Dynamics:
    """A cart commanded by acceleration, and a pole that no constraint speaks of."""
    model = shipped_model(__file__)
    return mechanical(model, DISTURBANCE_INPUT, physics, "acceleration", unconstrained=RANGES)


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    return prove_safe_set(
        cart("compiled"),
        CONSTRAINTS,
        DISTURBANCE,
        "cartpole-swingup",
        search=Search(contraction=0.9998, row_price=1e-4, candidates=64),
        progress=progress,
    )


def make(physics: Physics = "mjx") -> Task:
    """The swing-up, with the physics asked for."""
    dynamics = cart(physics)
    certificate = shipped_certificate(__file__, dynamics)
    of_cart = uniform_starts(certificate)
    of_pole = HANGING + np.random.default_rng(0).uniform(-SPREAD, SPREAD, of_cart.shape)
    return Task(
        name="cartpole-swingup",
        summary="swing up a pole by a cart that provably stays on a short rail",
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=certificate,
        starts=np.stack([of_cart[:, 0], of_pole[:, 0], of_cart[:, 1], of_pole[:, 1]], axis=1),
        observe=observe,
        reward=reward,
        reached=reached,
    )
