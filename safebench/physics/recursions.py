"""Inverse dynamics, gravity and inertia matrix of a joint tree, over scalar expressions.

The recursive Newton-Euler algorithm gives the forces that a motion needs, the composite-rigid-body
algorithm the inertia matrix, and its L^T D L factors, as sparse as the tree, the accelerations
(Featherstone, Rigid Body Dynamics Algorithms, 2008, chapters 5, 6 and 8). Vectors are lists of
scalars in the frame of their link; moments are taken about its origin.
"""

from typing import NamedTuple

import numpy as np

from safebench.physics.expression import Expression, Number, cosine, sine
from safebench.physics.joint_tree import Link

Vector = list[Number]


def times(matrix, vector) -> Vector:
    result = []
    for row in matrix:
        total: Number = 0.0
        for entry, x in zip(row, vector, strict=True):
            total = total + float(entry) * x
        result.append(total)
    return result


def plus(x, y) -> Vector:
    return [a + b for a, b in zip(x, y, strict=True)]


def cross(x, y) -> Vector:
    return [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]


def floats(array) -> list:
    return np.asarray(array, float).tolist()


class Tree(NamedTuple):
    """The links with their joint displacements as expressions."""

    links: list[Link]
    sines: Vector
    cosines: Vector
    offsets: list[Vector]  # a link's origin in its parent's frame


def tree_of(links: list[Link], displacements: Vector) -> Tree:
    sines, cosines, offsets = [], [], []
    for link, q in zip(links, displacements, strict=True):
        sines.append(sine(q) if link.hinge else 0.0)
        cosines.append(cosine(q) if link.hinge else 1.0)
        along = [float(axis) * q for axis in link.rotation[:, 2]]
        offsets.append(floats(link.position) if link.hinge else plus(floats(link.position), along))
    return Tree(links, sines, cosines, offsets)


def _down(tree: Tree, i: int, vector) -> Vector:
    """From the parent's frame to the frame of link i."""
    x, y, z = times(tree.links[i].rotation.T, vector)
    s, c = tree.sines[i], tree.cosines[i]
    return [c * x + s * y, c * y - s * x, z]


def _up(tree: Tree, i: int, vector) -> Vector:
    """From the frame of link i to the parent's."""
    x, y, z = vector
    s, c = tree.sines[i], tree.cosines[i]
    return times(tree.links[i].rotation, [c * x - s * y, s * x + c * y, z])


def in_world(tree: Tree, i: int, point: Vector) -> Vector:
    """Where a point given in the frame of link i is in the world."""
    while i >= 0:
        point = plus(_up(tree, i, point), tree.offsets[i])
        i = tree.links[i].parent
    return point


def _rates(turning: Vector, turning_rate: Vector) -> list[Vector]:
    """The matrix K with acceleration at r = acceleration at the origin + K r."""
    (x, y, z), (dx, dy, dz) = turning, turning_rate
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    return [[-(yy + zz), xy - dz, xz + dy], [xy + dz, -(xx + zz), yz - dx], [xz - dy, yz + dx, -(xx + yy)]]


def _matvec(matrix: list[Vector], vector: Vector) -> Vector:
    return [row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2] for row in matrix]


def inverse_dynamics(
    tree: Tree, velocities: Vector, accelerations: Vector, wrenches: dict[int, tuple[Vector, Vector]]
) -> Vector:
    """Joint forces that produce the accelerations without gravity (recursive Newton-Euler).

    wrenches: force and moment applied from outside to a link, in its frame, about its origin.
    """
    links = tree.links
    rest = [[0.0] * 3 for _ in range(3)]
    world = ([0.0] * 3, [0.0] * 3, [0.0] * 3, rest)
    motion: list[tuple] = []
    forces: list[Vector] = []
    moments: list[Vector] = []
    for i, link in enumerate(links):
        parent = motion[link.parent] if link.parent >= 0 else world
        turning, turning_rate = _down(tree, i, parent[0]), _down(tree, i, parent[1])
        linear = _down(tree, i, plus(parent[2], _matvec(parent[3], tree.offsets[i])))
        rate, growth = velocities[i], accelerations[i]
        x, y, z = turning
        if link.hinge:
            turning = [x, y, z + rate]
            turning_rate = plus(turning_rate, [y * rate, -(x * rate), growth])
        else:
            linear = plus(linear, [2.0 * (y * rate), -2.0 * (x * rate), growth])
        rates = _rates(turning, turning_rate)
        motion.append((turning, turning_rate, linear, rates))
        moment_arm, inertia = floats(link.first_moment), floats(link.inertia)
        force = plus([link.mass * a for a in linear], _matvec(rates, moment_arm))
        spin = cross(turning, _matvec(inertia, turning))
        moment = plus(plus(_matvec(inertia, turning_rate), spin), cross(moment_arm, linear))
        if i in wrenches:
            force = [a - b for a, b in zip(force, wrenches[i][0], strict=True)]
            moment = [a - b for a, b in zip(moment, wrenches[i][1], strict=True)]
        forces.append(force)
        moments.append(moment)
    joint_forces: Vector = [0.0] * len(links)
    for i in reversed(range(len(links))):
        joint_forces[i] = moments[i][2] if links[i].hinge else forces[i][2]
        parent_index = links[i].parent
        if parent_index >= 0:
            force = _up(tree, i, forces[i])
            moment = plus(_up(tree, i, moments[i]), cross(tree.offsets[i], force))
            forces[parent_index] = plus(forces[parent_index], force)
            moments[parent_index] = plus(moments[parent_index], moment)
    return joint_forces


def weights(tree: Tree, gravity) -> Vector:
    """Joint forces by gravity. Each subtree's weight acts as a whole: nothing rotates down and up again."""
    links = tree.links
    masses = [link.heavy_mass for link in links]
    arms: list[Vector] = [floats(link.heavy_moment) for link in links]
    for i in reversed(range(len(links))):
        parent = links[i].parent
        if parent >= 0:
            arm = _up(tree, i, arms[i])
            arms[parent] = plus(
                arms[parent], [h + masses[i] * x for h, x in zip(arm, tree.offsets[i], strict=True)]
            )
            masses[parent] += masses[i]
    falls: list[Vector] = []
    forces: Vector = []
    for i, link in enumerate(links):
        falls.append(_down(tree, i, falls[link.parent] if link.parent >= 0 else list(gravity)))
        forces.append(cross(arms[i], falls[i])[2] if link.hinge else masses[i] * falls[i][2])
    return forces


def inertia_matrix(tree: Tree, armature) -> list[Vector]:
    """The joint-space inertia, lower triangle (composite-rigid-body algorithm)."""
    links, count = tree.links, len(tree.links)
    masses: Vector = [link.mass for link in links]
    first_moments = [floats(link.first_moment) for link in links]
    inertias = [floats(link.inertia) for link in links]
    for i in reversed(range(count)):
        parent = links[i].parent
        if parent >= 0:
            inertia, arm = _inertia_in_parent(tree, i, masses[i], first_moments[i], inertias[i])
            masses[parent] = masses[parent] + masses[i]
            first_moments[parent] = plus(first_moments[parent], arm)
            inertias[parent] = [plus(a, b) for a, b in zip(inertias[parent], inertia, strict=True)]
    matrix: list[Vector] = [[0.0] * count for _ in range(count)]
    for i in range(count):
        arm, inertia = first_moments[i], inertias[i]
        if links[i].hinge:
            force, moment = [-arm[1], arm[0], 0.0], [inertia[0][2], inertia[1][2], inertia[2][2]]
        else:
            force, moment = [0.0, 0.0, masses[i]], [arm[1], -arm[0], 0.0]
        j = i
        while j >= 0:
            matrix[i][j] = moment[2] if links[j].hinge else force[2]
            force = _up(tree, j, force)
            moment = plus(_up(tree, j, moment), cross(tree.offsets[j], force))
            j = links[j].parent
        matrix[i][i] = matrix[i][i] + float(armature[i])
    return matrix


def _inertia_in_parent(tree: Tree, i: int, mass: Number, arm: Vector, inertia: list[Vector]):
    """Inertia and first moment of link i in its parent's frame and about its parent's origin."""
    s, c = tree.sines[i], tree.cosines[i]
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = inertia
    # R diag R^T about z, written so that it vanishes where xx = yy and xy = 0.
    u = c * (xx - yy) - 2.0 * (s * xy)
    shift = c * u
    turned = [
        [yy + shift, xy + s * u, c * xz - s * yz],
        [xy + s * u, xx - shift, s * xz + c * yz],
        [c * xz - s * yz, s * xz + c * yz, zz],
    ]
    rotation = floats(tree.links[i].rotation)
    half = [times(rotation, column) for column in zip(*turned, strict=True)]  # rows: columns of B I
    full = [times(rotation, row) for row in zip(*half, strict=True)]
    arm = _up(tree, i, arm)
    r = tree.offsets[i]
    # Parallel axes, with the first moment h and the offset r: 2 h.r + m r.r on the diagonal.
    double = [2.0 * h + mass * x for h, x in zip(arm, r, strict=True)]
    squares = [d * x for d, x in zip(double, r, strict=True)]
    result = []
    for a in range(3):
        row = []
        for b in range(3):
            if a == b:
                row.append(full[a][a] + (squares[(a + 1) % 3] + squares[(a + 2) % 3]))
            else:
                row.append(full[a][b] - (arm[a] * r[b] + (arm[b] + mass * r[b]) * r[a]))
        result.append(row)
    return result, [h + mass * x for h, x in zip(arm, r, strict=True)]


def factor(matrix: list[Vector]) -> tuple[list[Vector], Vector]:
    """M = L^T D L with unit lower triangular L as sparse as the tree; returns L and 1 / D.

    Raises:
        ValueError: if an entry of D is a constant that is not positive.
    """
    count = len(matrix)
    work = [row[:] for row in matrix]
    inverses: Vector = [0.0] * count
    for k in reversed(range(count)):
        if not isinstance(work[k][k], Expression) and not work[k][k] > 0.0:
            raise ValueError(f"the inertia matrix is singular: joint {k} moves an inertia of {work[k][k]}")
        inverses[k] = 1.0 / work[k][k]
        for i in reversed(range(k)):
            ratio = work[k][i] * inverses[k]
            for j in range(i + 1):
                work[i][j] = work[i][j] - ratio * work[k][j]
            work[k][i] = ratio
    return work, inverses


def solve(lower: list[Vector], inverses: Vector, right: Vector) -> Vector:
    """M^-1 right from the factors."""
    x = list(right)
    count = len(x)
    for i in reversed(range(count)):
        for j in range(i):
            x[j] = x[j] - lower[i][j] * x[i]
    x = [a * b for a, b in zip(x, inverses, strict=True)]
    for i in range(count):
        for j in range(i):
            x[i] = x[i] - lower[i][j] * x[j]
    return x
