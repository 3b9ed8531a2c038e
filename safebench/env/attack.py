"""Searching for a counterexample to a safe set: what the proof says cannot be found.

Projected sign-gradient ascent (Madry et al. 2018) through safeguard and simulator: from starts on the
boundary and inside of the set, action sequences and disturbances, both in their boxes, climb towards the
largest excess over any row of the set. Every step of every iterate counts. The same search on the
unguarded system, and on the set with its offsets 2 % too large, must succeed: that is its own check.

Where the set moves, obstacles and corridors are the attack's too (see safebench.env.adversary): every round
has fresh scenes, and half of the corridors proposed in a rollout are drawn at random. A corridor taken that
is not clear counts as outside; with the environment's check of it left out, there must be one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from safebench.env import adversary, safe_set
from safebench.env import task as tasks
from safebench.env.corridor import FIXED, Start
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
    """Counts of one iterate, (BATCH x HORIZON) steps: next states outside S or that violate a constraint, and
    corridors taken that are not clear; action sets found empty, uses of the last line, states not finite; and
    the largest relative excess over a row of S."""

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


def beginnings(task: Task) -> Callable[[int], Start]:
    """seed -> where BATCH rollouts begin: half of the states where a ray from inside leaves the set."""

    @jax.jit
    @jax.vmap
    def fixed(key, x):
        return Start(x, task.begin(key, x), FIXED)

    @jax.jit
    @jax.vmap
    def moving(key):
        start = adversary.somewhere(task, key)
        return start, safe_set.offsets_of(task.safe_set, start.corridor, start.x.dtype)

    def begin(seed: int) -> Start:
        rng, keys = np.random.default_rng(seed), jax.random.split(jax.random.key(seed), BATCH)
        if task.corridors is None:
            inside = _others_anywhere(task, task.starts[rng.choice(len(task.starts), BATCH)], rng)
            offsets = np.tile(task.safe_set.offsets, (BATCH, 1))
            return fixed(keys, jnp.asarray(_half_at_the_boundary(task, inside, offsets, rng)))
        start, offsets = moving(keys)
        inside = _others_anywhere(task, np.asarray(start.x), rng)
        points = _half_at_the_boundary(task, inside, np.asarray(offsets), rng)
        return start._replace(x=jnp.asarray(points))

    return begin


def _others_anywhere(task: Task, points: Float[np.ndarray, "batch n"], rng) -> Float[np.ndarray, "batch n"]:
    """Half of the points with states that no constraint speaks of anywhere in their range."""
    points, others = points.copy(), list(task.dynamics.unconstrained)
    low, high = (side[others] for side in task.extent)
    points[::2, others] = rng.uniform(low, high, (len(points[::2]), len(others)))
    return points


def _half_at_the_boundary(
    task: Task, inside: Float[np.ndarray, "batch n"], offsets: Float[np.ndarray, "batch rows"], rng
) -> Float[np.ndarray, "batch n"]:
    points = inside.copy()
    for i in range(BATCH // 2):
        rows = Polytope(task.safe_set.normals, offsets[i])
        direction = tasks.with_others(task, rng.normal(size=len(task.constrained)) * task.constraints.radius)
        reach = ray_distance(rows, points[i], direction)
        for inward in (0.0, 1e-15, 1e-14, 1e-12):  # the last bits decide on which side of the face it is
            candidate = points[i] + (1 - inward) * reach * direction
            if contains(rows, candidate):
                points[i] = candidate
                break
    return points


def ascend(task: Task, guard: Safeguard, checked: bool = True) -> Callable[[Start, PRNGKeyArray], Found]:
    """(starts, key) -> Found per iteration: one round of sign-gradient ascent.

    checked: False to take corridors without asking whether they are clear.
    """
    m, q = len(task.action_names), len(task.disturbance.lower)
    rows, scale = jnp.asarray(task.safe_set.normals), jnp.asarray(task.safe_set.row_scale)
    middle, radius = jnp.asarray(task.disturbance.centre), jnp.asarray(task.disturbance.radius)

    def moved(key, x, context, corridor):
        """The next corridor, and whether it is clear."""
        if task.corridors is None:
            return corridor, jnp.array(True)
        corridor = adversary.moved(task, key, x, context, corridor, checked)
        return corridor, task.corridors.clearance(context, corridor) >= 0

    def rollout(inputs, start: Start, key: PRNGKeyArray):
        def step(at: Start, inputs):
            (x, context, corridor), (action, w, key) = at, inputs
            after, guarded = guarded_step(task, guard, x, action, middle + radius * w, corridor)
            offsets = safe_set.offsets_of(task.safe_set, corridor, x.dtype)
            excess = jnp.max((rows @ after - offsets) / scale)
            following = task.advance(context)
            violated, _ = tasks.violation(task, after, following)
            inside = ~violated & safe_set.contains(task.safe_set, after, corridor)
            corridor, clear = moved(key, after, following, corridor)
            flags = (~(inside & clear), ~guarded.feasible, guarded.last_line, ~jnp.all(jnp.isfinite(after)))
            return Start(after, following, corridor), (excess, *flags)

        excess, *flags = jax.lax.scan(step, start, (*inputs, jax.random.split(key, HORIZON)))[1]
        outside, infeasible, last_line, non_finite = (jnp.sum(flag) for flag in flags)
        return jnp.max(excess), Found(outside, infeasible, last_line, non_finite, jnp.max(excess))

    def climb(start: Start, key: PRNGKeyArray) -> Found:
        action_key, noise_key = jax.random.split(key)
        corridor_keys = jax.random.split(jax.random.fold_in(key, 1), BATCH)
        actions = jax.random.uniform(
            action_key, (BATCH, HORIZON, m), minval=-ACTION_REACH, maxval=ACTION_REACH
        )
        noise = jax.random.rademacher(noise_key, (BATCH, HORIZON, q), start.x.dtype)

        def iterate(inputs, _):
            climbing = jax.vmap(jax.grad(rollout, has_aux=True))
            gradients, found = climbing(inputs, start, corridor_keys)
            reach = (ACTION_REACH, 1.0)
            climbed = tuple(
                jnp.clip(value + STEP * limit * jnp.sign(jnp.nan_to_num(gradient)), -limit, limit)
                for value, gradient, limit in zip(inputs, gradients, reach, strict=True)
            )
            largest = jnp.max(found.excess)
            return climbed, jax.tree.map(jnp.sum, found)._replace(excess=largest)

        return jax.lax.scan(iterate, (actions, noise), length=ITERATIONS)[1]

    return climb


def attack(
    task: Task,
    target: str,
    guard: Safeguard,
    control: bool,
    steps: int,
    seed: int = 0,
    checked: bool = True,
) -> Record:
    """Rounds of ascent from fresh starts until `steps` guarded steps are taken.

    checked: False to take every corridor that covers the state, clear or not (where the set moves).
    """
    climb = jax.jit(ascend(task, guard, checked), compiler_options=task.dynamics.compiler_options)
    begin = beginnings(task)
    started = time.perf_counter()
    taken, first, excess = 0, None, -np.inf
    counts = np.zeros(4, int)
    while taken < steps:
        found = climb(begin(seed + taken), jax.random.key(seed + taken))
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
    """The task with its safe set's offsets 2 % too large about the certificate's origin.

    Of a set that moves it is the part about a reference that is: how far references go is not the proof's.
    """
    proven, moving = task.certificate, task.corridors is not None
    carried = np.abs(proven.normals @ proven.translations) @ proven.translation_limits if moving else 0.0
    wrong = replace(
        proven,
        offsets=INFLATION * (proven.offsets - carried) + carried,
        base_offsets=INFLATION * proven.base_offsets,
    )
    origin = tasks.with_others(task, proven.origin)
    starts = task.starts if moving else origin + INFLATION * (task.starts - origin)
    return replace(task, certificate=wrong, safe_set=tasks.safe_set_of(task, wrong), starts=starts)
