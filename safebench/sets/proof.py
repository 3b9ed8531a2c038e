"""The proof that a certificate's set is robustly control invariant, independent of how the set was found.

THEOREM. Let o be the origin and, for every x in the box of X, a in [-1, 1]^m, w in the box W, with y = x - o,

    y+ = A y + B a + r    for some r with  g . r <= sigma(g)  for every g                       (inclusion)

which `Inclusion` guarantees of the simulated system. Let S = {H y <= h}, S0 = {H0 y <= h0}, the law
a = K y + k, unit vectors T and limits L. If

  1. bounded      S and S0 lie in {|y| <= radius}, radius the half-extent of X's box about o;
  2. inside X     o + S lies in X, the box, and in all half-spaces {C x <= d} that X has beside it;
  3. law          |K y + k| <= 1 on S0;
  4. projection   L >= 0, and every y in S is z + T r with z in S0, |r| <= L (vacuous without T: S0 = S);
  5. invariance   H_i (A (z + T r) + B (K z + k) + r') <= lambda h_i  with lambda < 1, for all z in S0,
                  |r| <= L, all residuals r' and every row i;

then from every state of S there is an action in [-1, 1]^m that leads, whatever the disturbance, back into
lambda S (about o), in S, in X: S is robustly control invariant (Blanchini 1999, Set invariance in control).
  6. float32      additionally, twice the rounding allowance delta_i of the run-time action set fits into the
                  gap between h_i and the bound of 5, so the action set stays non-empty in float32;
  7. magnitude    delta_i covers what float32 can lose: the certificate's magnitude of one step is no less
                  than the system's, up to the reserve in `rounding.MULTIPLE`.

Sets that move: with unit columns T, h' = h - |H T| L and any corridor -L <= low <= high <= L, let its set be
R(low, high) = {y : H y <= h' + min(H T, 0) low + max(H T, 0) high}. If for all corridors

  8. corridors    every y in R(low, high) is z + T r with z in S0 and low <= r <= high, and
                  H_i (A (z + T r) + B (K z + k) + r' - T r) <= h'_i - 2 delta_i on S0, |r| <= L, all r',

then every R(low, high) is robustly control invariant (the witness r of a state stays one of the next state)
and lies in S, hence in X: an episode may change its corridor at any state that lies in both sets.

Forces: where actions are accelerations of joints, the model's inverse dynamics says the forces, and

  9. forces       each that has a limit stays within it, at every state of X and for every action.

PROOF of each condition: the maximum of a linear function over a polytope is bounded by weak duality, with
every rounding error included (`duality.upper_bounds`); multipliers come from a linear program that is not
trusted. Condition 1 is not circular: S cut at |y| <= R is compact; let t be the largest |y_j| / radius_j
on it, attained in direction j. Then t radius_j <= mu . h + leak t, and mu . h + leak <= radius_j with
leak < radius_j gives t <= 1, for every R. Condition 2 bounds y_j and C y over S: the rest of the box's side
and of d - C o, rounded down, is the slack; half-spaces have one of their own. Condition 4 checks every
Fourier-Motzkin row of the exact projection of S0 (`elimination`) to be implied by S: kept rows that are too
few or too loose are found.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from jaxtyping import Float

from safebench.sets import conditions
from safebench.sets.certificate import Certificate, check_shapes, defects
from safebench.sets.conditions import float32_allowance, half_extent, invariance_bounds, least
from safebench.sets.duality import TINY
from safebench.sets.inclusion import Force, Inclusion
from safebench.sets.polytope import Box, Polytope, no_half_spaces
from safebench.sets.volume import contradiction

Array = np.ndarray


class System(Protocol):
    """The dynamics that a set is proven for; `safebench.physics.dynamics.Dynamics` is one."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that determines the dynamics."""

    @property
    def state_names(self) -> tuple[str, ...]:
        """Of the state's coordinates; () where they have no names."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of the actions; () where they have no names."""

    @property
    def include(self) -> Callable[[Box, Box], Inclusion]:
        """(constraints, disturbance) -> what a proof may assume."""


class Claim(Protocol):
    """A set and what it is claimed for; a task is one."""

    @property
    def name(self) -> str:
        """Of the task: a certificate says which one it is for."""

    @property
    def certificate(self) -> Certificate:
        """The set and its law."""

    @property
    def dynamics(self) -> System:
        """Of the task itself, whatever the certificate says."""

    @property
    def constraints(self) -> Box:
        """The box of X, of the task."""

    @property
    def half_spaces(self) -> Polytope | None:
        """Further constraints beside the box, of the task."""

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
    forces: of joints commanded by acceleration, how large they can be.
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
    forces: tuple[Force, ...] = ()


def prove(task: Claim) -> Proof:
    """Prove a task's certificate for its own dynamics, constraints and disturbance box.

    To prove another certificate for it: `prove(dataclasses.replace(task, certificate=...))`.

    Raises:
        ValueError: if dimensions do not fit, or the dynamics cannot be bounded.
    """
    certificate, fingerprint = task.certificate, task.dynamics.fingerprint
    inclusion = task.dynamics.include(task.constraints, task.disturbance)
    boxes = task.constraints, task.disturbance
    found = verify(certificate, inclusion, *boxes, fingerprint, task.half_spaces)
    claims = []
    if certificate.task != task.name:
        claims.append(f"task: the certificate is for {certificate.task!r}, the task is {task.name!r}")
    if not defects(certificate):
        claims += [text for text in [contradiction(certificate)] if text]
    return replace(found, passed=found.passed and not claims, failures=(*found.failures, *claims))


def verify(
    certificate: Certificate,
    inclusion: Inclusion,
    constraints: Box | None = None,
    disturbance: Box | None = None,
    fingerprint: str | None = None,
    half_spaces: Polytope | None = None,
) -> Proof:
    """Check the theorem's conditions for an inclusion that holds over the certificate's boxes.

    constraints, disturbance, fingerprint: of the task, compared with the certificate's where given.
    half_spaces: that the task's constraints have beside their box, compared where `constraints` are given.

    Raises:
        ValueError: if the certificate's arrays do not fit together, or it and the inclusion have different
            dimensions, or the set has no rows.
    """
    started = time.perf_counter()
    check_shapes(certificate)
    if not (len(certificate.offsets) and len(certificate.base_offsets)):
        raise ValueError("the certificate's set has no rows")
    if inclusion.action.shape != certificate.gain.T.shape:
        raise ValueError(
            f"the certificate has {certificate.gain.shape[1]} states and {len(certificate.gain)} actions, "
            f"the system {inclusion.action.shape[0]} and {inclusion.action.shape[1]}"
        )
    failures = _mismatches(certificate, inclusion, constraints, disturbance, fingerprint)
    failures += _other_half_spaces(certificate, half_spaces) if constraints is not None else []
    slacks: dict[str, float] = {}
    ratios, shares = np.array([np.inf]), np.array([np.inf])
    wrong = defects(certificate)
    failures += wrong
    if not wrong:
        radius = half_extent(certificate.constraints, certificate.origin)
        slacks["bounded"] = least(
            conditions.bounded(certificate.polytope, radius), conditions.bounded(certificate.base, radius)
        )
        slacks["inside X"] = conditions.inside(certificate, radius)
        if certificate.half_space_offsets.size:
            slacks["half-spaces"] = conditions.half_spaces(certificate, radius)
        slacks["law"] = conditions.law(certificate, radius)
        moves = certificate.translation_limits.size > 0
        rows = _eliminated(certificate, radius, failures) if moves else None
        if rows is not None:
            slacks["projection"] = conditions.projection(certificate, radius, rows)
        else:
            slacks["projection"] = -np.inf if moves else conditions.untranslated(certificate)
            if not moves and slacks["projection"] < 0:
                failures.append("projection: without translations the base set must be the set itself")
        bounds = invariance_bounds(certificate, inclusion)
        gaps = certificate.offsets - bounds
        ratios = bounds / certificate.offsets
        slacks["invariance"] = float(gaps.min() / certificate.offsets[gaps.argmin()])
        claimed = certificate.contraction
        slacks["contraction"] = least(claimed - ratios, 1 - claimed)
        shares = 2 * float32_allowance(certificate) / np.maximum(gaps, TINY)
        slacks["float32"] = least(1 - shares)
        if moves:
            slacks["corridors"] = (
                -np.inf if rows is None else conditions.corridors(certificate, inclusion, rows)
            )
        if any(force.limit < np.inf for force in inclusion.forces):
            slacks["forces"] = conditions.forces(inclusion)
        slacks["magnitude"] = conditions.magnitude(certificate, inclusion)
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
        forces=inclusion.forces,
    )


def _eliminated(
    certificate: Certificate, radius: Float[Array, " n"], failures: list[str]
) -> conditions.Eliminated | None:
    try:
        return conditions.eliminated(certificate, radius)
    except ValueError as error:
        failures.append(f"projection: {error}")
        return None


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


def _other_half_spaces(certificate: Certificate, asked: Polytope | None) -> list[str]:
    own, other = certificate.half_spaces, asked or no_half_spaces(len(certificate.origin))
    if all(map(np.array_equal, own, other)):
        return []
    if own.normals.shape != other.normals.shape:
        return [f"half-spaces: the certificate is for {len(own.offsets)}, the task has {len(other.offsets)}"]
    differ = (own.normals != other.normals).any(axis=1) | (own.offsets != other.offsets)
    one, two = (f"{part.normals[differ][0]} @ x <= {part.offsets[differ][0]}" for part in (own, other))
    return [f"half-spaces: number {np.argmax(differ)} is {one} in the certificate, {two} in the task"]


def _describe(slacks: dict[str, float], ratios: Float[Array, " rows"]) -> list[str]:
    worst = int(ratios.argmax())
    sentences = {
        "bounded": "the set is not bounded by the constraint box",
        "inside X": "the set leaves the constraint box",
        "half-spaces": "the set leaves a half-space that the constraints have beside the box",
        "law": "the certified law leaves the actions [-1, 1]",
        "projection": "a state of the set has no admissible reference",
        "invariance": f"row {worst} is left: its next value reaches {ratios[worst]:.9f} of its offset",
        "contraction": f"the claimed contraction is not reached: row {worst} reaches {ratios[worst]:.9f}",
        "float32": "rounding in float32 needs more than the gap that the contraction leaves",
        "corridors": "the set of some corridor is not what its rows say, or is left",
        "forces": "a force that gives a commanded acceleration may exceed its limit",
        "magnitude": "one step adds up larger terms than the certificate's rounding margin is made for",
    }
    failed = [name for name, slack in slacks.items() if not slack >= 0]
    return [f"{name}: {sentences[name]} (slack {slacks[name]:.3g})" for name in failed]
