"""The joint tree of an MJCF model as numbers: one link per hinge or slide, in the order of qpos.

A link's frame has the joint axis as z: a hinge turns about it, a slide moves along it. Bodies without
joints are welded to the link above them.
"""

from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float


class Link(NamedTuple):
    """What moves with one joint, in its own frame, and how that frame hangs on its parent's.

        parent: index of the parent link, -1 for the world. rotation, position: the frame at zero joint
        displacement, in the parent's frame. mass [kg], first_moment = mass * centre [kg m], inertia about
        the origin [kg m^2]. heavy_mass, heavy_moment: the part of mass and first moment that gravity acts on,
    less than all of it where a body has gravity compensation.
    """

    parent: int
    hinge: bool
    rotation: Float[np.ndarray, "3 3"]
    position: Float[np.ndarray, "3"]
    mass: float
    first_moment: Float[np.ndarray, "3"]
    inertia: Float[np.ndarray, "3 3"]
    heavy_mass: float
    heavy_moment: Float[np.ndarray, "3"]


class Pose(NamedTuple):
    """A body's frame, fixed to a link: x_link = position + rotation @ x_body."""

    link: int
    rotation: Float[np.ndarray, "3 3"]
    position: Float[np.ndarray, "3"]


def rotation_of(quaternion) -> Float[np.ndarray, "3 3"]:
    w, *u = quaternion / np.linalg.norm(quaternion)
    u = np.array(u)
    matrix = (w * w - u @ u) * np.eye(3) + 2 * np.outer(u, u) + 2 * w * np.cross(np.eye(3), u)
    return snap(matrix)


def snap(values):
    """Round-off next to 0 and +-1 removed: quarter turns become exact."""
    near = np.round(values)
    return np.where(np.abs(values - near) < 1e-14, near, values)


def _frame_along(axis) -> Float[np.ndarray, "3 3"]:
    """A rotation whose third column is `axis`, with as many zeros as possible."""
    axis = snap(axis / np.linalg.norm(axis))
    largest = int(np.argmax(np.abs(axis)))
    if abs(axis[largest]) == 1.0:
        second = np.eye(3)[(largest + 2) % 3]
    else:
        second = np.cross(axis, np.eye(3)[2])
        second /= np.linalg.norm(second)
    return snap(np.column_stack([np.cross(second, axis), second, axis]))


def links_of(model: mujoco.MjModel) -> tuple[list[Link], list[Pose]]:
    """The tree of links, one per joint in the order of qpos, and the pose of every body."""
    links: list[Link] = []
    poses = [Pose(-1, np.eye(3), np.zeros(3))]
    for body in range(1, model.nbody):
        link, rotation, position = poses[model.body_parentid[body]]
        position = position + rotation @ model.body_pos[body]
        rotation = snap(rotation @ rotation_of(model.body_quat[body]))
        for joint in range(
            model.body_jntadr[body], model.body_jntadr[body] + max(model.body_jntnum[body], 0)
        ):
            hinge = bool(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE)
            anchor = model.jnt_pos[joint] if hinge else np.zeros(3)
            frame = _frame_along(rotation @ model.jnt_axis[joint])
            origin = position + rotation @ anchor
            links.append(
                Link(link, hinge, frame, origin, 0.0, np.zeros(3), np.zeros((3, 3)), 0.0, np.zeros(3))
            )
            link, rotation = len(links) - 1, snap(frame.T @ rotation)
            position = -rotation @ anchor
        poses.append(Pose(link, rotation, position))
        if link >= 0:
            links[link] = _attach(links[link], model, body, rotation, position)
    return links, poses


def _attach(link: Link, model: mujoco.MjModel, body: int, rotation, position) -> Link:
    mass = float(model.body_mass[body])
    centre = position + rotation @ model.body_ipos[body]
    principal = snap(rotation @ rotation_of(model.body_iquat[body]))
    inertia = principal @ np.diag(model.body_inertia[body]) @ principal.T
    inertia += mass * (centre @ centre * np.eye(3) - np.outer(centre, centre))
    heavy = mass * (1.0 - float(model.body_gravcomp[body]))
    return link._replace(
        mass=link.mass + mass,
        first_moment=link.first_moment + mass * centre,
        inertia=link.inertia + inertia,
        heavy_mass=link.heavy_mass + heavy,
        heavy_moment=link.heavy_moment + heavy * centre,
    )
