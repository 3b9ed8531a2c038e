"""A task: data and pure functions for one environment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from safebench.env import safe_set as safe_sets
from safebench.env import task_fields
from safebench.env.action_set import ActionSet
from safebench.env.corridor import FIXED, Corridor, Corridors, Start
from safebench.env.derivatives import largest
from safebench.env.picture import Picture
from safebench.env.safe_set import SafeSet
from safebench.env.shipped import shipped_certificate as shipped_certificate
from safebench.env.shipped import shipped_model as shipped_model
from safebench.physics import conditioning
from safebench.physics.affine import Affine
from safebench.physics.agreement import check_agreement
from safebench.physics.dynamics import Dynamics
from safebench.physics.unconstrained import constrained, whole
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
    constraints: the box of X; leaving X IS a violation, and so is what `excess` says. It has no sides for
        the states that the dynamics names as unconstrained (`mechanical(..., unconstrained=...)`).
    disturbance: the box W of all disturbances that safety is proven for.
    certificate: the proven set S inside X, as stored.
    observe: (x, context) -> observation.
    reward: (x, a, x+, context) -> scalar; a is the action applied.

    What follows is derived where a task does not state it:

    version: 1. Results of different versions do not compare.
    agents: 1. Of more, observation and action are so many equal parts, agent after agent, of agents that are
        alike: learners share one policy among them.
    control_period: seconds between actions; the model's time step.
    state_names: the joints' names and, with "dot" added, those of their velocities.
    action_names: the actuators' names.
    safe_set: S as used at run time.
    starts: states in S, uniformly distributed, unconstrained ones 0; resets choose among them.
    begin: (key, x) -> context of an episode that starts at x; () for none.
    advance: context -> the next step's context; unchanged.
    disturb: (key, context) -> w in the box; uniform in it.
    reference_start: (state, context) of the paper's single evaluation episode; None.
    half_spaces: that X has beside its box, `half_spaces(normals, offsets)` of safebench.task; None.
    state_units: for figures; () for a mechanical task in metres, radians and seconds.
    excess: (x, context) -> how far x is beyond further constraints that only the context knows (the true
        distance to a true obstacle), each in units of its own size (an obstacle's radius): above 0 is a
        violation. None: the box is all.
    reached: (x, context) -> which of the task's goals x has reached, booleans of shape (goals,). From it
        follow the success rate and the time to the goal. None: the task has no goal.
    corridors: what moves the safe set with the episode (see safebench.env.corridor). `observe` is then given
        the corridor, (x, context, corridor), `begin` and `starts` follow from it, and the certificate must
        have translations. None: the set is fixed.
    picture: (x, context, corridor) -> what `safebench play` draws of the scene. None: nothing more.

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
    observe: Callable[..., Array]
    reward: Callable[[Array, Array, Array, Context], Scalar]
    version: int = 1
    agents: int = 1
    control_period: float = DERIVED
    state_names: tuple[str, ...] = DERIVED
    action_names: tuple[str, ...] = DERIVED
    safe_set: SafeSet = DERIVED
    starts: Float[np.ndarray, "starts n"] = DERIVED
    begin: Callable[[PRNGKeyArray, Array], Context] = lambda key, x: ()
    advance: Callable[[Context], Context] = lambda context: context
    disturb: Callable[[PRNGKeyArray, Context], Array] = DERIVED
    reference_start: tuple[np.ndarray, Context] | None = None
    half_spaces: Polytope | None = None
    state_units: tuple[str, ...] = ()
    excess: Callable[[Array, Context], Array] | None = None
    reached: Callable[[Array, Context], Array] | None = None
    corridors: Corridors | None = None
    picture: Callable[[Array, Context, Corridor], Picture] | None = None

    def __post_init__(self):
        task_fields.check_stated(self)
        derivations: dict[str, Callable[[], Any]] = {
            "control_period": lambda: float(_model(self, "control_period").opt.timestep),
            "state_names": lambda: state_names(_model(self, "state_names")),
            "action_names": lambda: action_names(_model(self, "action_names")),
            "safe_set": lambda: safe_set_of(self, self.certificate),
            "starts": lambda: (
                drawn_starts(self.corridors)
                if self.corridors
                else with_others(self, uniform_starts(self.certificate))
            ),
            "disturb": lambda: uniform_disturbance(self.disturbance),
        }
        for name, derive in derivations.items():
            if getattr(self, name) is None:
                _set(self, name, derive())
        _set(self, "horizon", task_fields.whole_number(self, "horizon", 1))
        _set(self, "version", task_fields.whole_number(self, "version", 0))
        _set(self, "agents", task_fields.whole_number(self, "agents", 1))
        _set(self, "control_period", task_fields.positive_number(self, "control_period"))
        task_fields.check_all(self)
        if self.dynamics.model is not None:
            check_agreement(
                self.dynamics.model,
                self.extent,
                magnitude(self),
                self.state_names,
                self.dynamics.commanded,
            )

    @property
    def extent(self) -> Box:
        """The constraint box, and of every unconstrained state its range."""
        return whole(self.constraints, self.dynamics.unconstrained)

    @property
    def constrained(self) -> Int[np.ndarray, " k"]:
        """The indices of the states that constraints and certificate speak of."""
        left_out = self.dynamics.unconstrained
        return constrained(len(self.constraints.lower) + len(left_out), left_out)


def _set(task: Task, field: str, value: Any) -> None:
    object.__setattr__(task, field, value)  # the way for a frozen dataclass to fill itself in


def start(task: Task, key: PRNGKeyArray) -> Start:
    """Where an episode begins: drawn uniformly from a fixed safe set, or by the task where the set moves."""
    if task.corridors is not None:
        return task.corridors.begin(key)
    choice, context = jax.random.split(key)
    index = jax.random.randint(choice, (), 0, len(task.starts))
    x = jnp.asarray(task.starts)[index]
    return Start(x, task.begin(context, x))


def reset(task: Task, key: PRNGKeyArray) -> tuple[Float[Array, " n"], Context]:
    """The state and the context of `start`."""
    return start(task, key)[:2]


def observe(
    task: Task, x: Float[Array, " n"], context: Context, corridor: Corridor = FIXED
) -> Float[Array, " o"]:
    """The observation at a state."""
    return task.observe(x, context) if task.corridors is None else task.observe(x, context, corridor)


def allowed(task: Task, x: Float[Array, " n"], affine: Affine, corridor: Corridor = FIXED) -> ActionSet:
    """The safe action set at x, in its corridor where the safe set moves."""
    return safe_sets.allowed(task.safe_set, affine, x, task.disturbance, corridor)


def moved(task: Task, x: Float[Array, " n"], context: Context, corridor: Corridor) -> Corridor:
    """The next corridor at the state x reached in `corridor`: the one that the task proposes, if it is safe.

    Safe: the proof covers it, x lies in its set, and its free boxes are clear. Once x has left S(corridor)
    (which a certified safeguard does not do) nothing is left to protect, and any corridor is taken.
    No gradient flows through a corridor.
    """
    if task.corridors is None:
        return corridor
    x, context, corridor = jax.lax.stop_gradient((x, context, corridor))
    proposed = task.corridors.move(x, context, corridor)
    proposed = Corridor(*(jnp.asarray(side, x.dtype) for side in proposed))
    safe = safe_sets.contains(task.safe_set, x, proposed) & (task.corridors.clearance(context, proposed) >= 0)
    left = ~safe_sets.contains(task.safe_set, x, corridor)
    taken = safe_sets.may_be(task.safe_set, proposed) & (safe | left)
    return jax.tree.map(
        lambda new, old: jax.lax.stop_gradient(jnp.where(taken, new, old)), proposed, corridor
    )


def violation(
    task: Task, x: Float[Array, " n"], context: Context
) -> tuple[Bool[Array, ""], Float[Array, ""]]:
    """Whether x violates the constraints (true for NaN), and the largest signed distance beyond any of them.

    The distance is in half-widths of the box: of a side, or across a half-space; or in what `excess` measures
    in. It has a derivative, which soft constraints follow.
    """
    box, part, number = task.constraints, x, jnp.array(True)
    if task.dynamics.unconstrained:
        part, number = x[task.constrained], ~jnp.any(jnp.isnan(x))
    inside = number & jnp.all((part >= box.lower) & (part <= box.upper))
    beyond = largest(jnp.abs(part - jnp.asarray(box.centre)) / jnp.asarray(box.radius) - 1)
    if task.half_spaces is not None:
        normals = jnp.asarray(task.half_spaces.normals, x.dtype)
        past = normals @ part - jnp.asarray(task.half_spaces.offsets, x.dtype)
        inside &= jnp.all(past <= 0)
        beyond = jnp.maximum(beyond, largest(past / (jnp.abs(normals) @ jnp.asarray(box.radius))))
    if task.excess is not None:
        further = task.excess(x, context)
        inside &= jnp.all(further <= 0)
        beyond = jnp.maximum(beyond, largest(further))
    return ~inside, beyond


def reached(task: Task, x: Float[Array, " n"], context: Context) -> Bool[Array, " goals"]:
    """Which goals x has reached."""
    return jnp.zeros(0, bool) if task.reached is None else jnp.asarray(task.reached(x, context), bool)


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


def with_others(task: Task, part: Float[np.ndarray, "*batch k"]) -> Float[np.ndarray, "*batch n"]:
    """States whose constrained coordinates are given; the others are 0."""
    states = np.zeros((*part.shape[:-1], part.shape[-1] + len(task.dynamics.unconstrained)))
    states[..., task.constrained] = part
    return states


def safe_set_of(task: Task, certificate: Certificate) -> SafeSet:
    """The run-time form of a certificate's set, as a set of all states."""
    found = safe_sets.from_certificate(certificate, task.corridors is not None)
    if not task.dynamics.unconstrained:
        return found
    return safe_sets.widened(
        found, task.constrained, len(certificate.origin) + len(task.dynamics.unconstrained)
    )


def magnitude(task: Task) -> Float[np.ndarray, " n"]:
    """What rounding of one step is measured against; of unconstrained states by the model's conditioning."""
    proven, model = task.certificate.magnitude, task.dynamics.model
    if not task.dynamics.unconstrained or model is None:
        return proven
    of_model = np.maximum(
        conditioning.magnitude(model, task.extent, task.dynamics.commanded), task.extent.radius
    )
    of_model[task.constrained] = proven
    return of_model


def drawn_starts(corridors: Corridors, count: int = 256) -> Float[np.ndarray, "count n"]:
    """States that episodes of a moving set begin in; the same for everybody."""
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.jit(jax.vmap(lambda key: corridors.begin(key).x))(keys))


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
