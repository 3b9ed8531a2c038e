"""The rows of a robust invariant set under one law, by predecessors, and their projection.

Theory: Kolmanovsky and Gilbert 1998, "Theory and computation of disturbance invariant sets"; see
safebench.sets.synthesis for the recursion.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.sets import elimination
from safebench.sets.blocks import Block
from safebench.sets.duality import upper_bounds
from safebench.sets.polytope import Polytope
from safebench.sets.rounding import allowance, command_roundings, row_scale
from safebench.sets.search import Progress, Search, SynthesisError

INSIDE = 1 - 1e-6  # the set starts this far inside the constraints: room for the proof's rounding
ACTION_LIMIT = 1 - 1e-3


class Law(NamedTuple):
    """a = gain @ y + feedforward, y relative to the origin, of one block."""

    gain: Float[np.ndarray, "m n"]
    feedforward: Float[np.ndarray, " m"]


def first_rows(block: Block, law: Law, limit: Float[np.ndarray, " k"]) -> Polytope:
    """The constraints (narrowed where translated) and the action limits, as rows of y.

    In this order: upper and lower sides of the box, both limits of the actions used, half-spaces.
    """
    n = len(block.states)
    low, high = block.bounds.lower.copy(), block.bounds.upper.copy()
    low[block.translated] += limit
    high[block.translated] -= limit
    identity = np.eye(n)
    cut, ends = block.half_spaces
    ends = ends - np.abs(cut[:, block.translated]) @ limit
    normals = np.vstack([identity, -identity, law.gain, -law.gain, cut])
    room = np.concatenate([ACTION_LIMIT - law.feedforward, ACTION_LIMIT + law.feedforward])
    offsets = np.concatenate([INSIDE * high, -INSIDE * low, room, INSIDE * ends])
    used = np.abs(normals).max(axis=1) > 0
    return Polytope(normals[used], offsets[used])


def predecessor(block: Block, law: Law, limit, rows: Polytope, search: Search) -> Polytope:
    """For each row, the half-space whose states the law moves into that row, a gap inside."""
    normals = rows.normals @ (block.state + block.action @ law.gain)
    constant = rows.normals @ (block.action @ law.feedforward)
    held_back = gaps(block, law, limit, rows, search)
    return Polytope(normals, rows.offsets - held_back - block.support(rows.normals) - constant)


def gaps(block: Block, law: Law, limit, rows: Polytope, search: Search) -> Float[np.ndarray, " rows"]:
    """How far inside each row the next state has to be: for the contraction, and for rounding in float32."""
    # The set's own row is wider by the reference's range, and is rounded in absolute coordinates.
    reach = rows.offsets + np.abs(rows.normals[:, block.translated]) @ limit
    reach = reach + np.abs(rows.normals @ block.origin)
    command = command_roundings(
        law.gain, law.feedforward, np.maximum(block.bounds.upper, -block.bounds.lower)
    )
    rounding = allowance(row_scale(rows.normals, reach, block.magnitude, command), np.float32)
    return np.maximum((1 - search.contraction) * rows.offsets, 2.2 * rounding)


def invariant_set(block: Block, law: Law, limit, search: Search, progress: Progress | None) -> Polytope:
    """The same set with no redundant row: predecessors are kept only where they cut the set so far."""
    radius = np.maximum(block.bounds.upper, -block.bounds.lower)
    rows = fresh = prune(_normalised(first_rows(block, law, limit)), radius)
    for step in range(search.max_steps):
        if progress:
            progress(f"rows for {block.label}: {len(rows.offsets)}", step, search.max_steps)
        after = predecessor(block, law, limit, fresh, search)
        moving = np.abs(after.normals).max(axis=1) > 0  # else the row holds, wherever the state is
        after = _normalised(Polytope(after.normals[moving], after.offsets[moving]))
        reached = upper_bounds(after.normals, rows, radius).value
        cutting = reached > after.offsets * (1 + 1e-9)
        if not cutting.any():
            break
        fresh = Polytope(after.normals[cutting], after.offsets[cutting])
        joined = Polytope(
            np.concatenate([rows.normals, fresh.normals]), np.concatenate([rows.offsets, fresh.offsets])
        )
        if len(joined.offsets) > search.max_rows:
            raise SynthesisError(
                f"the set found for {block.label} needs more than {search.max_rows} rows (Search.max_rows)"
            )
        rows = joined
    else:
        raise SynthesisError(
            f"the set found for {block.label} is not finished after {search.max_steps} steps "
            "(Search.max_steps)"
        )
    return prune(rows, radius)


def projection(block: Block, base: Polytope, limit, progress: Progress | None) -> Polytope:
    """The states that some reference within `limit` carries into the base set."""
    if not block.translated:
        return base
    if progress:
        progress(f"projection of {block.label}", 0, 1)
    axes = np.eye(len(block.states))[:, block.translated]
    try:
        projected = elimination.project(base, axes, limit)
    except ValueError as error:
        raise SynthesisError(f"{block.label}: {error}") from None
    radius = np.maximum(block.bounds.upper, -block.bounds.lower)
    return prune(_normalised(projected), radius)


def prune(rows: Polytope, radius: Float[np.ndarray, " n"]) -> Polytope:
    """The rows that are not implied by the others (to a relative 1e-9)."""
    scaled = np.round(rows.normals * radius / rows.offsets[:, None], 10)
    _, first = np.unique(scaled, axis=0, return_index=True)
    rows = Polytope(rows.normals[np.sort(first)], rows.offsets[np.sort(first)])
    reached = upper_bounds(rows.normals, rows, radius, excluded=np.arange(len(rows.offsets))).value
    needed = reached > rows.offsets * (1 + 1e-9)
    return Polytope(rows.normals[needed], rows.offsets[needed])


def _normalised(rows: Polytope) -> Polytope:
    size = np.abs(rows.normals).max(axis=1)
    return Polytope(rows.normals / size[:, None], rows.offsets / size)
