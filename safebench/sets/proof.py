"""The proof that a certificate's set is robustly control invariant, independent of how the set was found.

THEOREM. Let o be the origin and, for every x in the box X, a in [-1, 1]^m, w in the box W, with y = x - o,

    y+ = A y + B a + r    for some r with  g . r <= sigma(g)  for every g                       (inclusion)

which `Inclusion` guarantees of the simulated system. Let S = {H y <= h}, S0 = {H0 y <= h0}, the law
a = K y + k, unit vectors T and limits L. If

  1. bounded      S and S0 lie in {|y| <= radius}, radius the half-extent of X about o;
  2. inside X     o + S lies in X;
  3. law          |K y + k| <= 1 on S0;
  4. projection   every y in S is z + T r with z in S0, |r| <= L (vacuous without T, where S0 = S);
  5. invariance   H_i (A (z + T r) + B (K z + k) + r') <= lambda h_i  with lambda < 1, for all z in S0,
                  |r| <= L, all residuals r' and every row i;

then from every state of S there is an action in [-1, 1]^m that leads, whatever the disturbance, back into
lambda S (about o), in S, in X: S is robustly control invariant (Blanchini 1999, Set invariance in control).
  6. float32      additionally, twice the rounding allowance delta_i of the run-time action set fits into the
                  gap between h_i and the bound of 5, so the action set stays non-empty in float32.

PROOF of each condition: the maximum of a linear function over a polytope is bounded by weak duality, with
every rounding error included (`duality.upper_bounds`); multipliers come from a linear program that is not
trusted. Condition 1 is not circular: S cut at |y| <= R is compact; let t be the largest |y_j| / radius_j
on it, attained in direction j. Then t radius_j <= mu . h + leak t, and mu . h + leak <= radius_j with
leak < radius_j gives t <= 1, for every R. Condition 4 checks every Fourier-Motzkin row of the exact
projection of S0 (`elimination`) to be implied by S: kept rows that are too few or too loose are found.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float

from safebench.sets import elimination
from safebench.sets.certificate import Certificate
from safebench.sets.duality import TINY, rounding_factor, upper_bounds
from safebench.sets.inclusion import Inclusion
from safebench.sets.polytope import Box, Polytope
from safebench.sets.rounding import allowance, row_scale

Array = np.ndarray


class System(Protocol):
    """The dynamics that a set is proven for; `safebench.physics.dynamics.Dynamics` is one."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that determines the dynamics."""

    @property
    def include(self) -> Callable[[Box, Box], Inclusion]:
        """(constraints, disturbance) -> what a proof may assume."""


class Claim(Protocol):
    """A set and what it is claimed for; a task is one."""

    @property
    def certificate(self) -> Certificate:
        """The set and its law."""

    @property
    def dynamics(self) -> System:
        """Of the task itself, whatever the certificate says."""

    @property
    def constraints(self) -> Box:
        """X, of the task."""

    @property
    def disturbance(self) -> Box:
        """W, of the task."""


@dataclass(frozen=True)
class Proof:
    """The outcome of `verify`.

    passed: every condition holds. failures: one sentence per failed condition.
    slacks: smallest slack per condition, relative to its bound; negative where it fails.
    contraction: the smallest lambda proven. float32_share: share of the gap that float32 rounding needs
        (passes up to 1). rows, dimension: of S. volume: as claimed by the certificate. seconds: spent.
    """

    task: str
    passed: bool
    failures: tuple[str, ...]
    slacks: dict[str, float] = field(repr=False)
    contraction: float
    float32_share: float
    rows: int
    dimension: int
    volume: tuple[float, float, float]
    seconds: float


def prove(task: Claim) -> Proof:
    """Prove a task's certificate for its own dynamics, constraint box and disturbance box.

    To prove another certificate for it: `prove(dataclasses.replace(task, certificate=...))`.

    Raises:
        ValueError: if dimensions do not fit, or the dynamics cannot be bounded.
    """
    inclusion = task.dynamics.include(task.constraints, task.disturbance)
    return verify(task.certificate, inclusion, task.constraints, task.disturbance, task.dynamics.fingerprint)


def verify(
    certificate: Certificate,
    inclusion: Inclusion,
    constraints: Box | None = None,
    disturbance: Box | None = None,
    fingerprint: str | None = None,
) -> Proof:
    """Check the theorem's conditions for an inclusion that holds over the certificate's boxes.

    constraints, disturbance, fingerprint: of the task, compared with the certificate's where given.

    Raises:
        ValueError: if the certificate and the inclusion have different dimensions, or the set has no rows.
    """
    started = time.perf_counter()
    if not (len(certificate.offsets) and len(certificate.base_offsets)):
        raise ValueError("the certificate's set has no rows")
    if inclusion.action.shape != certificate.gain.T.shape:
        raise ValueError(
            f"the certificate has {certificate.gain.shape[1]} states and {len(certificate.gain)} actions, "
            f"the system {inclusion.action.shape[0]} and {inclusion.action.shape[1]}"
        )
    failures = _mismatches(certificate, inclusion, constraints, disturbance, fingerprint)
    slacks: dict[str, float] = {}
    ratios, shares = np.array([np.inf]), np.array([np.inf])
    numbers = (certificate.normals, certificate.offsets, certificate.base_normals, certificate.base_offsets)
    if not all(np.isfinite(array).all() for array in numbers):
        failures.append("the set has entries that are not finite")
    elif not ((certificate.offsets > 0).all() and (certificate.base_offsets > 0).all()):
        failures.append("the origin is not inside the set: an offset is not positive")
    else:
        radius = half_extent(certificate.constraints, certificate.origin)
        slacks["bounded"] = min(_bounded(certificate.polytope, radius), _bounded(certificate.base, radius))
        slacks["inside X"] = _inside(certificate, radius)
        slacks["law"] = _law(certificate, radius)
        slacks["projection"] = _projection(certificate, radius, failures)
        bounds = invariance_bounds(certificate, inclusion)
        gaps = certificate.offsets - bounds
        ratios = bounds / certificate.offsets
        slacks["invariance"] = float(gaps.min() / certificate.offsets[gaps.argmin()])
        claimed = certificate.contraction
        slacks["contraction"] = float(min((claimed - ratios).min(), 1 - claimed))
        shares = 2 * float32_allowance(certificate) / np.maximum(gaps, TINY)
        slacks["float32"] = float(1 - shares.max())
        failures += _describe(slacks, ratios)
    return Proof(
        task=certificate.task,
        passed=not failures,
        failures=tuple(failures),
        slacks=slacks,
        contraction=float(ratios.max()),
        float32_share=float(shares.max()),
        rows=len(certificate.offsets),
        dimension=len(certificate.origin),
        volume=certificate.volume,
        seconds=time.perf_counter() - started,
    )


def half_extent(constraints: Box, origin: Float[Array, " n"]) -> Float[Array, " n"]:
    """max |x - origin| over the box, per coordinate, rounded up."""
    extent = np.maximum(np.abs(constraints.upper - origin), np.abs(constraints.lower - origin))
    return np.nextafter(extent, np.inf)


def float32_allowance(certificate: Certificate) -> Float[Array, " rows"]:
    """delta_i = 64 eps (|h_i| + sum_j |H_ij| max |x_j|): what float32 may lose in the run-time rows."""
    absolute = np.abs(certificate.offsets) + np.abs(certificate.normals @ certificate.origin)
    return allowance(row_scale(certificate.normals, absolute, certificate.constraints), np.float32)


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


def _mismatches(certificate, inclusion, constraints, disturbance, fingerprint) -> list[str]:
    found = []
    if fingerprint is not None and fingerprint != certificate.fingerprint:
        found.append(
            f"fingerprint: proven for dynamics {certificate.fingerprint[:12]}, these are {fingerprint[:12]}"
        )
    if not np.array_equal(inclusion.origin, certificate.origin):
        found.append(f"origin: the set's is {certificate.origin}, the inclusion's {inclusion.origin}")
    for name, own, other in (
        ("constraints", certificate.constraints, constraints),
        ("disturbance", certificate.disturbance, disturbance),
    ):
        if other is not None and not (
            np.array_equal(own.lower, other.lower) and np.array_equal(own.upper, other.upper)
        ):
            found.append(f"{name}: the certificate is for {own}, the task has {other}")
    return found


def _bounded(polytope: Polytope, radius: Float[Array, " n"]) -> float:
    identity = np.eye(len(radius))
    bounds = upper_bounds(np.vstack([identity, -identity]), polytope, radius)
    both = np.tile(radius, 2)
    slack = float(((both - bounds.value) / both).min())
    return slack if (bounds.leak < 0.5 * both).all() else min(slack, -1.0)


def _inside(certificate: Certificate, radius: Float[Array, " n"]) -> float:
    identity = np.eye(len(radius))
    bounds = upper_bounds(np.vstack([identity, -identity]), certificate.polytope, radius).value
    box, origin = certificate.constraints, certificate.origin
    distance = np.nextafter(np.concatenate([box.upper - origin, origin - box.lower]), -np.inf)
    return float(((distance - bounds) / np.tile(radius, 2)).min())


def _law(certificate: Certificate, radius: Float[Array, " n"]) -> float:
    gain, push = certificate.gain, certificate.feedforward
    bounds = upper_bounds(np.vstack([gain, -gain]), certificate.base, radius).value
    reached = bounds + np.concatenate([push, -push])
    reached = reached + rounding_factor(4) * (np.abs(bounds) + np.tile(np.abs(push), 2))
    return float((1 - reached).min())


def _projection(certificate: Certificate, radius: Float[Array, " n"], failures: list[str]) -> float:
    if certificate.translation_limits.size == 0:
        same = np.array_equal(certificate.normals, certificate.base_normals) and np.array_equal(
            certificate.offsets, certificate.base_offsets
        )
        if not same:
            failures.append("projection: without translations the base set must be the set itself")
        return np.inf if same else -np.inf
    try:
        lifted = elimination.lift(certificate.base, certificate.translations, certificate.translation_limits)
    except ValueError as error:
        failures.append(f"projection: {error}")
        return -np.inf
    combine = elimination.weights(lifted)
    factor = rounding_factor(combine.shape[1] + 4)
    normals, offsets = combine @ lifted.normals, combine @ lifted.offsets
    spread = factor * (combine @ np.abs(lifted.normals)) + TINY
    bounds = upper_bounds(normals, certificate.polytope, radius, spread).value
    least = offsets - factor * (combine @ np.abs(lifted.offsets))
    return float(((least - bounds) / offsets).min())


def _describe(slacks: dict[str, float], ratios: Float[Array, " rows"]) -> list[str]:
    worst = int(ratios.argmax())
    sentences = {
        "bounded": "the set is not bounded by the constraint box",
        "inside X": "the set leaves the constraint box",
        "law": "the certified law leaves the actions [-1, 1]",
        "projection": "a state of the set has no admissible reference",
        "invariance": f"row {worst} is left: its next value reaches {ratios[worst]:.9f} of its offset",
        "contraction": f"the claimed contraction is not reached: row {worst} reaches {ratios[worst]:.9f}",
        "float32": "rounding in float32 needs more than the gap that the contraction leaves",
    }
    failed = [name for name, slack in slacks.items() if not slack >= 0]
    return [f"{name}: {sentences[name]} (slack {slacks[name]:.3g})" for name in failed]
