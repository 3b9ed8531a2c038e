"""A task: data and pure functions for one environment."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from safebench import certificate, safe_set
from safebench.action_set import ActionSet, Affine
from safebench.certificate import Certificate
from safebench.dynamics import Dynamics
from safebench.polytope import Box, Polytope, sample
from safebench.safe_set import SafeSet

Context = Any
"""What a task carries beside its state: a goal, a clock. A pytree; () when there is nothing."""

STARTS = 8192
"""Uniform samples of the safe set that resets draw from."""


@dataclass(frozen=True)
class Task:
    """One environment. Shapes: state (n,), action (m,) in [-1, 1], disturbance (q,).

    control_period: seconds between actions. horizon: steps of an episode.
    dynamics: the physics (see safebench.dynamics).
    constraints: the box X; leaving it IS a violation.
    disturbance: the box W of all disturbances that safety is proven for.
    certificate, safe_set: the proven set S inside X, as stored and as used.
    starts: states in S, uniformly distributed; resets choose among them.
    begin: (key, x) -> context of an episode that starts at x.
    observe: (x, context) -> observation.
    reward: (x, a, x+, context) -> scalar; a is the action applied.
    advance: context -> the next step's context.
    disturb: (key, context) -> w in the box.
    reference_start: (state, context) of the paper's single evaluation episode, or None.
    state_units: for figures; () for a mechanical task in metres, radians and seconds.
    """

    name: str
    version: int
    summary: str
    control_period: float
    horizon: int
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    dynamics: Dynamics
    constraints: Box
    disturbance: Box
    certificate: Certificate
    safe_set: SafeSet
    starts: Float[np.ndarray, "starts n"]
    begin: Callable[[PRNGKeyArray, Array], Context]
    observe: Callable[[Array, Context], Array]
    reward: Callable[[Array, Array, Array, Context], Scalar]
    advance: Callable[[Context], Context]
    disturb: Callable[[PRNGKeyArray, Context], Array]
    reference_start: tuple[np.ndarray, Context] | None = None
    state_units: tuple[str, ...] = ()


def reset(task: Task, key: PRNGKeyArray) -> tuple[Float[Array, " n"], Context]:
    """A start drawn uniformly from the safe set, and its context."""
    choice, context = jax.random.split(key)
    index = jax.random.randint(choice, (), 0, len(task.starts))
    x = jnp.asarray(task.starts)[index]
    return x, task.begin(context, x)


def allowed(task: Task, x: Float[Array, " n"], affine: Affine) -> ActionSet:
    """The safe action set at x."""
    return safe_set.allowed(task.safe_set, affine, x, task.disturbance)


def uniform_disturbance(disturbance: Box) -> Callable[[PRNGKeyArray, Context], Array]:
    """`disturb` of a task whose disturbance is drawn uniformly from its box at every step."""

    def disturb(key: PRNGKeyArray, context: Context) -> Float[Array, " q"]:
        low, high = jnp.asarray(disturbance.lower), jnp.asarray(disturbance.upper)
        return jax.random.uniform(key, low.shape, low.dtype, low, high)

    return disturb


def uniform_starts(certificate: Certificate, count: int = STARTS) -> Float[np.ndarray, "count n"]:
    """Uniform samples of a certificate's set; the same for everybody."""
    relative = sample(Polytope(certificate.normals, certificate.offsets), _relative(certificate), count)
    return relative + certificate.origin


def _relative(certificate: Certificate) -> Box:
    low, high = certificate.constraints
    return Box(low - certificate.origin, high - certificate.origin)


def shipped_model(name: str) -> mujoco.MjModel:
    """The MJCF model `assets/NAME.xml` that ships with the built-in tasks."""
    text = (resources.files("safebench.tasks") / "assets" / f"{name}.xml").read_text()
    return mujoco.MjModel.from_xml_string(text)


def shipped_certificate(name: str, dynamics: Dynamics) -> Certificate:
    """The certificate `certificates/NAME.npz` that ships with the built-in tasks.

    Raises:
        ValueError: if it is damaged or was proven for other dynamics.
    """
    with resources.as_file(resources.files("safebench.tasks") / "certificates" / f"{name}.npz") as path:
        return certificate.load(Path(path), dynamics.fingerprint)
