"""A second opinion on certificates: the theorem of safebench.sets.proof, checked in other arithmetic.

Nothing is shared with safebench.sets or safebench.physics: files are read with numpy, what one step does
comes from `ball_models`, the projection and every duality bound from exact rationals. A linear program in
floating point proposes multipliers and decides nothing.
"""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from ball_models import Array, Box, Linear, Mechanism, exact, linear_model, mechanical_model
from scipy.optimize import linprog

EPSILON = {32: Fraction(1, 2**23), 64: Fraction(1, 2**52)}
HALF_SPACES = ("half_space_normals", "half_space_offsets")
FIELDS = "origin normals offsets base_normals base_offsets gain feedforward translations translation_limits"


@dataclass(frozen=True)
class Claim:
    """What a certificate claims; the names are those of safebench.sets.certificate.Certificate."""

    task: str
    contraction: float
    origin: Array
    normals: Array
    offsets: Array
    base_normals: Array
    base_offsets: Array
    gain: Array
    feedforward: Array
    translations: Array
    translation_limits: Array
    magnitude: Array
    constraints: Box
    disturbance: Box
    half_space_normals: Array | None = None
    half_space_offsets: Array | None = None


def read(path) -> Claim:
    """A certificate's file, with numpy alone."""
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(str(archive["header"][()]))
        arrays = {name: archive[name] for name in (*FIELDS.split(), "magnitude")}
        boxes = {
            name: (archive[f"{name}_lower"], archive[f"{name}_upper"])
            for name in ("constraints", "disturbance")
        }
        arrays |= {name: archive[name] for name in HALF_SPACES if name in archive}
    return Claim(task=header["task"], contraction=header["contraction"], **arrays, **boxes)


# ---------------------------------------------------------------------------- exact duality


class Rows(NamedTuple):
    """The polytope normals @ y <= offsets with |y| <= radius beside it, all rational."""

    normals: Array
    offsets: Array
    radius: Array

    def highest(self, direction: Array) -> tuple[Fraction, Fraction]:
        """An exact upper bound of direction . y, and its part that came through the radius.

        g . y = mu . (H y) + (g - mu H) . y <= mu . h + |g - mu H| . radius for every mu >= 0.
        """
        size = max((abs(x) for x in direction * self.radius), default=Fraction(0))
        if not size:
            return Fraction(0), Fraction(0)
        scale = self.radius.astype(float)
        goal = np.array([float(x / size) for x in direction * self.radius])
        found = linprog(-goal, self.normals.astype(float) * scale, self.offsets.astype(float), bounds=(-1, 1))
        if found.status != 0:
            mu, used = exact(np.zeros(0)), np.zeros(0, int)
        else:
            proposed = np.maximum(-found.ineqlin.marginals, 0.0) * float(size)
            used = np.flatnonzero(proposed)
            mu = exact(proposed[used])
        leak = abs(direction - mu @ self.normals[used]) @ self.radius
        return mu @ self.offsets[used] + leak, leak


def projected(normals: Array, offsets: Array, translations: Array, limits: Array) -> tuple[Array, Array]:
    """All y with normals (y - T r) <= offsets for some |r| <= limits: Fourier-Motzkin, in rationals."""
    n, k = translations.shape
    rows = [(*row, *(-(row @ translations)), h) for row, h in zip(normals, offsets, strict=True)]
    for t in range(k):
        unit = [Fraction(int(j == n + t)) for j in range(n + k)]
        rows += [(*unit, limits[t]), (*(-x for x in unit), limits[t])]
    table = _eliminated(rows, range(n, n + k))
    return table[:, :n], table[:, -1]


def carried(normals: Array, offsets: Array, translations: Array) -> tuple[Array, Array]:
    """All (y, low, high) with normals (y - T r) <= offsets for some low <= r <= high."""
    n, k = translations.shape
    none = [Fraction(0)] * (2 * k)
    rows = [(*row, *none, *(-(row @ translations)), h) for row, h in zip(normals, offsets, strict=True)]
    for t in range(k):
        for side, sign in ((0, -1), (k, 1)):  # -r <= -low, r <= high
            row = [Fraction(0)] * (n + 3 * k)
            row[n + 2 * k + t], row[n + side + t] = Fraction(sign), Fraction(-sign)
            rows.append((*row, Fraction(0)))
    table = _eliminated(rows, range(n + 2 * k, n + 3 * k))
    return table[:, : n + 2 * k], table[:, -1]


def _eliminated(rows: list[tuple], columns: Iterable[int]) -> Array:
    """Rows (coefficients, bound) without some of their variables."""
    for t in columns:
        above = [row for row in rows if row[t] > 0]
        below = [row for row in rows if row[t] < 0]
        kept = [row for row in rows if row[t] == 0]
        for p, q in itertools.product(above, below):
            kept.append(tuple(x / p[t] - y / q[t] for x, y in zip(p, q, strict=True)))
        rows = list(dict.fromkeys(kept))
    return np.array(rows, dtype=object).reshape(len(rows), -1)


# ---------------------------------------------------------------------------- the conditions


def second_opinion(
    certificate: Any,
    system: Mechanism | Linear,
    constraints: Box,
    disturbance: Box,
    half_spaces: tuple[Array, Array] | None = None,
) -> list[str]:
    """The conditions of the theorem that fail, by name; empty: proven.

    certificate: anything with the fields of `Claim`.
    constraints, disturbance, half_spaces (normals, offsets): of the task.
    """
    c = certificate
    boxes = [np.asarray(end, float) for box in (c.constraints, c.disturbance) for end in box]
    fields = [np.asarray(getattr(c, name), float) for name in (*FIELDS.split(), "magnitude")]
    if not all(np.isfinite(array).all() for array in (*fields, *boxes, np.array(c.contraction))):
        return ["finite"]
    origin, normals, offsets, base, base_offsets, gain, push, axes, limits, size = map(exact, fields)
    failures = []
    for name, own, other in (
        ("constraints", boxes[:2], constraints),
        ("disturbance", boxes[2:], disturbance),
    ):
        if not all(np.array_equal(one, two) for one, two in zip(own, other, strict=True)):
            failures.append(name)
    nothing = np.zeros((0, len(origin))), np.zeros(0)
    cut, ends = nothing if c.half_space_normals is None else (getattr(c, name) for name in HALF_SPACES)
    wanted = half_spaces or nothing
    if not all(np.array_equal(one, two) for one, two in zip((cut, ends), wanted, strict=True)):
        failures.append("half-spaces")
    if not 0 <= c.contraction < 1:
        failures.append("contraction")
    if (limits < 0).any():
        failures.append("limits")
    if (size < 0).any():
        failures.append("magnitude")
    if failures:
        return failures

    build: Any = linear_model if isinstance(system, Linear) else mechanical_model
    model = build(system, constraints, disturbance, 64 * EPSILON[64] * size)
    if not np.array_equal(model.origin, origin):
        return ["origin"]
    low, high = exact(constraints[0]) - origin, exact(constraints[1]) - origin
    radius = np.maximum(abs(low), abs(high))
    n, m, noises = len(origin), len(push), len(disturbance[0])
    inside, own = Rows(normals, offsets, radius), Rows(base, base_offsets, radius)
    identity = exact(np.eye(n))
    if not (_bounded(inside, identity) and _bounded(own, identity)):
        failures.append("bounded")
    room = [*high, *-low]
    if any(inside.highest(side)[0] > r for side, r in zip((*identity, *-identity), room, strict=True)):
        failures.append("inside X")
    for row, end in zip(exact(cut), exact(ends), strict=True):
        if inside.highest(row)[0] > end - row @ origin:
            failures.append("inside half-spaces")
            break
    if any(
        own.highest(sign * row)[0] + sign * k > 1
        for row, k in zip(gain, push, strict=True)
        for sign in (1, -1)
    ):
        failures.append("law")
    if not _referenced(inside, own, axes, limits):
        failures.append("projection")

    closed = model.state + model.action @ gain
    carried = abs(normals @ (model.state @ axes)) @ limits
    steady = carried + normals @ (model.action @ push)
    moving = np.array([own.highest(row @ closed)[0] + model.support(row) for row in normals], dtype=object)
    bounds = moving + steady
    gaps = offsets - bounds
    contraction = Fraction(c.contraction)
    if (gaps <= 0).any() or (bounds > contraction * offsets).any():
        failures.append("invariance")
    terms = max(abs(gain) @ radius + abs(push), default=Fraction(0))
    longest = max((sum(factor != 0 for factor in row) for row in gain), default=0)
    coarse = max(Fraction(1), Fraction(2 * longest + 6, 64) * terms)  # a law of large terms rounds its action
    scale = abs(offsets) + abs(normals @ origin) + coarse * (abs(normals) @ size)
    if (2 * 64 * EPSILON[32] * scale > gaps).any():
        failures.append("float32")
    narrow = offsets - abs(normals @ axes) @ limits
    drift = abs(normals @ (model.state @ axes - axes)) @ limits
    room = narrow - moving - drift - normals @ (model.action @ push)
    if limits.size and not (
        (2 * 64 * EPSILON[32] * scale <= room).all() and _carried_along(inside, narrow, own, axes, limits)
    ):
        failures.append("corridors")
    if (size < Fraction(2 * (n + m + noises) + 8, 64) * model.moved).any():
        failures.append("magnitude")
    return failures


def _bounded(rows: Rows, identity: Array) -> bool:
    """|y| <= radius follows from the rows: a bound with a leak below the radius is not circular."""
    reached = [rows.highest(side) for side in (*identity, *-identity)]
    limits = [*rows.radius, *rows.radius]
    return all(top <= r and leak < r for (top, leak), r in zip(reached, limits, strict=True))


def _referenced(inside: Rows, own: Rows, axes: Array, limits: Array) -> bool:
    """Whether every y of the set is z + axes @ r with z in the base set and |r| <= limits."""
    normals, offsets = own.normals, own.offsets
    if not limits.size:
        return np.array_equal(inside.normals, normals) and np.array_equal(inside.offsets, offsets)
    rows = zip(*projected(normals, offsets, axes, limits), strict=True)
    return all(inside.highest(row)[0] <= room for row, room in rows)


def _carried_along(inside: Rows, narrow: Array, own: Rows, axes: Array, limits: Array) -> bool:
    """Whether, in every corridor -limits <= low <= high <= limits, every y of its rows has a reference.

    The corridor's sides are further variables of one polytope: it must imply what eliminating the reference
    leaves of the base set's rows.
    """
    n, k = axes.shape
    moved, identity = inside.normals @ axes, exact(np.eye(k))
    nothing, zero = exact(np.zeros((k, n))), exact(np.zeros((k, k)))
    rows = np.vstack(
        [
            np.hstack([inside.normals, -np.minimum(moved, 0), -np.maximum(moved, 0)]),
            np.hstack([nothing, identity, -identity]),
            np.hstack([nothing, -identity, zero]),
            np.hstack([nothing, zero, identity]),
        ]
    )
    bounds = np.concatenate([narrow, exact(np.zeros(k)), limits, limits])
    every = Rows(rows, bounds, np.concatenate([inside.radius, limits, limits]))
    # low <= high is what is left of the reference, as it was given: no program need find it to the last bit.
    given = {(*row, bound) for row, bound in zip(rows, bounds, strict=True)}
    wanted = zip(*carried(own.normals, own.offsets, axes), strict=True)
    return all((*row, room) in given or every.highest(row)[0] <= room for row, room in wanted)
