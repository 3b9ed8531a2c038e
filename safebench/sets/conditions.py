"""The conditions of the theorem in `proof`, one function each, every one with all rounding included.

Each gives its slack, relative to its bound: negative where the condition fails, -inf where a number is NaN.
The maximum of a linear function over a polytope is bounded by weak duality (`duality.upper_bounds`).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.sets import elimination
from safebench.sets.certificate import Certificate
from safebench.sets.duality import TINY, bounds_by, multipliers, rounding_factor, upper_bounds
from safebench.sets.inclusion import Inclusion
from safebench.sets.polytope import Box, Polytope
from safebench.sets.rounding import MULTIPLE, allowance, command_roundings, roundings, row_scale

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
    command = command_roundings(
        certificate.gain,
        certificate.feedforward,
        half_extent(certificate.constraints, certificate.origin),
    )
    scale = row_scale(certificate.normals, absolute, certificate.magnitude, command)
    return allowance(scale, np.float32)


def extents(certificate: Certificate) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """How far S0 reaches below and above its origin along each translation, rounded up."""
    axes = certificate.translations.T
    radius = half_extent(certificate.constraints, certificate.origin)
    below, above = np.split(upper_bounds(np.vstack([-axes, axes]), certificate.base, radius).value, 2)
    return below, above


def invariance_bounds(
    certificate: Certificate, inclusion: Inclusion, held: bool = False
) -> Float[Array, " rows"]:
    """Rigorous upper bounds of H_i y+ over S0, |r| <= L and all residuals: condition 5.

    held: of H_i (y+ - T r), what is left when the reference stays where it is: condition 8.
    """
    rows, gain = certificate.normals, certificate.gain
    n, m = inclusion.action.shape
    factor = rounding_factor(2 * n + m + 16)
    closed = inclusion.state + inclusion.action @ gain
    closed_size = np.abs(inclusion.state) + np.abs(inclusion.action) @ np.abs(gain)
    spread = factor * (np.abs(rows) @ closed_size) + TINY
    radius = half_extent(certificate.constraints, certificate.origin)
    moving = upper_bounds(rows @ closed, certificate.base, radius, spread).value
    shift = inclusion.state @ certificate.translations - (certificate.translations if held else 0.0)
    shift_size = (np.abs(inclusion.state) + np.eye(n)) @ np.abs(certificate.translations)
    limits = np.abs(certificate.translation_limits)
    translated = np.abs(rows @ shift) @ limits + factor * (np.abs(rows) @ shift_size @ limits)
    push = rows @ (inclusion.action @ certificate.feedforward)
    push_size = np.abs(rows) @ (np.abs(inclusion.action) @ np.abs(certificate.feedforward))
    residual = np.asarray(inclusion.support(rows), float)
    total = moving + translated + push + factor * push_size + residual
    margin = factor * (np.abs(moving) + translated + push_size + np.abs(residual)) + TINY
    return np.where(np.isnan(total), np.inf, total + margin)


def forces(inclusion: Inclusion) -> float:
    """How far every force stays below its limit, relative to it: condition 9."""
    limited = [force for force in inclusion.forces if force.limit < np.inf]
    return least(*(1 - force.largest / force.limit if force.limit > 0 else -np.inf for force in limited))


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


def half_spaces(certificate: Certificate, radius: Float[Array, " n"]) -> float:
    """C (o + y) <= d on S for the further constraints, relative to what C can reach in the box."""
    normals, offsets = certificate.half_spaces
    factor = rounding_factor(len(radius) + 4)
    bounds = upper_bounds(normals, certificate.polytope, radius).value
    size = np.abs(normals) @ np.abs(certificate.origin) + np.abs(offsets) + np.abs(bounds)
    room = offsets - normals @ certificate.origin - bounds - factor * size
    return least(room / np.maximum(np.abs(normals) @ radius, TINY))


def law(certificate: Certificate, radius: Float[Array, " n"]) -> float:
    gain, push = certificate.gain, certificate.feedforward
    bounds = upper_bounds(np.vstack([gain, -gain]), certificate.base, radius).value
    reached = bounds + np.concatenate([push, -push])
    reached = reached + rounding_factor(4) * (np.abs(bounds) + np.tile(np.abs(push), 2))
    return least(1 - reached)


class Eliminated(NamedTuple):
    """The rows that eliminating the references leaves of the lifted base set.

    combine: how each is made of the lifted rows. multipliers: of the certificate's rows, to bound each.
    """

    lifted: elimination.Lifted
    combine: Float[Array, "k lifted"]
    multipliers: Float[Array, "k rows"]

    @property
    def normals(self) -> Float[Array, "k n"]:
        """Of the rows, not rounded up."""
        return self.combine @ self.lifted.normals


def eliminated(certificate: Certificate, radius: Float[Array, " n"]) -> Eliminated:
    """What conditions 4 and 8 are about, where the certificate has translations.

    Raises:
        ValueError: if the references cannot be eliminated.
    """
    lifted = elimination.lift(certificate.base, certificate.translations, certificate.translation_limits)
    combine = elimination.weights(lifted)
    return Eliminated(lifted, combine, multipliers(combine @ lifted.normals, certificate.polytope, radius))


def untranslated(certificate: Certificate) -> float:
    """Condition 4 where nothing is translated: the base set is the set itself."""
    same = np.array_equal(certificate.normals, certificate.base_normals) and np.array_equal(
        certificate.offsets, certificate.base_offsets
    )
    return np.inf if same else -np.inf


def projection(certificate: Certificate, radius: Float[Array, " n"], rows: Eliminated) -> float:
    lifted, combine, mu = rows
    factor = rounding_factor(combine.shape[1] + 4)
    offsets = combine @ lifted.offsets
    spread = factor * (combine @ np.abs(lifted.normals)) + TINY
    bounds = bounds_by(mu, rows.normals, certificate.polytope, radius, spread).value
    room = offsets - factor * (combine @ np.abs(lifted.offsets))
    # Without positive room a row says nothing that a slack could be measured against: it fails.
    return least(np.where(room > 0, (room - bounds) / np.maximum(offsets, TINY), -np.inf))


def corridors(certificate: Certificate, inclusion: Inclusion, rows: Eliminated) -> float:
    """Condition 8, for all corridors -L <= low <= high <= L at once.

    Its projection rows are bounded with multipliers that do not depend on the corridor, so what is to be
    shown is an affine function of (low, high): it is least at a corner (-L, -L), (L, L) or (-L, L).
    """
    T, limits = certificate.translations, certificate.translation_limits
    radius = half_extent(certificate.constraints, certificate.origin)
    factor = rounding_factor(2 * len(certificate.offsets) + len(limits) + 24)
    lifted, combine, mu = rows
    moved = certificate.normals @ T  # exact: columns of T are unit vectors
    reach = np.abs(moved) @ limits
    narrow = certificate.offsets - reach - factor * (certificate.offsets + reach)
    invariant = narrow - invariance_bounds(certificate, inclusion, held=True)
    invariant -= 2 * float32_allowance(certificate)

    normals = rows.normals
    spread = combine @ np.abs(lifted.normals) + mu @ np.abs(certificate.normals)
    leak = (np.abs(normals - mu @ certificate.normals) + factor * spread) @ radius * (1 + factor)
    bounds, k = len(certificate.base_offsets), len(limits)
    fixed = combine[:, :bounds] @ lifted.offsets[:bounds] - mu @ (certificate.offsets - reach) - leak
    by_high = combine[:, bounds : bounds + k] - mu @ np.maximum(moved, 0.0)
    by_low = -combine[:, bounds + k :] - mu @ np.minimum(moved, 0.0)
    corners = np.stack([-by_low - by_high, by_low + by_high, by_high - by_low])  # x L
    room = fixed + (corners.min(axis=0) * limits).sum(axis=1)
    size = np.abs(combine[:, :bounds]) @ np.abs(lifted.offsets[:bounds]) + mu @ (certificate.offsets + reach)
    size += (combine[:, bounds : bounds + k] + combine[:, bounds + k :] + 2 * (mu @ np.abs(moved))) @ limits
    room -= factor * size
    return least(
        invariant / np.maximum(narrow, TINY), room / np.maximum(size, TINY) if len(combine) else np.inf
    )


def magnitude(certificate: Certificate, inclusion: Inclusion) -> float:
    (n, m), q = inclusion.action.shape, len(certificate.disturbance.lower)
    lost = roundings(n, m, q) / MULTIPLE * inclusion.magnitude
    return least((certificate.magnitude - lost) / np.maximum(certificate.magnitude, TINY))
