"""Euclidean projection onto a polytope: the dual active-set method, and its exact derivative.

Method: Goldfarb and Idnani, "A numerically stable dual method for solving strictly convex quadratic
programs", Mathematical Programming 27 (1983), for the objective |x - a|^2 / 2. The search runs
without derivatives; the Karush-Kuhn-Tucker conditions of the active rows then give the derivative
with respect to the point and to every row.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from safebench.env.action_set import ActionSet, contains, tighten
from safebench.env.derivatives import largest, smallest

# Far above what random, degenerate or nearly parallel rows need (tests); ends a cycle of roundings.
MAX_ITERATIONS = 100


def project(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
    """The action of the set nearest to `a`; `a` itself, to the last bit, if it is in the set.

    The centre must satisfy every row.
    """
    safe = contains(actions, a)
    target = tighten(actions)
    if a.shape[0] == 1:
        projected = _clip(a, target)
    else:
        projected = nearest(a, target.normals, target.offsets, done=safe)
    return jnp.where(safe, a, projected)


def interval(actions: ActionSet) -> tuple[Float[Array, " 1"], Float[Array, " 1"]]:
    """The ends of an action set with one input; each differentiable through its own row."""
    normals = actions.normals[:, 0]
    bounds = actions.offsets / jnp.where(normals != 0, normals, 1.0)
    low = largest(jnp.where(normals < 0, bounds, -jnp.inf))
    high = smallest(jnp.where(normals > 0, bounds, jnp.inf))
    return low[None], high[None]


def _clip(a: Float[Array, " 1"], actions: ActionSet) -> Float[Array, " 1"]:
    low, high = interval(actions)
    return jnp.where(a < low, low, jnp.where(a > high, high, a))


def nearest(
    a: Float[Array, " n"],
    normals: Float[Array, "rows n"],
    offsets: Float[Array, " rows"],
    done: Bool[Array, ""] | bool = False,
) -> Float[Array, " n"]:
    """argmin |x - a| over {x : normals @ x <= offsets}, exact to rounding; zero rows are ignored.

    The polytope must not be empty (else the result breaks a row). `done` skips the search and
    returns `a`.
    """
    fixed = jax.lax.stop_gradient((a, normals, offsets))
    lengths = jnp.sqrt(jnp.sum(fixed[1] ** 2, axis=1))
    scale = jnp.where(lengths > 0, 1.0 / jnp.where(lengths > 0, lengths, 1.0), 0.0)
    active = _search(fixed[0], fixed[1] * scale[:, None], fixed[2] * scale, done)

    # x = a - N' u and N x = b on the active rows N: differentiate both, solve for dx.
    used = active.used
    rows = jnp.where(used[:, None], normals[active.row] * scale[active.row][:, None], 0.0)
    bounds = jnp.where(used, offsets[active.row] * scale[active.row], 0.0)
    dual = _dual_basis(active.rows, used)[1]
    x = _minimiser(fixed[0], active, dual)
    multipliers = dual @ (fixed[0] - x)
    free = a - multipliers @ rows
    free = free - (active.rows @ free) @ dual
    slope = free - (rows @ x - bounds) @ dual
    return x + (slope - jax.lax.stop_gradient(slope))


class _Active(NamedTuple):
    """Active rows in n slots (zero when free) and their multipliers."""

    rows: Float[Array, "n n"]
    bounds: Float[Array, " n"]
    row: Int[Array, " n"]
    used: Bool[Array, " n"]
    multipliers: Float[Array, " n"]


class _Entry(NamedTuple):
    """One row on its way in: rows that block it are dropped one by one, then it takes a full step."""

    active: _Active
    violation: Float[Array, ""]
    multiplier: Float[Array, ""]
    done: Bool[Array, ""]
    empty: Bool[Array, ""]  # nothing blocks and no step helps: the polytope is empty


def _search(a, normals, offsets, done) -> _Active:
    """The dual active-set active. Rows have length one or zero."""
    n, dtype = a.shape[0], a.dtype
    start = _Active(
        rows=jnp.zeros((n, n), dtype),
        bounds=jnp.zeros(n, dtype),
        row=jnp.zeros(n, jnp.int32),
        used=jnp.zeros(n, bool),
        multipliers=jnp.zeros(n, dtype),
    )

    def step(state):
        active, _, iteration = state
        x = _minimiser(a, active, _dual_basis(active.rows, active.used)[1])
        violations = jnp.sum(normals * x, axis=1) - offsets
        entering = jnp.argmax(violations).astype(jnp.int32)
        violation = violations[entering]
        # Nothing violated, or only a row that is already met as well as rounding allows.
        met = (violation <= 8 * jnp.finfo(dtype).eps) | jnp.any(active.used & (active.row == entering))
        entered, empty = _enter(active, normals[entering], offsets[entering], entering, violation, met)
        return entered, met | empty, iteration + 1

    def searching(state):
        return ~state[1] & (state[2] < MAX_ITERATIONS)

    return jax.lax.while_loop(searching, step, (start, jnp.asarray(done), jnp.zeros((), jnp.int32)))[0]


def _enter(active: _Active, row, bound, index, violation, met) -> tuple[_Active, Bool[Array, ""]]:
    """The active rows with a violated row among them, and whether the polytope was found empty."""
    slots = jnp.arange(row.shape[0])

    def step(e: _Entry) -> _Entry:
        basis, dual = _dual_basis(e.active.rows, e.active.used)
        direction = _orthogonal_part(row, basis)
        change = dual @ row
        squared = jnp.sum(direction**2)
        independent = squared > (64 * jnp.finfo(row.dtype).eps) ** 2
        full = jnp.where(independent, e.violation / jnp.where(independent, squared, 1.0), jnp.inf)
        blocks = e.active.used & (change > 0)
        ratios = jnp.where(blocks, e.active.multipliers / jnp.where(blocks, change, 1.0), jnp.inf)
        blocking = jnp.argmin(ratios)
        length = jnp.minimum(full, ratios[blocking])
        empty = jnp.isinf(length)
        length = jnp.where(empty, 0.0, length)
        enters = full <= ratios[blocking]
        joins = enters & ~empty & (slots == jnp.argmin(e.active.used))
        leaves = ~enters & (slots == blocking)
        multiplier = e.multiplier + length
        multipliers = jnp.maximum(e.active.multipliers - length * change, 0.0)
        after = _Active(
            rows=jnp.where(joins[:, None], row, jnp.where(leaves[:, None], 0.0, e.active.rows)),
            bounds=jnp.where(joins, bound, jnp.where(leaves, 0.0, e.active.bounds)),
            row=jnp.where(joins, index, e.active.row),
            used=(e.active.used | joins) & ~leaves,
            multipliers=jnp.where(joins, multiplier, jnp.where(leaves, 0.0, multipliers)),
        )
        return _Entry(after, e.violation - length * squared, multiplier, enters | empty, empty)

    entry = _Entry(active, violation, jnp.zeros((), row.dtype), met, jnp.zeros((), bool))
    entry = jax.lax.while_loop(lambda e: ~e.done, step, entry)
    return entry.active, entry.empty


def _orthogonal_part(row, basis):
    """The part of a row orthogonal to an orthonormal basis; twice, since one pass loses digits."""
    for _ in range(2):
        row = row - (basis @ row) @ basis
    return row


def _dual_basis(rows: Float[Array, "m n"], used: Bool[Array, " m"]) -> tuple[Array, Array]:
    """An orthonormal basis of the used rows' span, and the dual basis: dual @ rows.T = identity there."""

    def add(slot, bases):
        basis, dual = bases
        row, active = rows[slot], used[slot]
        part = _orthogonal_part(row, basis)
        unit = part / jnp.where(active, jnp.sqrt(jnp.sum(part**2)), 1.0)
        vector = unit / jnp.where(active, jnp.sum(unit * row), 1.0)
        dual = dual - jnp.outer(dual @ row, vector)
        return basis.at[slot].set(unit), dual.at[slot].set(vector)

    n = rows.shape[0]
    bases = (jnp.zeros_like(rows), jnp.zeros_like(rows))
    # Unrolled for speed where that is small; compiled once as a loop in more dimensions.
    return jax.lax.fori_loop(0, n, add, bases, unroll=n <= 3)


def _minimiser(a, active: _Active, dual):
    """The point nearest to `a` on the active rows; the second pass removes the first one's rounding."""
    x = a
    for _ in range(2):
        x = x - (active.rows @ x - active.bounds) @ dual
    return x
