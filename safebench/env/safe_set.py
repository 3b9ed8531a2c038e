"""The certified safe set at run time: membership, the certified action, the safe action set.

A state in the set has an action (the certified centre) whose next state is in the set again for every
disturbance in the box: the theorem that `safebench certify` checks (see safebench.sets.certificate).
A set that moves is one set for every corridor (see safebench.env.corridor).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from safebench.env.action_set import ActionSet, with_box
from safebench.env.corridor import FIXED, Corridor
from safebench.env.derivatives import smallest
from safebench.physics.affine import Affine
from safebench.sets.certificate import Certificate
from safebench.sets.conditions import extents, half_extent
from safebench.sets.polytope import Box
from safebench.sets.rounding import allowance, command_roundings, row_scale


class SafeSet(NamedTuple):
    """S(corridor) = {x : normals @ x <= offsets + low_rates @ low + high_rates @ high}, and its law.

    Coordinates are absolute. A set that does not move has no columns in low_rates and high_rates: its only
    corridor is FIXED. States that no constraint speaks of have columns of zeros.

    row_scale: what the rounding of each row is measured against (see safebench.sets.rounding).
    gain, feedforward: the law a = gain @ (x - translations @ r) + feedforward.
    translations, translation_limits, base_*: the governor reference r of x is any |r| <= limits with
        base_normals @ (x - translations @ r) <= base_offsets (k = 0 columns: no reference).
    free_low, free_high: the translated coordinates of all states of S(corridor) lie between
        low + free_low and high + free_high, the corridor's free box.
    """

    normals: Float[np.ndarray, "rows n"]
    offsets: Float[np.ndarray, " rows"]
    row_scale: Float[np.ndarray, " rows"]
    gain: Float[np.ndarray, "m n"]
    feedforward: Float[np.ndarray, " m"]
    translations: Float[np.ndarray, "n k"]
    translation_limits: Float[np.ndarray, " k"]
    base_normals: Float[np.ndarray, "base n"]
    base_offsets: Float[np.ndarray, " base"]
    low_rates: Float[np.ndarray, "rows moving"]
    high_rates: Float[np.ndarray, "rows moving"]
    free_low: Float[np.ndarray, " moving"]
    free_high: Float[np.ndarray, " moving"]


def from_certificate(certificate: Certificate, moving: bool = False) -> SafeSet:
    """The run-time form of a certificate's set.

    moving: its translations are references in a corridor, instead of within the certificate's limits.

    Raises:
        ValueError: if a base row bounds two translations at once, for which `centre` has no closed form.
    """
    origin, normals = certificate.origin, certificate.normals
    if ((np.abs(certificate.base_normals @ certificate.translations) > 0).sum(axis=1) > 1).any():
        raise ValueError(f"a row of the base set of {certificate.task!r} couples two translations")
    offsets = certificate.offsets + normals @ origin
    reach = half_extent(certificate.constraints, origin)
    command = command_roundings(certificate.gain, certificate.feedforward, reach)
    moved = normals @ certificate.translations
    rates = moved if moving else moved[:, :0]
    low, high = extents(certificate) if moving else (np.zeros(0), np.zeros(0))
    middle = (origin @ certificate.translations)[: len(low)]
    return SafeSet(
        normals=normals,
        offsets=offsets - np.abs(rates) @ certificate.translation_limits[: rates.shape[1]],
        row_scale=row_scale(normals, offsets, certificate.magnitude, command),
        gain=certificate.gain,
        feedforward=certificate.feedforward - certificate.gain @ origin,
        translations=certificate.translations,
        translation_limits=certificate.translation_limits,
        base_normals=certificate.base_normals,
        base_offsets=certificate.base_offsets + certificate.base_normals @ origin,
        low_rates=np.minimum(rates, 0.0),
        high_rates=np.maximum(rates, 0.0),
        free_low=middle - low,
        free_high=middle + high,
    )


def widened(safe_set: SafeSet, constrained: Int[np.ndarray, " k"], states: int) -> SafeSet:
    """The set of some states as one of all `states`, of which it says nothing about the others."""
    into = np.zeros((len(constrained), states))
    into[np.arange(len(constrained)), constrained] = 1.0
    return safe_set._replace(
        normals=safe_set.normals @ into,
        gain=safe_set.gain @ into,
        translations=into.T @ safe_set.translations,
        base_normals=safe_set.base_normals @ into,
    )


def moving_set(certificate: Certificate) -> SafeSet:
    """The run-time form of a certificate whose translations are references in a corridor.

    Raises:
        ValueError: as `from_certificate`.
    """
    return from_certificate(certificate, moving=True)


def moves(safe_set: SafeSet) -> bool:
    """Whether the set has corridors."""
    return safe_set.low_rates.shape[1] > 0


def free_box(safe_set: SafeSet, corridor: Corridor) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """The box that holds the translated coordinates of every state of S(corridor)."""
    low, high = jnp.asarray(corridor.low), jnp.asarray(corridor.high)
    return low + safe_set.free_low.astype(low.dtype), high + safe_set.free_high.astype(high.dtype)


def offsets_of(safe_set: SafeSet, corridor: Corridor, dtype) -> Float[Array, " rows"]:
    """The offsets of S(corridor)'s rows."""
    offsets = jnp.asarray(safe_set.offsets, dtype)
    if not moves(safe_set):
        return offsets
    low = jnp.asarray(safe_set.low_rates, dtype) @ jnp.asarray(corridor.low, dtype)
    return offsets + low + jnp.asarray(safe_set.high_rates, dtype) @ jnp.asarray(corridor.high, dtype)


def contains(safe_set: SafeSet, x: Float[Array, " n"], corridor: Corridor = FIXED) -> Bool[Array, ""]:
    """Whether x is in S(corridor), without tolerance (False for NaN)."""
    return jnp.all(jnp.asarray(safe_set.normals, x.dtype) @ x <= offsets_of(safe_set, corridor, x.dtype))


def may_be(safe_set: SafeSet, corridor: Corridor) -> Bool[Array, ""]:
    """Whether it is one of the corridors that the proof covers: -limits <= low <= high <= limits."""
    limits = jnp.asarray(safe_set.translation_limits, corridor.low.dtype)
    return jnp.all((corridor.low >= -limits) & (corridor.low <= corridor.high) & (corridor.high <= limits))


def reference(safe_set: SafeSet, x: Float[Array, " n"], corridor: Corridor = FIXED) -> Float[Array, " k"]:
    """A governor reference r of x in S(corridor): the middle of `references`."""
    lower, upper = references(safe_set, x, corridor)
    return 0.5 * (lower + upper)


def references(
    safe_set: SafeSet, x: Float[Array, " n"], corridor: Corridor = FIXED
) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """The lowest and highest r in the corridor (fixed: |r| <= limit) with x - translations @ r in S0.

    The base set bounds each reference separately. For x outside of S(corridor) lowest may exceed highest.
    """
    limit = jnp.asarray(safe_set.translation_limits, x.dtype)
    least, most = (-limit, limit) if not moves(safe_set) else (corridor.low, corridor.high)
    least, most = jnp.asarray(least, x.dtype), jnp.asarray(most, x.dtype)
    rates = -(safe_set.base_normals @ safe_set.translations)  # base @ (x - T r) <= b: rates r <= slack
    upper, lower = smallest(_bounds(safe_set, rates, x)), -smallest(_bounds(safe_set, -rates, x))
    return jnp.maximum(lower, least), jnp.minimum(upper, most)


def _bounds(safe_set: SafeSet, rates: Float[np.ndarray, "rows k"], x: Float[Array, " n"]) -> Array:
    """What the rows of S0 with a rate above zero say of each reference, (k, rows): slack / rate, or +inf.

    Of each reference those rows alone: in a crowd, a few of every body's.
    """
    bounding = [np.flatnonzero(column > 0) for column in rates.T]
    most = max(map(len, bounding), default=0)
    rows = np.full((len(bounding), most), -1)
    for each, slots in zip(bounding, rows, strict=True):
        slots[: len(each)] = each
    there = rows >= 0
    normals = np.where(there[..., None], safe_set.base_normals[rows], 0.0)
    offsets = np.where(there, safe_set.base_offsets[rows], np.inf)
    rate = np.where(there, np.take_along_axis(rates.T, rows, axis=1), 1.0)
    return (jnp.asarray(offsets, x.dtype) - jnp.asarray(normals, x.dtype) @ x) / jnp.asarray(rate, x.dtype)


def centre(safe_set: SafeSet, x: Float[Array, " n"], corridor: Corridor = FIXED) -> Float[Array, " m"]:
    """The certified action at x: the affine law around the governor reference."""
    if safe_set.translations.shape[1]:
        x = x - jnp.asarray(safe_set.translations, x.dtype) @ reference(safe_set, x, corridor)
    return jnp.asarray(safe_set.gain, x.dtype) @ x + jnp.asarray(safe_set.feedforward, x.dtype)


def allowed(
    safe_set: SafeSet, affine: Affine, x: Float[Array, " n"], disturbance: Box, corridor: Corridor = FIXED
) -> ActionSet:
    """All actions whose next state is in S(corridor) for every disturbance in the box.

    H (c + B a + E w) <= h for all w in W  <=>  H B a <= h - H c - H E w0 - |H E| wbar, with w0, wbar
    the box's centre and radius; each row is tightened by the rounding margin.
    """
    dtype = x.dtype
    normals = jnp.asarray(safe_set.normals, dtype)
    spread = normals @ affine.noise
    worst = spread @ jnp.asarray(disturbance.centre, dtype) + jnp.abs(spread) @ jnp.asarray(
        disturbance.radius, dtype
    )
    rounding = allowance(safe_set.row_scale, dtype)
    held_back = safe_set._replace(offsets=safe_set.offsets - rounding)
    offsets = offsets_of(held_back, corridor, dtype) - normals @ affine.drift - worst
    barrier = offsets_of(safe_set, corridor, dtype) - normals @ x
    return with_box(normals @ affine.control, offsets, centre(safe_set, x, corridor), barrier)
