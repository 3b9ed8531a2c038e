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

from safebench.action_set import ActionSet, slacks, tighten

# Far above what random, degenerate or nearly parallel rows need (tests); ends a cycle of roundings.
MAX_ITERATIONS = 100


def project(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
    """The action of the set nearest to `a`; `a` itself, to the last bit, if it is in the set.

    The centre must satisfy every row.
    """
    safe = jnp.all(slacks(actions, a) >= 0)
    target = tighten(actions)
    if a.shape[0] == 1:
        projected = _clip(a, target.normals[:, 0], target.offsets)
    else:
        projected = nearest(a, target.normals, target.offsets, done=safe)
    return jnp.where(safe, a, projected)


def interval(normals: Float[Array, " rows"], offsets: Float[Array, " rows"]) -> tuple[Array, Array]:
    """The ends of {x : normals x <= offsets} on the line; each differentiable through its own row."""
    fixed_normals, fixed_offsets = jax.lax.stop_gradient((normals, offsets))
    bounds = fixed_offsets / jnp.where(fixed_normals != 0, fixed_normals, 1.0)
    low = jnp.argmax(jnp.where(fixed_normals < 0, bounds, -jnp.inf))
    high = jnp.argmin(jnp.where(fixed_normals > 0, bounds, jnp.inf))
    return offsets[low] / normals[low], offsets[high] / normals[high]


def _clip(a, normals, offsets):
    low, high = interval(normals, offsets)
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
    search = _search(fixed[0], fixed[1] * scale[:, None], fixed[2] * scale, done)

    # x = a - N' u and N x = b on the active rows N: differentiate both, solve for dx.
    used = search.used
    rows = jnp.where(used[:, None], normals[search.index] * scale[search.index][:, None], 0.0)
    bounds = jnp.where(used, offsets[search.index] * scale[search.index], 0.0)
    dual = _dual_basis(search.rows, used)[1]
    x = _minimiser(fixed[0], search, dual)
    multipliers = dual @ (fixed[0] - x)
    free = a - multipliers @ rows
    free = free - (search.rows @ free) @ dual
    slope = free - (rows @ x - bounds) @ dual
    return x + (slope - jax.lax.stop_gradient(slope))


class _Search(NamedTuple):
    """Active rows in m slots (zero when free), their multipliers, and the row that is entering."""

    rows: Float[Array, "m n"]
    bounds: Float[Array, " m"]
    index: Int[Array, " m"]
    used: Bool[Array, " m"]
    multipliers: Float[Array, " m"]
    x: Float[Array, " n"]
    entering: Int[Array, ""]
    entering_multiplier: Float[Array, ""]
    settled: Bool[Array, ""]  # x minimises over the active rows: choose the next row to enter
    done: Bool[Array, ""]
    iteration: Int[Array, ""]


def _search(a, normals, offsets, done) -> _Search:
    """The dual active-set search. Rows have length one or zero."""
    n = a.shape[0]
    eps = jnp.finfo(a.dtype).eps

    def step(s: _Search) -> _Search:
        basis, dual = _dual_basis(s.rows, s.used)
        x = jnp.where(s.settled, _minimiser(a, s, dual), s.x)
        violations = normals @ x - offsets
        entering = jnp.where(s.settled, jnp.argmax(violations).astype(jnp.int32), s.entering)
        row, bound, violation = normals[entering], offsets[entering], violations[entering]
        # Nothing violated, or only a row that is already met as well as rounding allows.
        met = s.settled & ((violation <= 8 * eps) | jnp.any(s.used & (s.index == entering)))

        direction = _orthogonal_part(row, basis)
        change = dual @ row
        squared = jnp.sum(direction**2)
        independent = squared > (64 * eps) ** 2
        full = jnp.where(independent, violation / jnp.where(independent, squared, 1.0), jnp.inf)
        blocks = s.used & (change > 0)
        ratios = jnp.where(blocks, s.multipliers / jnp.where(blocks, change, 1.0), jnp.inf)
        blocking = jnp.argmin(ratios)
        length = jnp.minimum(full, ratios[blocking])
        empty = jnp.isinf(length)
        stop = met | empty

        length = jnp.where(stop, 0.0, length)
        x = jnp.where(independent, x - length * direction, x)
        multipliers = jnp.maximum(s.multipliers - length * change, 0.0)
        entering_multiplier = s.entering_multiplier + length
        enters = full <= ratios[blocking]
        slots = jnp.arange(n)
        joins = enters & ~stop & (slots == jnp.argmin(s.used))
        leaves = ~enters & ~stop & (slots == blocking)
        return _Search(
            rows=jnp.where(joins[:, None], row, jnp.where(leaves[:, None], 0.0, s.rows)),
            bounds=jnp.where(joins, bound, jnp.where(leaves, 0.0, s.bounds)),
            index=jnp.where(joins, entering, s.index),
            used=(s.used | joins) & ~leaves,
            multipliers=jnp.where(joins, entering_multiplier, jnp.where(leaves, 0.0, multipliers)),
            x=x,
            entering=entering,
            entering_multiplier=jnp.where(enters, 0.0, entering_multiplier),
            settled=enters,
            done=stop,
            iteration=s.iteration + 1,
        )

    zero = jnp.zeros((), a.dtype)
    start = _Search(
        rows=jnp.zeros((n, n), a.dtype),
        bounds=jnp.zeros(n, a.dtype),
        index=jnp.zeros(n, jnp.int32),
        used=jnp.zeros(n, bool),
        multipliers=jnp.zeros(n, a.dtype),
        x=a,
        entering=jnp.zeros((), jnp.int32),
        entering_multiplier=zero,
        settled=jnp.ones((), bool),
        done=jnp.asarray(done),
        iteration=jnp.zeros((), jnp.int32),
    )
    return jax.lax.while_loop(lambda s: ~s.done & (s.iteration < MAX_ITERATIONS), step, start)


def _orthogonal_part(row, basis):
    """The part of a row orthogonal to an orthonormal basis; twice, since one pass loses digits."""
    for _ in range(2):
        row = row - (basis @ row) @ basis
    return row


def _dual_basis(rows: Float[Array, "m n"], used: Bool[Array, " m"]) -> tuple[Array, Array]:
    """An orthonormal basis of the used rows' span, and the dual basis: dual @ rows.T = identity there."""
    basis, dual = jnp.zeros_like(rows), jnp.zeros_like(rows)
    for slot in range(rows.shape[0]):
        row = rows[slot]
        part = _orthogonal_part(row, basis)
        unit = part / jnp.where(used[slot], jnp.sqrt(jnp.sum(part**2)), 1.0)
        vector = unit / jnp.where(used[slot], unit @ row, 1.0)
        basis = basis.at[slot].set(unit)
        dual = (dual - jnp.outer(dual @ row, vector)).at[slot].set(vector)
    return basis, dual


def _minimiser(a, search: _Search, dual):
    """The point nearest to `a` on the active rows; the second pass removes the first one's rounding."""
    x = a
    for _ in range(2):
        x = x - (search.rows @ x - search.bounds) @ dual
    return x
