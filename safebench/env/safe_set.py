"""The certified safe set at run time: membership, the certified action, the safe action set.

A state in the set has an action (the certified centre) whose next state is in the set again for every
disturbance in the box: the theorem that `safebench certify` checks (see safebench.sets.certificate).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from safebench.env.action_set import ActionSet, with_box
from safebench.physics.affine import Affine
from safebench.sets.certificate import Certificate
from safebench.sets.conditions import half_extent
from safebench.sets.polytope import Box
from safebench.sets.rounding import allowance, command_terms, row_scale


class SafeSet(NamedTuple):
    """S = {x : normals @ x <= offsets} in absolute coordinates, with the law of its certificate.

    row_scale: what the rounding of each row is measured against (see safebench.sets.rounding).
    gain, feedforward: the law a = gain @ (x - translations @ r) + feedforward.
    translations, translation_limits, base_*: the governor reference r of x is any |r| <= limits with
        base_normals @ (x - translations @ r) <= base_offsets (k = 0 columns: no reference).
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


def from_certificate(certificate: Certificate) -> SafeSet:
    """The run-time form of a certificate's set.

    Raises:
        ValueError: if a base row bounds two translations at once, for which `centre` has no closed form.
    """
    origin, normals = certificate.origin, certificate.normals
    if ((np.abs(certificate.base_normals @ certificate.translations) > 0).sum(axis=1) > 1).any():
        raise ValueError(f"a row of the base set of {certificate.task!r} couples two translations")
    offsets = certificate.offsets + normals @ origin
    reach = half_extent(certificate.constraints, origin)
    command = command_terms(certificate.gain, certificate.feedforward, reach)
    return SafeSet(
        normals=normals,
        offsets=offsets,
        row_scale=row_scale(normals, offsets, certificate.magnitude, command),
        gain=certificate.gain,
        feedforward=certificate.feedforward - certificate.gain @ origin,
        translations=certificate.translations,
        translation_limits=certificate.translation_limits,
        base_normals=certificate.base_normals,
        base_offsets=certificate.base_offsets + certificate.base_normals @ origin,
    )


def contains(safe_set: SafeSet, x: Float[Array, " n"]) -> Bool[Array, ""]:
    """Whether x is in S, without tolerance (False for NaN)."""
    return jnp.all(jnp.asarray(safe_set.normals, x.dtype) @ x <= jnp.asarray(safe_set.offsets, x.dtype))


def reference(safe_set: SafeSet, x: Float[Array, " n"]) -> Float[Array, " k"]:
    """A governor reference r with |r| <= limit and x - translations @ r in the base set, for x in S.

    The base set bounds each reference separately; r is the middle of its interval.
    """
    base, offsets = jnp.asarray(safe_set.base_normals, x.dtype), jnp.asarray(safe_set.base_offsets, x.dtype)
    rates = -(safe_set.base_normals @ safe_set.translations)  # base @ (x - T r) <= b: rates r <= slack
    slack = offsets - base @ x
    limit = jnp.asarray(safe_set.translation_limits, x.dtype)
    divisor = jnp.asarray(np.where(rates == 0, 1.0, rates), x.dtype)
    bound = slack[:, None] / divisor
    upper = jnp.min(jnp.where(rates > 0, bound, limit), axis=0)
    lower = jnp.max(jnp.where(rates < 0, bound, -limit), axis=0)
    return 0.5 * (jnp.maximum(lower, -limit) + jnp.minimum(upper, limit))


def centre(safe_set: SafeSet, x: Float[Array, " n"]) -> Float[Array, " m"]:
    """The certified action at x: the affine law around the governor reference."""
    if safe_set.translations.shape[1]:
        x = x - jnp.asarray(safe_set.translations, x.dtype) @ reference(safe_set, x)
    return jnp.asarray(safe_set.gain, x.dtype) @ x + jnp.asarray(safe_set.feedforward, x.dtype)


def allowed(safe_set: SafeSet, affine: Affine, x: Float[Array, " n"], disturbance: Box) -> ActionSet:
    """All actions whose next state is in S for every disturbance in the box.

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
    offsets = jnp.asarray(safe_set.offsets - rounding, dtype) - normals @ affine.drift - worst
    barrier = jnp.asarray(safe_set.offsets, dtype) - normals @ x
    return with_box(normals @ affine.control, offsets, centre(safe_set, x), barrier)
