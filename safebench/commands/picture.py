"""Side views of a mechanism: outlines of its MuJoCo geoms, projected; no graphics library needed."""

from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull

CIRCLE = np.stack([np.cos(angles := np.linspace(0, 2 * np.pi, 33)[:-1]), np.sin(angles)], axis=1)
ROUND = (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CAPSULE)
NO_GOALS = np.zeros((0, 2))
CORNERS = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], float)


class Outline(NamedTuple):
    """A convex polygon [m], in the coordinates of the view: right, up."""

    points: Float[np.ndarray, "k 2"]
    colour: tuple[float, float, float, float]


class View(NamedTuple):
    """An orthographic view. axes: right and up in world coordinates; low, high [m]: the window."""

    axes: Float[np.ndarray, "3 2"]
    low: Float[np.ndarray, " 2"]
    high: Float[np.ndarray, " 2"]

    @property
    def aspect(self) -> float:
        """Width over height."""
        width, height = self.high - self.low
        return float(width / height)


def view_of(
    model: mujoco.MjModel,
    positions: Float[np.ndarray, "t q"],
    goals: Float[np.ndarray, "goals 2"] = NO_GOALS,
    margin: float = 0.08,
) -> View:
    """The view along the model's first camera (without one: along +y) of everything it ever shows.

    goals: in the coordinates of that view; they are seen as well.
    """
    axes = first_camera(model)
    points = np.concatenate(
        [outline.points for q in positions if np.isfinite(q).all() for outline in outlines(model, q, axes)]
        + [goals]
    )
    low, high = points.min(axis=0), points.max(axis=0)
    pad = margin * (high - low).max()
    return View(axes, low - pad, high + pad)


def first_camera(model: mujoco.MjModel) -> Float[np.ndarray, "3 2"]:
    """Right and up of the model's first camera, in world coordinates; without one it looks along +y."""
    if not model.ncam:
        return np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    return _placed(model, model.qpos0).cam_xmat[0].reshape(3, 3)[:, :2].copy()


def outlines(
    model: mujoco.MjModel, position: Float[np.ndarray, " q"], axes: Float[np.ndarray, "3 2"]
) -> list[Outline]:
    """The outline of every convex geom (and of every mesh's hull) at joint positions `position`."""
    data = _placed(model, position)
    found = []
    for geom in range(model.ngeom):
        points = _surface(model, geom, data.geom_xmat[geom].reshape(3, 3), axes)
        if len(points):
            points = points + data.geom_xpos[geom] @ axes
            red, green, blue, alpha = (float(value) for value in model.geom_rgba[geom])
            found.append(Outline(points[ConvexHull(points).vertices], (red, green, blue, alpha)))
    return found


def _surface(model: mujoco.MjModel, geom: int, rotation: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Projected points, relative to the geom's centre, whose convex hull is the geom's silhouette."""
    kind, size = model.geom_type[geom], model.geom_size[geom]
    flat = rotation.T @ axes  # local coordinates -> view
    ends = np.array([-size[1], size[1]])[:, None, None] * flat[2]
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return size[0] * CIRCLE
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return (ends + size[0] * CIRCLE).reshape(-1, 2)
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return (ends + size[0] * CIRCLE @ flat[:2]).reshape(-1, 2)
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return (CORNERS * size) @ flat
    if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        left, lengths, _ = np.linalg.svd((size[:, None] * flat).T, full_matrices=False)
        return (CIRCLE * lengths) @ left.T
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first = model.mesh_vertadr[mesh]
        return model.mesh_vert[first : first + model.mesh_vertnum[mesh]] @ flat
    return np.empty((0, 2))  # planes and height fields have no silhouette


def _placed(model: mujoco.MjModel, position: Sequence[float] | np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = position
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    return data
