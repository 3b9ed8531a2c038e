"""Probe tasks with known optimal actions and values: linear motion, quadratic reward, no safeguard.

A probe is a pytree of numbers of one shape, so that one compiled program trains a learner on all of them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import solve_discrete_are

from safebench.env.environment import Env
from safebench.env.task import Task
from safebench.physics.affine import Affine, predict
from safebench.physics.dynamics import Dynamics
from safebench.runs import presets
from safebench.sets.certificate import Certificate
from safebench.sets.polytope import symmetric_box

STATES = 3
FAR = 1e6


class Probe(NamedTuple):
    """x+ = state x + action a; with z = (x, a, x+) the reward is constant + linear.z - z' quadratic z."""

    state: Float[Array, "3 3"]
    action: Float[Array, "3 1"]
    constant: Float[Array, ""]
    linear: Float[Array, " 7"]
    quadratic: Float[Array, "7 7"]
    horizon: Float[Array, ""]
    starts: Float[Array, "64 3"]


X, A, AFTER = slice(0, 3), slice(3, 4), slice(4, 7)


def probe(horizon, starts, state=None, action=None, constant=0.0, linear=None, quadratic=None) -> Probe:
    starts = np.asarray(starts, float)
    starts = np.pad(starts, ((0, 0), (0, STATES - starts.shape[1])))
    return Probe(
        state=np.eye(STATES) if state is None else state,
        action=np.zeros((STATES, 1)) if action is None else action,
        constant=np.float64(constant),
        linear=np.zeros(7) if linear is None else linear,
        quadratic=np.zeros((7, 7)) if quadratic is None else quadratic,
        horizon=np.int32(horizon),
        starts=np.resize(starts, (64, STATES)),
    )


def constant_reward() -> Probe:
    """Reward 1 for ever, in episodes cut after 5 steps: every value is 1 / (1 - gamma)."""
    return probe(5, np.zeros((1, 1)), constant=1.0)


def ring_of_places() -> Probe:
    """A one-hot state moves round three places, reward 1 on leaving the last; episodes cut after 4 steps.

    The value of place i is gamma^(2 - i) / (1 - gamma^3).
    """
    last = np.zeros(7)
    last[2] = 1.0
    return probe(4, np.eye(3), state=np.roll(np.eye(3), 1, axis=0), linear=last)


def single_step() -> Probe:
    """Episodes of one step, reward -(a - x0 / 2)^2: the best action is x0 / 2."""
    error = np.zeros(7)
    error[0], error[3] = -0.5, 1.0
    return probe(1, np.linspace(-1.0, 1.0, 64)[:, None], quadratic=np.outer(error, error))


def delayed_action() -> Probe:
    """The action passes a line of two delays and is rewarded two steps later, by -(x1 - 0.4)^2.

    The best action is 0.4 everywhere.
    """
    state, action = np.zeros((3, 3)), np.zeros((3, 1))
    state[1, 0] = action[0, 0] = 1.0
    reached = np.zeros(7)
    reached[5] = 1.0
    return probe(
        8,
        np.random.default_rng(0).uniform(-0.5, 0.5, (64, 2)),
        state=state,
        action=action,
        constant=-(0.4**2),
        linear=2 * 0.4 * reached,
        quadratic=np.outer(reached, reached),
    )


STATE, ACTION = np.array([[1.0, 0.2], [0.1, 0.9]]), np.array([[0.1], [0.6]])
STATE_COST, ACTION_COST = np.diag([1.0, 0.2]), np.array([[2.0]])


def regulator() -> Probe:
    """A linear-quadratic regulator, unstable without control; the optimal actions stay below 0.5."""
    state, action, cost = np.zeros((3, 3)), np.zeros((3, 1)), np.zeros((7, 7))
    state[:2, :2], action[:2] = STATE, ACTION
    cost[:2, :2], cost[A, A] = STATE_COST, ACTION_COST
    starts = np.random.default_rng(1).uniform(-0.5, 0.5, (64, 2))
    return probe(32, starts, state=state, action=action, quadratic=cost)


def riccati(discount: float) -> tuple[np.ndarray, np.ndarray]:
    """P and K of the discounted regulator: the least cost from x is x' P x, with a = -K x."""
    a, b = np.sqrt(discount) * STATE, np.sqrt(discount) * ACTION
    p = solve_discrete_are(a, b, STATE_COST, ACTION_COST)
    return p, np.linalg.solve(ACTION_COST + b.T @ p @ b, b.T @ p @ a)


PROBES = {
    made.__name__: made()
    for made in (constant_reward, ring_of_places, single_step, delayed_action, regulator)
}


def stacked() -> Probe:
    """All of PROBES, along a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *PROBES.values())


class Horizon:
    """A horizon that may be traced: where shapes depend on it, it counts as the shortest there is."""

    def __init__(self, steps):
        self.steps = steps

    def __jax_array__(self):
        return jnp.asarray(self.steps)

    def __rfloordiv__(self, window: int) -> int:
        return window


def environment(probe: Probe) -> Env:
    """The unguarded environment of a probe, whose numbers may be traced.

    Its "safe set" is a box that no probe ever leaves; nothing is proven about it and nothing needs to be.
    """

    def linearise(x: Float[Array, " 3"]) -> Affine:
        return Affine(probe.state @ x, jnp.asarray(probe.action), jnp.zeros((STATES, 1)))

    def reward(x, a, after, context):
        z = jnp.concatenate([x, a, after])
        return probe.constant + probe.linear @ z - z @ probe.quadratic @ z

    def refuse(*_):
        raise AssertionError("nothing is proven about a probe")

    limits = symmetric_box(np.full(STATES, FAR))
    sides, far = np.vstack([np.eye(STATES), -np.eye(STATES)]), np.full(2 * STATES, FAR)
    disturbance = symmetric_box([0.0])
    certificate = Certificate(
        task="probe",
        fingerprint="none",
        origin=np.zeros(STATES),
        normals=sides,
        offsets=far,
        base_normals=sides,
        base_offsets=far,
        gain=np.zeros((1, STATES)),
        feedforward=np.zeros(1),
        translations=np.zeros((STATES, 0)),
        translation_limits=np.zeros(0),
        constraints=limits,
        disturbance=disturbance,
        contraction=1.0,
        volume=(1.0, 1.0, 1.0),
        method="none: a probe",
    )
    task = Task(
        name="probe",
        summary="a probe",
        control_period=1.0,
        horizon=1,
        state_names=("x0", "x1", "x2"),
        action_names=("a",),
        dynamics=Dynamics(
            step=lambda x, a, w: predict(linearise(x), a, w),
            linearise=linearise,
            include=refuse,
            fingerprint="none",
            model=None,
            physics="plain",
        ),
        constraints=limits,
        disturbance=disturbance,
        certificate=certificate,
        starts=probe.starts,
        observe=lambda x, context: x,
        reward=reward,
        disturb=lambda key, context: jnp.zeros(1),
    )
    _, module, config = presets.resolve("none")
    object.__setattr__(task, "horizon", Horizon(probe.horizon))  # a Task takes no traced one
    return Env(task, module.make(config))
