"""Safe centres: where the rays of a ray mask start.

Any point of the action set is a valid centre, so safety never rests on how good a centre is: a
computed centre that breaks a row is replaced by the certified one. All are differentiable.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.env.action_set import ActionSet, slacks, tighten
from safebench.env.derivatives import safe_norm
from safebench.env.projection import interval, nearest, project

Centre = Literal["certificate", "orthogonal", "zonotopic", "chebyshev"]
Finder = Callable[[Float[Array, " m"], ActionSet], Float[Array, " m"]]

# How far the linear programs below look up: larger is exact for more sets, smaller is rounded less.
HEIGHT = 1e3


def finder(kind: Centre) -> Finder:
    """The function (proposed action, action set) -> centre of this kind."""
    if kind == "certificate":
        return lambda a, actions: actions.centre
    find = {"orthogonal": orthogonal, "zonotopic": zonotopic, "chebyshev": chebyshev}[kind]

    def checked(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
        centre = find(a, actions)
        inside = jnp.all(slacks(actions, centre) >= 0)
        return jnp.where(inside, centre, actions.centre)

    return checked


def orthogonal(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
    """Half-way along the chord through the set that starts at the projection of `a`.

    The chord runs from the projection p in the direction p - a. A safe action has no such
    direction; its chord runs through `a` along the normal of the nearest row, which is the limit of
    the above as `a` approaches that row from outside.
    """
    lengths = jnp.sqrt(jnp.sum(jax.lax.stop_gradient(actions.normals) ** 2, axis=1))
    proper = lengths > 0
    scale = jnp.where(proper, 1.0 / jnp.where(proper, lengths, 1.0), 0.0)
    distances = jnp.where(proper, slacks(actions, jax.lax.stop_gradient(a)) * scale, jnp.inf)
    nearest_row = jnp.argmin(jax.lax.stop_gradient(distances))
    inward = -actions.normals[nearest_row] * scale[nearest_row]

    projected = project(a, actions)
    step = projected - a
    # Below this length the direction of the step is rounding.
    clear = jnp.sum(step**2) > (1e3 * jnp.finfo(a.dtype).eps) ** 2
    direction = jnp.where(clear, step, inward)
    direction = direction / safe_norm(direction)

    rates = actions.normals @ direction
    room = slacks(tighten(actions), projected)
    far, near = _exit(room, rates), jnp.where(clear, 0.0, _exit(room, -rates))
    return projected + 0.5 * (far - near) * direction


def _exit(room: Float[Array, " rows"], rates: Float[Array, " rows"]) -> Float[Array, ""]:
    """The distance until the first row is met, at least 0."""
    fixed_room, fixed_rates = jax.lax.stop_gradient((room, rates))
    ahead = fixed_rates > 0
    row = jnp.argmin(jnp.where(ahead, fixed_room / jnp.where(ahead, fixed_rates, 1.0), jnp.inf))
    return jnp.maximum(room[row], 0.0) / rates[row]


def chebyshev(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
    """The centre of the largest ball in the set; with several, the one nearest to the certified centre.

    The linear program max r subject to A x + |A_i| r <= b is solved as the projection of the high
    point (certified centre, HEIGHT) onto its feasible polytope (exact regularisation, Mangasarian
    and Meyer 1979); should HEIGHT not suffice, the radius is short by at most 4 m / HEIGHT.
    """
    del a
    if actions.centre.shape[0] == 1:
        return _midpoint(actions)
    lengths = jax.vmap(safe_norm)(actions.normals)
    return _highest(actions, lengths[:, None])


def zonotopic(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
    """The centre of the largest zonotope in the set, by the sum of its generators' lengths.

    Generator directions: the axes, and with two inputs the diagonals as well. The linear program
    max sum(s) subject to A x + |A G| s <= b, s >= 0 is solved as in `chebyshev`, to the same accuracy.
    """
    del a
    m = actions.centre.shape[0]
    if m == 1:
        return _midpoint(actions)
    generators = jnp.eye(m, dtype=actions.normals.dtype)
    if m == 2:
        diagonals = jnp.array([[1.0, 1.0], [1.0, -1.0]], actions.normals.dtype) / jnp.sqrt(2.0)
        generators = jnp.concatenate([generators, diagonals], axis=1)
    return _highest(actions, jnp.abs(actions.normals @ generators))


def _midpoint(actions: ActionSet) -> Float[Array, " m"]:
    low, high = interval(actions)
    return 0.5 * (low + high)


def _highest(actions: ActionSet, reach: Float[Array, "rows k"]) -> Float[Array, " m"]:
    """argmax sum(s) over {(x, s) : A x + reach s <= b, s >= 0}, the x part."""
    m, k = actions.centre.shape[0], reach.shape[1]
    dtype = actions.normals.dtype
    sizes_positive = jnp.concatenate([jnp.zeros((k, m), dtype), -jnp.eye(k, dtype=dtype)], axis=1)
    normals = jnp.concatenate([jnp.concatenate([actions.normals, reach], axis=1), sizes_positive])
    offsets = jnp.concatenate([actions.offsets, jnp.zeros(k, dtype)])
    point = jnp.concatenate([actions.centre, jnp.full(k, HEIGHT, dtype)])
    return nearest(point, normals, offsets)[:m]
