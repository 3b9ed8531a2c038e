"""An attack on a safe set with other people's code: C MuJoCo steps, scipy chooses the action, numpy judges.

Nothing of safebench is used: a set is its arrays, a plant a function that steps.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import mujoco
import numpy as np
from scipy.optimize import linprog

Array = np.ndarray
Box = tuple[Array, Array]


class Plant(NamedTuple):
    """step: (x, a, w) -> x+. actions: how many. constraints, disturbance: (lower, upper), of the task.

    half_spaces: (normals, offsets) of the task's further constraints.
    """

    step: Callable[[Array, Array, Array], Array]
    actions: int
    constraints: Box
    disturbance: Box
    half_spaces: tuple[Array, Array] | None = None


def mujoco_plant(
    model: mujoco.MjModel, disturbance_input: Array, constraints: Box, disturbance: Box
) -> Plant:
    """`mj_step` with ctrl = a and the accelerations disturbed through qfrc_applied = M(q) F w."""
    data, inertia = mujoco.MjData(model), np.zeros((model.nv, model.nv))

    def step(x: Array, a: Array, w: Array) -> Array:
        mujoco.mj_resetData(model, data)
        data.qpos[:], data.qvel[:], data.ctrl[:] = x[: model.nq], x[model.nq :], a
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, inertia)
        data.qfrc_applied[:] = inertia @ (disturbance_input @ w)
        mujoco.mj_step(model, data)
        return np.concatenate([data.qpos, data.qvel])

    return Plant(step, model.nu, constraints, disturbance)


def linear_plant(
    state: Array, action: Array, noise: Array, constant: Array, constraints: Box, disturbance: Box
) -> Plant:
    """x+ = state x + action a + noise w + constant."""

    def step(x: Array, a: Array, w: Array) -> Array:
        return state @ x + action @ a + noise @ w + constant

    return Plant(step, action.shape[1], constraints, disturbance)


def attack(certificate: Any, plant: Plant, count: int = 24, seed: int = 0) -> list[str]:
    """What is wrong with the set {origin + y : normals y <= offsets}: [] if it survives.

    At `count` of its boundary points and as many of its vertices: the state lies in X, and some action in
    [-1, 1]^m, found by a linear program on the plant's own one-step model, leads into the set and into X for
    every vertex of W when the plant is stepped with it.
    """
    corners = [np.array(corner) for corner in itertools.product(*zip(*plant.disturbance, strict=True))]
    normals, offsets, origin = certificate.normals, certificate.offsets, certificate.origin
    states = boundary(normals, offsets, count, np.random.default_rng(seed))
    if states is None:
        return ["the set is not bounded, or has no interior"]
    wrong = []
    for x in origin + states:
        if not _inside(x, plant):
            wrong.append(f"{x} of the set leaves the constraints")
            continue
        action, margin = best_action(normals, offsets, origin, plant, x)
        if action is None or margin <= 0:
            wrong.append(f"{x}: the best action leaves the set by {-margin:.3g} of a row")
            continue
        for w in corners:
            after = plant.step(x, action, w)
            if not (normals @ (after - origin) <= offsets).all() or not _inside(after, plant):
                wrong.append(f"{x}: {action} leads to {after} under {w}, outside")
    return wrong


def _inside(x: Array, plant: Plant) -> bool:
    low, high = plant.constraints
    normals, offsets = plant.half_spaces or (np.zeros((0, len(x))), np.zeros(0))
    return bool((low <= x).all() and (x <= high).all() and (normals @ x <= offsets).all())


def best_action(
    normals: Array, offsets: Array, origin: Array, plant: Plant, x: Array
) -> tuple[Array | None, float]:
    """The action in [-1, 1]^m of the largest margin, and that margin, relative to the rows' offsets.

    The step is affine in action and disturbance: unit differences give its model.
    """
    low, high = plant.disturbance
    m, still, quiet = plant.actions, np.zeros(plant.actions), np.zeros(len(low))
    drift = plant.step(x, still, quiet)
    control = np.stack([plant.step(x, unit, quiet) - drift for unit in np.eye(m)], axis=1)
    noise = np.stack([plant.step(x, still, unit) - drift for unit in np.eye(len(low))], axis=1)
    through = normals @ noise
    worst = np.maximum(through * low, through * high).sum(axis=1)
    scale = np.abs(offsets)
    found = linprog(
        np.append(np.zeros(m), -1.0),
        np.hstack([normals @ control, scale[:, None]]) / scale[:, None],
        (offsets - normals @ (drift - origin) - worst) / scale,
        bounds=[(-1, 1)] * m + [(None, 1)],
    )
    return (np.clip(found.x[:m], -1, 1), float(found.x[m])) if found.status == 0 else (None, -np.inf)


def boundary(normals: Array, offsets: Array, count: int, rng) -> Array | None:
    """`count` boundary points, by hit-and-run and a last ray, and `count` vertices; pulled in by 1e-9.

    None if a ray never ends, or there is no point to start from.
    """
    n = normals.shape[1]
    lengths = np.linalg.norm(normals, axis=1)
    ball = linprog(
        np.append(np.zeros(n), -1.0),
        np.hstack([normals, lengths[:, None]]),
        offsets,
        bounds=[(None, None)] * n + [(0, 1e6)],
    )
    if ball.status != 0 or not 0 < ball.x[n] < 1e6:
        return None
    centre, points, y = ball.x[:n], [], ball.x[:n]
    for _ in range(count):
        for _ in range(3):
            direction = rng.normal(size=n)
            far, near = (_ray(normals, offsets, y, side) for side in (direction, -direction))
            if not np.isfinite(far + near):
                return None
            y = y + rng.uniform(-near, far) * direction
        direction = rng.normal(size=n)
        points.append(y + _ray(normals, offsets, y, direction) * direction)
        vertex = linprog(-rng.normal(size=n), normals, offsets, bounds=(None, None))
        if vertex.status != 0:
            return None
        points.append(vertex.x)
    return centre + (1 - 1e-9) * (np.array(points) - centre)


def _ray(normals: Array, offsets: Array, start: Array, direction: Array) -> float:
    rates, slack = normals @ direction, offsets - normals @ start
    leaving = rates > 0
    return max(0.0, float((slack[leaving] / rates[leaving]).min())) if leaving.any() else np.inf
