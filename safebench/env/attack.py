"""Searching for a counterexample to a safe set: what the proof says cannot be found.

Projected sign-gradient ascent (Madry et al. 2018) through safeguard and simulator: from starts on the
boundary and inside of the set, action sequences and disturbances, both in their boxes, climb towards the
largest excess over any row of the set. Every step of every iterate counts. The same search on the
unguarded system, and on the set with its offsets 2 % too large, must succeed: that is its own check.
"""

import time
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from safebench.env import safe_set
from safebench.env.environment import guarded_step
from safebench.env.safeguard import Safeguard
from safebench.env.task import Task
from safebench.sets import certificate as certificates
from safebench.sets.polytope import Polytope, contains, ray_distance

HORIZON = 16
BATCH = 256
ITERATIONS = 20
STEP = 0.2
ACTION_REACH = 1.5
"""Proposed actions may leave the actuators' box: a policy's may, too."""
INFLATION = 1.02
CONTROL_STEPS = 10_000
"""A negative control must find a counterexample within this many steps."""


class Found(NamedTuple):
    """Counts of one iterate, (BATCH x HORIZON) steps: next states outside S or X, action sets found empty,
    uses of the last line, states not finite; and the largest relative excess over a row of S."""

    outside: Int[Array, ""]
    infeasible: Int[Array, ""]
    last_line: Int[Array, ""]
    non_finite: Int[Array, ""]
    excess: Float[Array, ""]


@dataclass(frozen=True)
class Record:
    """One attack. first: guarded steps until the first counterexample (null: none found).

    control: True where a counterexample must be found (the attack's own check).
    """

    task: str
    certificate: str
    target: str
    control: bool
    physics: str
    steps: int
    outside: int
    infeasible: int
    last_line: int
    non_finite: int
    largest_excess: float
    first: int | None
    seconds: float

    @property
    def as_expected(self) -> bool:
        """No counterexample against a certified safeguard; one soon enough against a control."""
        if self.control:
            return self.first is not None and self.first <= CONTROL_STEPS
        return self.outside + self.infeasible + self.last_line + self.non_finite == 0


def starts(task: Task, seed: int) -> Float[np.ndarray, "batch n"]:
    """Half uniform in the set, half where a ray from such a state leaves it."""
    rng = np.random.default_rng(seed)
    points = task.starts[rng.choice(len(task.starts), BATCH)].copy()
    rows = Polytope(task.safe_set.normals, task.safe_set.offsets)
    for i in range(BATCH // 2):
        direction = rng.normal(size=points.shape[1]) * task.constraints.radius
        reach = ray_distance(rows, points[i], direction)
        for inward in (0.0, 1e-15, 1e-14, 1e-12):  # the last bits decide on which side of the face it is
            candidate = points[i] + (1 - inward) * reach * direction
            if contains(rows, candidate):
                points[i] = candidate
                break
    return points


def ascend(task: Task, guard: Safeguard):
    """(starts, key) -> Found per iteration: one round of sign-gradient ascent."""
    m, q = len(task.action_names), len(task.disturbance.lower)
    rows, offsets = jnp.asarray(task.safe_set.normals), jnp.asarray(task.safe_set.offsets)
    scale = jnp.asarray(task.safe_set.row_scale)
    lower, upper = jnp.asarray(task.constraints.lower), jnp.asarray(task.constraints.upper)
    middle, radius = jnp.asarray(task.disturbance.centre), jnp.asarray(task.disturbance.radius)

    def rollout(inputs, x):
        def step(x, inputs):
            action, w = inputs
            after, guarded = guarded_step(task, guard, x, action, middle + radius * w)
            excess = jnp.max((rows @ after - offsets) / scale)
            inside = jnp.all((after >= lower) & (after <= upper)) & safe_set.contains(task.safe_set, after)
            finite = jnp.all(jnp.isfinite(after))
            return after, (excess, ~inside, ~guarded.feasible, guarded.last_line, ~finite)

        excess, *flags = jax.lax.scan(step, x, inputs)[1]
        outside, infeasible, last_line, non_finite = (jnp.sum(flag) for flag in flags)
        return jnp.max(excess), Found(outside, infeasible, last_line, non_finite, jnp.max(excess))

    def climb(x: Float[Array, "batch n"], key: PRNGKeyArray) -> Found:
        action_key, noise_key = jax.random.split(key)
        actions = jax.random.uniform(
            action_key, (BATCH, HORIZON, m), minval=-ACTION_REACH, maxval=ACTION_REACH
        )
        noise = jax.random.rademacher(noise_key, (BATCH, HORIZON, q), x.dtype)

        def iterate(inputs, _):
            gradients, found = jax.vmap(jax.grad(rollout, has_aux=True))(inputs, x)
            reach = (ACTION_REACH, 1.0)
            moved = tuple(
                jnp.clip(value + STEP * limit * jnp.sign(jnp.nan_to_num(gradient)), -limit, limit)
                for value, gradient, limit in zip(inputs, gradients, reach, strict=True)
            )
            largest = jnp.max(found.excess)
            return moved, jax.tree.map(jnp.sum, found)._replace(excess=largest)

        return jax.lax.scan(iterate, (actions, noise), length=ITERATIONS)[1]

    return climb


def attack(task: Task, target: str, guard: Safeguard, control: bool, steps: int, seed: int = 0) -> Record:
    """Rounds of ascent from fresh starts until `steps` guarded steps are taken."""
    climb = jax.jit(ascend(task, guard))
    started = time.perf_counter()
    taken, first, excess = 0, None, -np.inf
    counts = np.zeros(4, int)
    while taken < steps:
        found = climb(jnp.asarray(starts(task, seed + taken)), jax.random.key(seed + taken))
        per_iterate = np.stack([np.asarray(part) for part in found[:4]], axis=1)
        bad = np.flatnonzero(per_iterate.sum(axis=1))
        if first is None and len(bad):
            first = taken + (int(bad[0]) + 1) * BATCH * HORIZON
        counts += per_iterate.sum(axis=0)
        excess = max(excess, float(np.max(found.excess)))
        taken += ITERATIONS * BATCH * HORIZON
    digest = certificates.digest(task.certificate)
    seconds = time.perf_counter() - started
    outside, infeasible, last_line, non_finite = map(int, counts)
    physics = task.dynamics.physics
    return Record(
        task=task.name,
        certificate=digest,
        target=target,
        control=control,
        physics=physics,
        steps=taken,
        outside=outside,
        infeasible=infeasible,
        last_line=last_line,
        non_finite=non_finite,
        largest_excess=excess,
        first=first,
        seconds=seconds,
    )


def inflated(task: Task) -> Task:
    """The task with its safe set's offsets 2 % too large about the certificate's origin."""
    proven = task.certificate
    wrong = replace(proven, offsets=INFLATION * proven.offsets, base_offsets=INFLATION * proven.base_offsets)
    return replace(
        task,
        certificate=wrong,
        safe_set=safe_set.from_certificate(wrong),
        starts=task.certificate.origin + INFLATION * (task.starts - task.certificate.origin),
    )
