"""The conditions of the theorem in `proof`, one function each, every one with all rounding included.

Each gives its slack, relative to its bound: negative where the condition fails, -inf where a number is NaN.
The maximum of a linear function over a polytope is bounded by weak duality (`duality.upper_bounds`).
"""

import numpy as np
from jaxtyping import Float

from safebench.sets import elimination
from safebench.sets.certificate import Certificate
from safebench.sets.duality import TINY, rounding_factor, upper_bounds
from safebench.sets.inclusion import Inclusion
from safebench.sets.polytope import Box, Polytope
from safebench.sets.rounding import MULTIPLE, allowance, command_terms, roundings, row_scale

Array = np.ndarray


def least(*slacks) -> float:
    """The smallest of some numbers and arrays; -inf if any of them is NaN, so that none is ever lost."""
    values = np.concatenate([np.ravel(np.asarray(slack, float)) for slack in slacks])
    return float(values.min()) if not np.isnan(values).any() else -np.inf


def half_extent(constraints: Box, origin: Float[Array, " n"]) -> Float[Array, " n"]:
    """max |x - origin| over the box, per coordinate, rounded up."""
    extent = np.maximum(np.abs(constraints.upper - origin), np.abs(constraints.lower - origin))
    return np.nextafter(extent, np.inf)


def float32_allowance(certificate: Certificate) -> Float[Array, " rows"]:
    """delta_i: what float32 may lose in the run-time rows (see safebench.sets.rounding)."""
    absolute = np.abs(certificate.offsets) + np.abs(certificate.normals @ certificate.origin)
    command = command_terms(
        certificate.gain,
        certificate.feedforward,
        half_extent(certificate.constraints, certificate.origin),
    )
    scale = row_scale(certificate.normals, absolute, certificate.magnitude, command)
    return allowance(scale, np.float32)


def invariance_bounds(certificate: Certificate, inclusion: Inclusion) -> Float[Array, " rows"]:
    """Rigorous upper bounds of H_i y+ over S0, |r| <= L and all residuals: condition 5."""
    rows, gain = certificate.normals, certificate.gain
    n, m = inclusion.action.shape
    factor = rounding_factor(2 * n + m + 16)
    closed = inclusion.state + inclusion.action @ gain
    closed_size = np.abs(inclusion.state) + np.abs(inclusion.action) @ np.abs(gain)
    spread = factor * (np.abs(rows) @ closed_size) + TINY
    radius = half_extent(certificate.constraints, certificate.origin)
    moving = upper_bounds(rows @ closed, certificate.base, radius, spread).value
    shift = inclusion.state @ certificate.translations
    shift_size = np.abs(inclusion.state) @ np.abs(certificate.translations)
    limits = np.abs(certificate.translation_limits)
    translated = np.abs(rows @ shift) @ limits + factor * (np.abs(rows) @ shift_size @ limits)
    push = rows @ (inclusion.action @ certificate.feedforward)
    push_size = np.abs(rows) @ (np.abs(inclusion.action) @ np.abs(certificate.feedforward))
    residual = np.asarray(inclusion.support(rows), float)
    total = moving + translated + push + factor * push_size + residual
    margin = factor * (np.abs(moving) + translated + push_size + np.abs(residual)) + TINY
    return np.where(np.isnan(total), np.inf, total + margin)


def bounded(polytope: Polytope, radius: Float[Array, " n"]) -> float:
    identity = np.eye(len(radius))
    bounds = upper_bounds(np.vstack([identity, -identity]), polytope, radius)
    both = np.tile(radius, 2)
    slack = least((both - bounds.value) / both)
    return slack if (bounds.leak < 0.5 * both).all() else -1.0


def inside(certificate: Certificate, radius: Float[Array, " n"]) -> float:
    identity = np.eye(len(radius))
    bounds = upper_bounds(np.vstack([identity, -identity]), certificate.polytope, radius).value
    box, origin = certificate.constraints, certificate.origin
    distance = np.nextafter(np.concatenate([box.upper - origin, origin - box.lower]), -np.inf)
    return least((distance - bounds) / np.tile(radius, 2))


def law(certificate: Certificate, radius: Float[Array, " n"]) -> float:
    gain, push = certificate.gain, certificate.feedforward
    bounds = upper_bounds(np.vstack([gain, -gain]), certificate.base, radius).value
    reached = bounds + np.concatenate([push, -push])
    reached = reached + rounding_factor(4) * (np.abs(bounds) + np.tile(np.abs(push), 2))
    return least(1 - reached)


def projection(certificate: Certificate, radius: Float[Array, " n"], failures: list[str]) -> float:
    if certificate.translation_limits.size == 0:
        same = np.array_equal(certificate.normals, certificate.base_normals) and np.array_equal(
            certificate.offsets, certificate.base_offsets
        )
        if not same:
            failures.append("projection: without translations the base set must be the set itself")
        return np.inf if same else -np.inf
    try:
        lifted = elimination.lift(certificate.base, certificate.translations, certificate.translation_limits)
        combine = elimination.weights(lifted)
    except ValueError as error:
        failures.append(f"projection: {error}")
        return -np.inf
    factor = rounding_factor(combine.shape[1] + 4)
    normals, offsets = combine @ lifted.normals, combine @ lifted.offsets
    spread = factor * (combine @ np.abs(lifted.normals)) + TINY
    bounds = upper_bounds(normals, certificate.polytope, radius, spread).value
    room = offsets - factor * (combine @ np.abs(lifted.offsets))
    # Without positive room a row says nothing that a slack could be measured against: it fails.
    return least(np.where(room > 0, (room - bounds) / np.maximum(offsets, TINY), -np.inf))


def magnitude(certificate: Certificate, inclusion: Inclusion) -> float:
    (n, m), q = inclusion.action.shape, len(certificate.disturbance.lower)
    lost = roundings(n, m, q) / MULTIPLE * inclusion.magnitude
    return least((certificate.magnitude - lost) / np.maximum(certificate.magnitude, TINY))
