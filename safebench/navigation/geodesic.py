"""The shortest way to a goal around discs: a taut string, exact, with what it needs computed beforehand.

A body is to stay out of *rings*, the discs made larger by a margin. A shortest way is made of straight
pieces that touch rings and of arcs along them. What does not depend on where the body is, the tangents
between rings and from rings to the goal and the length of the rest of the way from each, is found when
a scene is drawn (numpy, many scenes at once). At run time it remains to see which ring to touch first.

The length of the way is continuous, and its gradient is minus the direction of its first piece.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from safebench.env.derivatives import safe_norm, smallest
from safebench.env.picture import Discs

TURN = 2 * np.pi
TURNS = np.array([1.0, -1.0])
"""Along a ring counter-clockwise and clockwise."""
SIGHT = 1e-9
"""Metres that a line of sight may cut into a ring: a tangent does by rounding."""


class Ways(NamedTuple):
    """What is known of all shortest ways to one goal, before it is known where the body is.

    goal [m]: where to. rings: what to stay out of; disjoint, the goal outside.
    angle [rad]: where ways leave a ring, per ring, turn (TURNS) and tangent.
    rest [m]: the length of the way from there to the goal; +inf where there is no such tangent.
    """

    goal: Float[Array, "... 2"]
    rings: Discs
    angle: Float[Array, "... rings 2 tangents"]
    rest: Float[Array, "... rings 2 tangents"]


# At run time, one body ------------------------------------------------------------------------------------


def way(
    ways: Ways, point: Float[Array, " 2"], softness: float = 0.1
) -> tuple[Float[Array, ""], Float[Array, " 2"]]:
    """The length [m] of the shortest way from a point to the goal, and the direction in which it begins.

    softness [m]: the direction is of length 1 but near the goal, where it vanishes linearly within about
        `softness`, and near the ring it touches next, where it bends (inside of the ring outwards) within
        that distance, so that its derivative is bounded.

    A point inside of a ring goes straight out of it first.
    """
    ways, rings = jax.lax.stop_gradient((ways, ways.rings))
    outside = _pushed_out(rings, point)
    start = jax.lax.stop_gradient(outside)
    there = rings.radius > 0
    spoke = start - rings.centre
    away = jnp.maximum(jax.vmap(safe_norm)(spoke), rings.radius)
    # As a product it is never below zero, however a compiler fuses it.
    tangent = jnp.sqrt(jnp.where(there, (away - rings.radius) * (away + rings.radius), 0.0))
    # Seen from a ring's centre, the way touches it at the body's angle, ahead by acos(radius / away).
    ahead = jnp.arctan2(tangent, rings.radius)
    touch = jnp.arctan2(spoke[:, 1], spoke[:, 0])[:, None] + TURNS * ahead[:, None]
    # The same angle as a vector, by its cosine and sine, which are at hand: spoke / away turned by `ahead`.
    sideways = TURNS[:, None] * jnp.stack([-spoke[:, 1], spoke[:, 0]], axis=-1)[:, None]
    turned = rings.radius[:, None, None] * spoke[:, None] + tangent[:, None, None] * sideways
    share = rings.radius / jnp.where(there, away, 1.0) ** 2
    points = rings.centre[:, None] + share[:, None, None] * turned
    others = ~jnp.eye(len(rings.radius), dtype=bool)
    seen = jax.vmap(lambda pair, watched: jax.vmap(lambda to: _sees(start, to, rings, watched))(pair))(
        points, others
    )
    turns = (TURNS[:, None] * (ways.angle - touch[..., None]) + 1e-9) / TURN
    arc = (turns - jnp.floor(turns)) * (TURN * rings.radius[:, None, None])
    around = tangent[:, None] + smallest(arc + ways.rest)
    around = jnp.where(seen & there[:, None], around, jnp.inf)
    straight = _sees(start, ways.goal, rings, jnp.ones_like(there))
    lengths = jnp.concatenate(
        [jnp.where(straight, safe_norm(ways.goal - start), jnp.inf)[None], around.ravel()]
    )
    best = jax.nn.one_hot(jnp.argmin(lengths), len(lengths), dtype=point.dtype)

    def of_best(direct, each):  # a sum over a mask, not a lookup: its derivative would be a scatter
        values = jnp.concatenate([direct[None], each.reshape(-1, *each.shape[2:])])
        return jnp.sum(jnp.where((best > 0)[(...,) + (None,) * (values.ndim - 1)], values, 0.0), axis=0)

    direct = best[0] > 0
    pairs = (len(rings.radius), 2)
    centre = of_best(ways.goal, jnp.broadcast_to(rings.centre[:, None], (*pairs, 2)))
    radius = of_best(jnp.zeros_like(rings.radius[0]), jnp.broadcast_to(rings.radius[:, None], pairs))
    turn = of_best(jnp.zeros_like(rings.radius[0]), jnp.broadcast_to(jnp.asarray(TURNS, point.dtype), pairs))

    # The derivative of a shortest length is that of its first piece with the rest held.
    sharp = _first_piece(outside, centre, radius, turn, 0.0)
    length = smallest(lengths) - jax.lax.stop_gradient(sharp) @ (outside - start)
    length = length + safe_norm(point - outside)
    soft = _first_piece(point, centre, radius, turn, softness)
    near = (ways.goal - point) / jnp.sqrt(jnp.sum((ways.goal - point) ** 2) + softness**2)
    return length, jnp.where(direct, near, soft)


def _pushed_out(rings: Discs, point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """The point, or the nearest one on the rim of the ring that it lies in."""
    spoke = point - rings.centre
    away = jax.vmap(safe_norm)(spoke)
    inside = away < rings.radius
    centred = away < 1e-6 * rings.radius  # at the very centre any way out is as good
    unit = jnp.where(centred[:, None], jnp.asarray([1.0, 0.0], point.dtype), spoke)
    unit = unit / jnp.where(centred | (away == 0), 1.0, away)[:, None]
    out = rings.centre + rings.radius[:, None] * unit
    moved = jnp.sum(jnp.where(inside[:, None], out - point, 0.0), axis=0)  # rings are disjoint
    return point + moved


def _sees(start: Array, end: Array, rings: Discs, watched: Array) -> Array:
    """Whether the straight line stays out of the rings that are watched."""
    line, spoke = end - start, rings.centre - start
    square = jnp.sum(line**2)
    share = jnp.clip(spoke @ line / jnp.where(square > 0, square, 1.0), 0.0, 1.0)
    nearest = jnp.sum((spoke - share[:, None] * line) ** 2, axis=-1)
    tolerance = SIGHT + 64 * jnp.finfo(start.dtype).eps
    cuts = nearest < jnp.maximum(rings.radius - tolerance, 0.0) ** 2
    return ~jnp.any(cuts & watched & (rings.radius > 0))


def _first_piece(point: Array, centre: Array, radius: Array, turn: Array, softness: float) -> Array:
    """The direction from a point along the tangent to a ring; to a point where the radius is 0.

    With softness the tangent's length is (d^2 - r^2) / sqrt(|d^2 - r^2| + softness^2), negative inside.
    """
    spoke = centre - point
    away = safe_norm(spoke)
    inward = spoke / jnp.where(away > 0, away, 1.0)
    sideways = turn * jnp.stack([inward[1], -inward[0]])
    power = (away - radius) * (away + radius)
    if softness == 0.0:
        tangent = jnp.sqrt(jnp.maximum(power, 0.0))
    else:
        tangent = power / jnp.sqrt(jnp.abs(power) + softness**2)
    direction = tangent * inward + radius * sideways
    length = safe_norm(direction)
    return direction / jnp.where(length > 0, length, 1.0)


# Beforehand, many scenes at once --------------------------------------------------------------------------


def shortest_ways(
    goal: Float[np.ndarray, "scenes 2"],
    centre: Float[np.ndarray, "scenes discs 2"],
    radius: Float[np.ndarray, "scenes discs"],
    margin: float,
) -> Ways:
    """The shortest ways to a goal around the discs of each scene, all kept `margin` [m] away from.

    Raises:
        ValueError: if two rings meet or a goal lies in one: gaps must be wider than twice the margin.
    """
    scenes, discs = radius.shape
    there = radius > 0
    ring = np.where(there, radius + margin, -1.0)
    _check_apart(goal, centre, ring)
    tangents = 2 * discs - 1  # to the goal, then to each other ring, which is then rounded either way
    angle = np.zeros((scenes, discs, 2, tangents))
    piece = np.full((scenes, discs, 2, tangents), np.inf)  # the straight piece's length
    arrival = np.zeros((scenes, discs, 2, tangents))
    for i in range(discs):
        for s, turn in enumerate(TURNS):
            _tangent(angle, piece, arrival, (i, s, 0), centre, ring, turn, goal, np.zeros(scenes), turn)
            slot = 1
            for j in range(discs):
                for after in TURNS if j != i else ():
                    other = centre[:, j], ring[:, j], after, j
                    _tangent(angle, piece, arrival, (i, s, slot), centre, ring, turn, *other)
                    slot += 1
    rest = piece.copy()
    rest[..., 1:] = np.inf
    for _ in range(discs):  # a shortest way touches every ring once at most
        rest = _improved(rest, angle, piece, arrival, ring)
    rings: Any = (centre, ring)  # numpy here, jax where one is picked
    found: Any = (goal, Discs(*rings), angle, rest)
    return Ways(*found)


def _check_apart(goal: np.ndarray, centre: np.ndarray, ring: np.ndarray) -> None:
    gap = np.linalg.norm(centre[:, :, None] - centre[:, None], axis=-1) - ring[:, :, None] - ring[:, None]
    both = (ring[:, :, None] > 0) & (ring[:, None] > 0) & ~np.eye(ring.shape[1], dtype=bool)
    to_goal = np.where(ring > 0, np.linalg.norm(centre - goal[:, None], axis=-1) - ring, np.inf)
    least = min(np.where(both, gap, np.inf).min(initial=np.inf), to_goal.min(initial=np.inf))
    if not least > 0:
        raise ValueError(f"a way's rings overlap, or its goal lies in one, by {-least:.3g} m: widen the gaps")


def _tangent(angle, piece, arrival, slot, centre, ring, turn, target, size, after, other=None) -> None:
    """Where a body that rounds ring i in sense `turn` leaves it for `target`, a ring rounded in sense `after`
    (or a point, of size 0), and where it arrives there; written into the slot.

    Both turns the same: an outer tangent. The body leaves at an angle beside the line of centres with
    cos(beta) = (r_i -+ r_j) / distance.
    """
    i = slot[0]
    line = target - centre[:, i]
    distance = np.linalg.norm(line, axis=-1)
    there = (ring[:, i] > 0) & (size >= 0) & (distance > 0)
    safe = np.where(there, distance, 1.0)
    beside = np.where(there, (ring[:, i] - turn * after * size) / safe, 0.0)
    beta = np.arccos(np.clip(beside, -1, 1))
    leaves = np.arctan2(line[:, 1], line[:, 0]) - turn * beta
    arrives = leaves if turn == after else leaves + np.pi
    start = centre[:, i] + ring[:, i, None] * _points(leaves)
    end = target + np.where(there, size, 0.0)[:, None] * _points(arrives)
    watched = [m for m in range(ring.shape[1]) if m not in (i, other)]
    sees = there & ~_blocked(start, end, centre[:, watched], ring[:, watched])
    index = (slice(None), *slot)
    angle[index], arrival[index] = np.where(sees, leaves, 0.0), np.where(sees, arrives, 0.0)
    piece[index] = np.where(sees, np.linalg.norm(end - start, axis=-1), np.inf)


def _points(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _blocked(start: np.ndarray, end: np.ndarray, centre: np.ndarray, ring: np.ndarray) -> np.ndarray:
    line, spoke = (end - start)[:, None], centre - start[:, None]
    square = (line**2).sum(-1)
    share = np.clip((spoke * line).sum(-1) / np.where(square > 0, square, 1.0), 0.0, 1.0)
    nearest = np.linalg.norm(spoke - share[..., None] * line, axis=-1)
    return ((ring > 0) & (nearest < ring - SIGHT)).any(axis=1)


def _improved(rest: np.ndarray, angle: np.ndarray, piece: np.ndarray, arrival: np.ndarray, ring: np.ndarray):
    """One more ring may be touched: Bellman's step over all tangents."""
    rest = rest.copy()
    discs = ring.shape[1]
    for i in range(discs):
        slot = 1
        for j in range(discs):
            for after in range(2) if j != i else ():
                at = arrival[:, i, :, slot]  # scenes, turn of i
                arc = np.mod(TURNS[after] * (angle[:, None, j, after] - at[..., None]) + 1e-9, TURN)
                onward = (np.maximum(ring[:, j], 0.0)[:, None, None] * arc + rest[:, None, j, after]).min(
                    axis=-1
                )
                rest[:, i, :, slot] = piece[:, i, :, slot] + onward
                slot += 1
    return rest
