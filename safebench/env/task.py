"""A task: data and pure functions for one environment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from safebench.env import safe_set as safe_sets
from safebench.env import task_fields
from safebench.env.action_set import ActionSet
from safebench.env.safe_set import SafeSet
from safebench.env.shipped import shipped_certificate as shipped_certificate
from safebench.env.shipped import shipped_model as shipped_model
from safebench.physics.affine import Affine
from safebench.physics.agreement import check_agreement
from safebench.physics.dynamics import Dynamics
from safebench.sets.certificate import Certificate
from safebench.sets.polytope import Box, Polytope, sample

Context = Any
"""What a task carries beside its state: a goal, a clock. A pytree; () when there is nothing."""

STARTS = 8192
"""Uniform samples of the safe set that resets draw from."""


DERIVED: Any = None
"""A field that a task need not state: it follows from the certificate, the disturbance and the model."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One environment. Shapes: state (n,), action (m,) in [-1, 1], disturbance (q,).

    horizon: steps of an episode.
    dynamics: the physics (see safebench.physics.dynamics).
    constraints: the box X; leaving it IS a violation.
    disturbance: the box W of all disturbances that safety is proven for.
    certificate: the proven set S inside X, as stored.
    observe: (x, context) -> observation.
    reward: (x, a, x+, context) -> scalar; a is the action applied.

    What follows is derived where a task does not state it:

    version: 1. Results of different versions do not compare.
    control_period: seconds between actions; the model's time step.
    state_names: the joints' names and, with "dot" added, those of their velocities.
    action_names: the actuators' names.
    safe_set: S as used at run time.
    starts: states in S, uniformly distributed; resets choose among them.
    begin: (key, x) -> context of an episode that starts at x; () for none.
    advance: context -> the next step's context; unchanged.
    disturb: (key, context) -> w in the box; uniform in it.
    reference_start: (state, context) of the paper's single evaluation episode; None.
    state_units: for figures; () for a mechanical task in metres, radians and seconds.

    Raises:
        ValueError: where something can neither be derived nor was stated, a field is not what it must be
            (see safebench.env.task_fields), or C MuJoCo does not step as the compiled dynamics, which proofs
            speak of (see safebench.physics.agreement).
    """

    name: str
    summary: str
    horizon: int
    dynamics: Dynamics
    constraints: Box
    disturbance: Box
    certificate: Certificate
    observe: Callable[[Array, Context], Array]
    reward: Callable[[Array, Array, Array, Context], Scalar]
    version: int = 1
    control_period: float = DERIVED
    state_names: tuple[str, ...] = DERIVED
    action_names: tuple[str, ...] = DERIVED
    safe_set: SafeSet = DERIVED
    starts: Float[np.ndarray, "starts n"] = DERIVED
    begin: Callable[[PRNGKeyArray, Array], Context] = lambda key, x: ()
    advance: Callable[[Context], Context] = lambda context: context
    disturb: Callable[[PRNGKeyArray, Context], Array] = DERIVED
    reference_start: tuple[np.ndarray, Context] | None = None
    state_units: tuple[str, ...] = ()

    def __post_init__(self):
        task_fields.check_stated(self)
        derivations: dict[str, Callable[[], Any]] = {
            "control_period": lambda: float(_model(self, "control_period").opt.timestep),
            "state_names": lambda: state_names(_model(self, "state_names")),
            "action_names": lambda: action_names(_model(self, "action_names")),
            "safe_set": lambda: safe_sets.from_certificate(self.certificate),
            "starts": lambda: uniform_starts(self.certificate),
            "disturb": lambda: uniform_disturbance(self.disturbance),
        }
        for name, derive in derivations.items():
            if getattr(self, name) is None:
                _set(self, name, derive())
        _set(self, "horizon", task_fields.whole_number(self, "horizon", 1))
        _set(self, "version", task_fields.whole_number(self, "version", 0))
        _set(self, "control_period", task_fields.positive_number(self, "control_period"))
        task_fields.check_all(self)
        if self.dynamics.model is not None:
            check_agreement(
                self.dynamics.model, self.constraints, self.certificate.magnitude, self.state_names
            )


def _set(task: Task, field: str, value: Any) -> None:
    object.__setattr__(task, field, value)  # the way for a frozen dataclass to fill itself in


def reset(task: Task, key: PRNGKeyArray) -> tuple[Float[Array, " n"], Context]:
    """A start drawn uniformly from the safe set, and its context."""
    choice, context = jax.random.split(key)
    index = jax.random.randint(choice, (), 0, len(task.starts))
    x = jnp.asarray(task.starts)[index]
    return x, task.begin(context, x)


def allowed(task: Task, x: Float[Array, " n"], affine: Affine) -> ActionSet:
    """The safe action set at x."""
    return safe_sets.allowed(task.safe_set, affine, x, task.disturbance)


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


def state_names(model: mujoco.MjModel) -> tuple[str, ...]:
    """The names of a model's state, (qpos, qvel), from its joints: "theta" and "thetadot".

    Raises:
        ValueError: if a joint has no name.
    """
    joints = _named("joint", [model.joint(index).name for index in range(model.njnt)])
    return (*joints, *(f"{name}dot" for name in joints))


def action_names(model: mujoco.MjModel) -> tuple[str, ...]:
    """The names of a model's actuators.

    Raises:
        ValueError: if an actuator has no name.
    """
    return _named("actuator", [model.actuator(index).name for index in range(model.nu)])


def _named(what: str, names: list[str]) -> tuple[str, ...]:
    if not all(names):
        raise ValueError(f"{what} {names.index('')} of the model has no name: name it in the MJCF")
    return tuple(names)


def _model(task: Task, field: str) -> mujoco.MjModel:
    if task.dynamics.model is None:
        raise ValueError(f"task {task.name!r} has no MuJoCo model to derive {field} from: state it")
    return task.dynamics.model
