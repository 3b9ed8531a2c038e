"""Finding a robust control invariant set: the largest one that a scan of LQR laws gives.

For a law a = K y + k the largest set inside the constraints that the closed loop never leaves is an
intersection of half-spaces: the constraints, the action limits |K y + k| <= 1, and for every row (H_i, h_i)
its predecessor (H_i (A + B K)) y <= h_i - gap_i - sigma(H_i) - H_i B k, until all new rows are redundant
(Kolmanovsky and Gilbert 1998, Theory and computation of disturbance invariant sets; the gap makes it
contractive). Redundant rows have redundant predecessors, so a law is rated by plain propagation and Monte
Carlo in milliseconds; linear programs run only for the law that is kept.

Decoupled blocks of states are treated one by one; a half-space joins the states that it speaks of. A
translated coordinate e with limit L is confined to the rest of its constraint in the base set, and the
governor reference carries that set over [-L, L].
Nothing here is trusted: `safebench.sets.proof` checks the result.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from safebench.sets import proof
from safebench.sets.blocks import decouple, embed, named
from safebench.sets.certificate import Certificate
from safebench.sets.inclusion import Inclusion
from safebench.sets.invariant_set import invariant_set, projection
from safebench.sets.laws import best_law, limit_choices
from safebench.sets.polytope import Box, Polytope, check_half_spaces, no_half_spaces
from safebench.sets.proof import System
from safebench.sets.rounding import MULTIPLE, roundings
from safebench.sets.search import Progress, Search, SynthesisError
from safebench.sets.volume import volume


def prove_safe_set(
    dynamics: System,
    constraints: Box,
    disturbance: Box,
    task: str = "unnamed",
    half_spaces: Polytope | None = None,
    **options,
) -> Certificate:
    """A proven safe set for a system: the one call a task's author makes. `options` are `synthesise`'s.

    half_spaces: further constraints beside the box (`safebench.task.half_spaces`), the task's own.
    Names of states and actions are the system's own where `options` have none.

    Raises:
        SynthesisError: if no set was found, or the one found does not pass the proof.
        ValueError: if the dynamics cannot be bounded, or shapes do not fit.
    """
    inclusion = dynamics.include(constraints, disturbance)
    names = {"state_names": dynamics.state_names, "action_names": dynamics.action_names}
    options = names | options | {"half_spaces": half_spaces}
    certificate = synthesise(inclusion, constraints, disturbance, task, dynamics.fingerprint, **options)
    boxes = constraints, disturbance
    checked = proof.verify(certificate, inclusion, *boxes, dynamics.fingerprint, half_spaces)
    if not checked.passed:
        reasons = "; ".join(checked.failures)
        raise SynthesisError(f"the set found for {task!r} does not pass the proof: {reasons}")
    return certificate


def synthesise(
    inclusion: Inclusion,
    constraints: Box,
    disturbance: Box,
    task: str,
    fingerprint: str,
    translations: Sequence[int] = (),
    translation_limits: Sequence[float] | None = None,
    search: Search | None = None,
    progress: Progress | None = None,
    state_names: Sequence[str] = (),
    action_names: Sequence[str] = (),
    half_spaces: Polytope | None = None,
) -> Certificate:
    """The largest safe set found, with its law.

    translations: coordinates that the motion does not depend on (positions of a free-floating body).
    translation_limits: range of each one's reference; searched over `search.share` by default.
    state_names, action_names: for messages; "state 3" and "action 0" by default.
    half_spaces: further constraints beside the box (`safebench.sets.polytope.half_spaces`).

    The certificate's `magnitude` is the inclusion's or, of a system of many states, larger; its `contraction`
    is what the set reaches.

    Raises:
        SynthesisError: if no law of the scan gives a set; it says what took the room (safebench.sets.advice).
        ValueError: if the constraints do not contain the origin, a translation changes the motion or has no
            usable limit, there are not as many names as states and actions, or the half-spaces are malformed,
            leave nothing of the box or join two translations.
    """
    search = search or Search()
    n, m = inclusion.action.shape
    # Steps of many terms round more than the margin's multiple covers: the magnitude grows with them.
    terms = roundings(n, m, len(disturbance.lower)) / MULTIPLE
    inclusion = inclusion._replace(magnitude=max(1.0, 1.001 * terms) * inclusion.magnitude)
    if not ((constraints.lower < inclusion.origin) & (inclusion.origin < constraints.upper)).all():
        raise ValueError(f"the origin {inclusion.origin} must lie strictly inside {constraints}")
    further = half_spaces or no_half_spaces(n)
    if half_spaces is not None:
        check_half_spaces(further, constraints)
        apart = further.normals @ inclusion.origin >= further.offsets
        if apart.any():
            raise ValueError(
                f"the origin {inclusion.origin} must lie strictly inside half-space {np.argmax(apart)}"
            )
    state_names = named("state", state_names, n)
    _check_translations(inclusion, constraints, translations, translation_limits, state_names)
    gain, feedforward = np.zeros((m, n)), np.zeros(m)
    limits = np.zeros(len(translations))
    bases, sets, notes = [], [], []
    for block in decouple(inclusion, constraints, list(translations), state_names, action_names, further):
        if len(block.translated) > 1 and len(block.half_spaces.offsets):
            joined = " and ".join(block.names[i] for i in block.translated)
            raise ValueError(f"half-spaces join the translations {joined}, whose references must be apart")
        choices = limit_choices(block, translations, translation_limits, search)
        law, limit = best_law(block, choices, search, progress)
        base = invariant_set(block, law, limit, search, progress)
        gain[np.ix_(block.actions, block.states)] = law.gain
        feedforward[block.actions] = law.feedforward
        for coordinate, value in zip(block.translated, limit, strict=True):
            limits[list(translations).index(block.states[coordinate])] = value
        projected = projection(block, base, limit, progress)
        if len(translations):  # room for the proof that every state has a reference
            projected = projected._replace(offsets=projected.offsets * (1 - 1e-8))
        bases.append(embed(base, block.states, n))
        sets.append(embed(projected, block.states, n))
        notes.append(f"states {block.states}: {len(base.offsets)} base rows, {len(projected.offsets)} rows")
    certificate = Certificate(
        task=task,
        fingerprint=fingerprint,
        origin=inclusion.origin,
        normals=np.concatenate([part.normals for part in sets]),
        offsets=np.concatenate([part.offsets for part in sets]),
        base_normals=np.concatenate([part.normals for part in bases]),
        base_offsets=np.concatenate([part.offsets for part in bases]),
        gain=gain,
        feedforward=feedforward,
        translations=np.eye(n)[:, list(translations)],
        translation_limits=limits,
        constraints=constraints,
        disturbance=disturbance,
        contraction=0.0,
        volume=(0.0, 0.0, 0.0),
        method=f"LQR scan, {search.candidates} candidates and {search.refinements} refinements per block, "
        f"seed {search.seed}, row contraction "
        f"{search.contraction}; " + "; ".join(notes),
        magnitude=inclusion.magnitude,
        half_space_normals=further.normals,
        half_space_offsets=further.offsets,
    )
    reached = proof.invariance_bounds(certificate, inclusion) / certificate.offsets
    return replace(
        certificate,
        contraction=float(reached.max()) + 1e-9,
        volume=volume(certificate, search.samples, search.seed),
    )


def _check_translations(
    inclusion: Inclusion,
    constraints: Box,
    translations: Sequence[int],
    limits: Sequence[float] | None,
    names: Sequence[str],
) -> None:
    n = len(inclusion.origin)
    if limits is not None and len(limits) != len(translations):
        raise ValueError(f"{len(limits)} translation limits for {len(translations)} translations")
    if len(set(translations)) < len(translations):
        raise ValueError(f"a translation is given twice: {list(translations)}")
    for coordinate in translations:
        if not 0 <= coordinate < n:
            raise ValueError(f"translation {coordinate} is not a state: choose from 0 to {n - 1}")
        change = inclusion.state[:, coordinate] - np.eye(n)[coordinate]
        if (np.abs(change) * constraints.radius[coordinate] > 1e-9 * constraints.radius).any():
            raise ValueError(f"{names[coordinate]} is no translation: the motion depends on it")
    for coordinate, limit in zip(translations, limits if limits is not None else (), strict=False):
        if not (np.isfinite(limit) and limit >= 0):
            raise ValueError(
                f"translation limit {limit} of {names[coordinate]} must be finite and at least 0"
            )
