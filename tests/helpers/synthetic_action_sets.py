"""Random action sets and proposals for the safeguard tests, and exact checks of answers; numpy, seeded."""

import jax
import jax.numpy as jnp
import numpy as np

from safebench.env.action_set import ActionSet, with_box
from safebench.env.safeguard import Guarded

PENDULUM = (16, 1)
QUADROTOR = (172, 2)
ARM = (60, 7)


def random_sets(
    seed: int, count: int, rows: int, m: int, dtype=np.float64, repeats: bool = True
) -> ActionSet:
    """`count` sets of `rows` random rows and the box, each with a strictly interior centre.

    Row lengths spread over six decades, every eighth row is independent of the action, and every
    fifth repeats its predecessor: what H B and certified sets really look like.
    """
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-0.6, 0.6, (count, m))
    normals = rng.normal(size=(count, rows, m))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    room = rng.uniform(0.02, 1.5, (count, rows))
    repeated, shifted = slice(4, None, 5), (np.roll(part, 1, axis=1) for part in (normals, room))
    if repeats:
        normals[:, repeated], room[:, repeated] = (part[:, repeated] for part in shifted)
    lengths = 10 ** rng.uniform(-3, 3, (count, rows))
    normals[:, 7::8] = 0.0
    normals, room = normals * lengths[..., None], room * lengths
    normals, centre = normals.astype(dtype), centre.astype(dtype)
    offsets = (np.einsum("crm,cm->cr", normals, centre) + room).astype(dtype)
    barrier = (room * rng.uniform(0.2, 3, room.shape)).astype(dtype)
    return jax.vmap(with_box)(*map(jnp.asarray, (normals, offsets, centre, barrier)))


def proposals(seed: int, sets: ActionSet) -> jax.Array:
    """One proposal per set: a quarter uniform in the box, a quarter beyond it, half on the boundary."""
    rng = np.random.default_rng(seed)
    normals, offsets, centre = (np.asarray(part, np.float64) for part in sets[:3])
    count, m = centre.shape
    uniform = rng.uniform(-1, 1, (count, m))
    direction = rng.normal(size=(count, m))
    rates = np.einsum("crm,cm->cr", normals, direction)
    room = offsets - np.einsum("crm,cm->cr", normals, centre)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(rates > 0, room / rates, np.inf).min(axis=1)
    boundary = centre + reach[:, None] * direction
    kind = np.arange(count) % 4
    chosen = np.select([kind[:, None] == 0, kind[:, None] == 1], [uniform, 3 * uniform], boundary)
    return jnp.asarray(chosen, sets.normals.dtype)


def exact_slacks(sets: ActionSet, actions: jax.Array) -> np.ndarray:
    """offsets - normals @ action in extended precision: no rounding of the working precision."""
    normals, offsets = np.asarray(sets.normals, np.longdouble), np.asarray(sets.offsets, np.longdouble)
    return offsets - (normals * np.asarray(actions, np.longdouble)[:, None, :]).sum(axis=-1)


def broken_rows(sets: ActionSet, proposed, out: Guarded, strict: bool = True) -> int:
    """Rows that the applied actions break, in exact arithmetic.

    An action that the safeguard left as proposed was compared with its rows in the working
    precision, so it may miss a state row by the rounding of that comparison; any other may not.
    Without `strict`, any may: the last line lets pass what it cannot tell from the row itself.
    """
    moved = np.any(np.asarray(out.action) != np.asarray(proposed), axis=1)
    eps = np.finfo(np.asarray(out.action).dtype).eps
    m = out.action.shape[1]
    rounding = (2 if strict else 3) * (m + 1) * eps * np.abs(np.asarray(sets.normals)).sum(axis=-1)
    rounding[:, -2 * m :] = 0.0
    allowance = np.where(strict & moved[:, None], 0.0, rounding)
    return int((exact_slacks(sets, out.action) < -allowance).sum())
