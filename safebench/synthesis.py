"""Finding a robust control invariant set: the largest one that a scan of LQR laws gives.

For a law a = K y + k the largest set inside the constraints that the closed loop never leaves is an
intersection of half-spaces: the constraints, the action limits |K y + k| <= 1, and for every row (H_i, h_i)
its predecessor (H_i (A + B K)) y <= h_i - gap_i - sigma(H_i) - H_i B k, until all new rows are redundant
(Kolmanovsky and Gilbert 1998, Theory and computation of disturbance invariant sets; the gap makes it
contractive). Redundant rows have redundant predecessors, so a law is rated by plain propagation and Monte
Carlo in milliseconds; linear programs run only for the law that is kept.

Decoupled blocks of states are treated one by one. A translated coordinate e with limit L is confined to
the rest of its constraint in the base set, and the governor reference carries that set over [-L, L].
Nothing here is trusted: `safebench.proof` checks the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import LinAlgError, solve_discrete_are
from scipy.sparse.csgraph import connected_components
from scipy.stats import binomtest

from safebench import elimination, proof
from safebench.certificate import Certificate
from safebench.duality import upper_bounds
from safebench.inclusion import Inclusion
from safebench.polytope import Box, Polytope, contains

if TYPE_CHECKING:  # synthesis itself needs neither jax nor MuJoCo
    from safebench.dynamics import Dynamics

Array = np.ndarray
Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""

INSIDE = 1 - 1e-6  # the set starts this far inside the constraints: room for the proof's rounding
ACTION_LIMIT = 1 - 1e-3


@dataclass(frozen=True)
class Search:
    """How far to look.

    candidates: LQR laws tried per block. refinements: random changes then tried on the best one.
    contraction: lambda of every row. row_price: volume share that one more row (before pruning) must gain;
    smaller sets of rows make faster safeguards. max_rows: give up beyond this. max_steps: longest look-ahead.
    share: part of a translated coordinate's constraint kept for the base set.
    samples: Monte Carlo points of the volume. seed: of weights and samples.
    """

    candidates: int = 60
    refinements: int = 60
    contraction: float = 0.9995
    row_price: float = 1e-5
    max_rows: int = 6000
    max_steps: int = 500
    share: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3)
    samples: int = 200_000
    seed: int = 0


class SynthesisError(ValueError):
    """No safe set was found; the message says which row failed, how much it lacked and what to try."""


class _Block(NamedTuple):
    """One decoupled part of the system, with its constraint box relative to the origin."""

    states: list[int]
    actions: list[int]
    state: Float[Array, "n n"]
    action: Float[Array, "n m"]
    support: Callable[[Float[Array, "k n"]], Float[Array, " k"]]
    bounds: Box
    origin: Float[Array, " n"]
    translated: list[int]


class _Law(NamedTuple):
    gain: Float[Array, "m n"]
    feedforward: Float[Array, " m"]


class _Failure(NamedTuple):
    lacked: float
    sentence: str


def prove_safe_set(
    dynamics: Dynamics, constraints: Box, disturbance: Box, task: str = "unnamed", **options
) -> Certificate:
    """A proven safe set for a system: the one call a task's author makes. `options` are `synthesise`'s.

    Raises:
        SynthesisError: if no set was found, or the one found does not pass the proof.
        ValueError: if the dynamics cannot be bounded, or shapes do not fit.
    """
    inclusion = dynamics.include(constraints, disturbance)
    certificate = synthesise(inclusion, constraints, disturbance, task, dynamics.fingerprint, **options)
    checked = proof.verify(certificate, inclusion, constraints, disturbance, dynamics.fingerprint)
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
) -> Certificate:
    """The largest safe set found, with its law.

    translations: coordinates that the motion does not depend on (positions of a free-floating body).
    translation_limits: range of each one's reference; searched over `search.share` by default.

    Raises:
        SynthesisError: if no law of the scan gives a set.
        ValueError: if the constraints do not contain the origin, or a translation changes the motion.
    """
    search = search or Search()
    n, m = inclusion.action.shape
    if not ((constraints.lower < inclusion.origin) & (inclusion.origin < constraints.upper)).all():
        raise ValueError(f"the origin {inclusion.origin} must lie strictly inside {constraints}")
    _check_translations(inclusion, constraints, translations)
    gain, feedforward = np.zeros((m, n)), np.zeros(m)
    limits = np.zeros(len(translations))
    bases, sets, notes = [], [], []
    for block in _blocks(inclusion, constraints, list(translations)):
        choices = _limit_choices(block, translations, translation_limits, search)
        law, limit = _best_law(block, choices, search, progress)
        base = _invariant_set(block, law, limit, search, progress)
        gain[np.ix_(block.actions, block.states)] = law.gain
        feedforward[block.actions] = law.feedforward
        for coordinate, value in zip(block.translated, limit, strict=True):
            limits[list(translations).index(block.states[coordinate])] = value
        projected = _project(block, base, limit, progress)
        if len(translations):  # room for the proof that every state has a reference
            projected = projected._replace(offsets=projected.offsets * (1 - 1e-8))
        bases.append(_embed(base, block.states, n))
        sets.append(_embed(projected, block.states, n))
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
        contraction=1.0,
        volume=(0.0, 0.0, 0.0),
        method=f"LQR scan, {search.candidates} candidates and {search.refinements} refinements per block, "
        f"seed {search.seed}, row contraction "
        f"{search.contraction}; " + "; ".join(notes),
    )
    reached = proof.invariance_bounds(certificate, inclusion) / certificate.offsets
    return replace(
        certificate,
        contraction=float(reached.max()) + 1e-12,
        volume=volume(certificate, search.samples, search.seed),
    )


def volume(certificate: Certificate, samples: int = 200_000, seed: int = 0) -> tuple[float, float, float]:
    """Share of the constraint box inside the set: (value, low, high), Clopper-Pearson 95 % interval."""
    rng = np.random.default_rng(seed)
    hits = 0
    for count in np.diff(np.linspace(0, samples, samples // 20_000 + 2).astype(int)):
        points = rng.uniform(*certificate.constraints, (count, len(certificate.origin)))
        hits += int(contains(certificate.polytope, points - certificate.origin).sum())
    interval = binomtest(hits, samples).proportion_ci(0.95, method="exact")
    return hits / samples, float(interval.low), float(interval.high)


def _check_translations(inclusion: Inclusion, constraints: Box, translations: Sequence[int]) -> None:
    n = len(inclusion.origin)
    for coordinate in translations:
        if not 0 <= coordinate < n:
            raise ValueError(f"translation {coordinate} is not a state: choose from 0 to {n - 1}")
        change = inclusion.state[:, coordinate] - np.eye(n)[coordinate]
        if (np.abs(change) * constraints.radius[coordinate] > 1e-9 * constraints.radius).any():
            raise ValueError(f"state {coordinate} is no translation: the motion depends on it")


def _blocks(inclusion: Inclusion, constraints: Box, translations: list[int]) -> list[_Block]:
    """States and actions grouped by who moves whom, in the affine model, relative to the box."""
    n, m = inclusion.action.shape
    radius = constraints.radius
    moves = np.abs(inclusion.state) * radius / radius[:, None] > 1e-9
    pushes = np.abs(inclusion.action) / radius[:, None] > 1e-9
    graph = np.block([[moves, pushes], [np.zeros((m, n)), np.zeros((m, m))]])
    count, label = connected_components(graph, directed=False)
    blocks = []
    for group in range(count):
        states = [i for i in range(n) if label[i] == group]
        actions = [j for j in range(m) if label[n + j] == group]
        if not states:
            raise ValueError(f"action {actions[0]} moves no state")

        def support(directions, states=states):
            full = np.zeros((len(directions), n))
            full[:, states] = directions
            return np.asarray(inclusion.support(full), float)

        origin = inclusion.origin[states]
        bounds = Box(constraints.lower[states] - origin, constraints.upper[states] - origin)
        blocks.append(
            _Block(
                states,
                actions,
                inclusion.state[np.ix_(states, states)],
                inclusion.action[np.ix_(states, actions)],
                support,
                bounds,
                origin,
                [states.index(i) for i in translations if i in states],
            )
        )
    return blocks


def _limit_choices(block: _Block, translations, translation_limits, search: Search) -> list[Array]:
    half = np.minimum(block.bounds.upper, -block.bounds.lower)[block.translated]
    if translation_limits is None:
        grids = [half_width * (1 - np.array(search.share)) for half_width in half]
        return [np.array(choice) for choice in product(*grids)]
    chosen = [translation_limits[list(translations).index(block.states[i])] for i in block.translated]
    if (np.asarray(chosen) >= half).any():
        raise ValueError(f"translation limits {chosen} leave nothing of the half-widths {half}")
    return [np.array(chosen, float)]


def _candidates(block: _Block, search: Search) -> list[_Law]:
    """LQR laws over input weights and random state weights, with and without feedforward."""
    n, m = block.action.shape
    if m == 0:
        return [_Law(np.zeros((0, n)), np.zeros(0))]
    rng = np.random.default_rng(search.seed)
    constant = 0.5 * (block.support(np.eye(n)) - block.support(-np.eye(n)))
    push = -np.linalg.lstsq(block.action, constant, rcond=None)[0]
    push = np.where(np.abs(push) > 1e-9, np.clip(push, -0.9, 0.9), 0.0)
    radius = np.maximum(block.bounds.upper, -block.bounds.lower)
    laws = []
    for index in range(search.candidates):
        # The first ones: the box's own scaling; then random emphasis on single states and actions.
        spread = 0.0 if index < 12 else 2.0
        emphasis = 10.0 ** rng.uniform(-spread, spread, n)
        cheapness = 10.0 ** (-3.0 + 5.0 * (index % 12) / 11)
        weights = cheapness * 10.0 ** rng.uniform(-spread / 2, spread / 2, m)
        try:
            cost = solve_discrete_are(
                block.state, block.action, np.diag(emphasis / radius**2), np.diag(weights)
            )
        except (LinAlgError, ValueError):
            continue
        gram = np.diag(weights) + block.action.T @ cost @ block.action
        gain = -np.linalg.solve(gram, block.action.T @ cost @ block.state)
        laws.append(_Law(gain, push))
    return laws


def _first_rows(block: _Block, law: _Law, limit: Float[Array, " k"]) -> Polytope:
    """The constraints (narrowed where translated) and the action limits, as rows of y."""
    n = len(block.states)
    low, high = block.bounds.lower.copy(), block.bounds.upper.copy()
    low[block.translated] += limit
    high[block.translated] -= limit
    identity = np.eye(n)
    normals = np.vstack([identity, -identity, law.gain, -law.gain])
    room = np.concatenate([ACTION_LIMIT - law.feedforward, ACTION_LIMIT + law.feedforward])
    offsets = np.concatenate([INSIDE * high, -INSIDE * low, room])
    used = np.abs(normals).max(axis=1) > 0
    return Polytope(normals[used], offsets[used])


def _predecessor(block: _Block, law: _Law, limit, rows: Polytope, search: Search) -> Polytope:
    """For each row, the half-space whose states the law moves into that row, a gap inside."""
    box = Box(block.bounds.lower + block.origin, block.bounds.upper + block.origin)
    # The set's own row is wider by the reference's range, and is rounded in absolute coordinates.
    reach = rows.offsets + np.abs(rows.normals[:, block.translated]) @ limit
    reach = reach + np.abs(rows.normals @ block.origin)
    rounding = proof.allowance(rows.normals, reach, box, np.float32)
    gap = np.maximum((1 - search.contraction) * rows.offsets, 2.2 * rounding)
    normals = rows.normals @ (block.state + block.action @ law.gain)
    constant = rows.normals @ (block.action @ law.feedforward)
    return Polytope(normals, rows.offsets - gap - block.support(rows.normals) - constant)


def _outside_box(rows: Polytope, box: Box) -> Bool[Array, " rows"]:
    """Whether a row cuts the box (else it is redundant)."""
    reach = np.clip(rows.normals, 0, None) @ box.upper + np.clip(rows.normals, None, 0) @ box.lower
    return reach > rows.offsets


def _propagate(block: _Block, law: _Law, limit, search: Search) -> Polytope | _Failure:
    """All predecessor rows that cut the constraint box, or why there is no set."""
    first = _first_rows(block, law, limit)
    if (first.offsets <= 0).any():
        return _Failure(float(-first.offsets.min()), "the law's feedforward exceeds the actions [-1, 1]")
    box = Box(block.bounds.lower.copy(), block.bounds.upper.copy())
    box.lower[block.translated] += limit
    box.upper[block.translated] -= limit
    normals, offsets = [first.normals], [first.offsets]
    rows, source = first, np.arange(len(first.offsets))
    count = len(source)
    for step in range(1, search.max_steps + 1):
        after = _predecessor(block, law, limit, rows, search)
        if (after.offsets <= 0).any():
            worst = int(after.offsets.argmin())
            return _failure(block, law, source[worst], step, rows.offsets[worst], after.offsets[worst])
        cutting = _outside_box(after, box)
        rows, source = Polytope(after.normals[cutting], after.offsets[cutting]), source[cutting]
        if not len(source):
            return Polytope(np.concatenate(normals), np.concatenate(offsets))
        normals.append(rows.normals)
        offsets.append(rows.offsets)
        count += len(source)
        if count > search.max_rows or np.abs(rows.normals).max() > 1e12:
            break
    return _Failure(np.inf, f"the closed loop does not settle within {step} steps")


def _failure(block: _Block, law: _Law, source: int, step: int, before: float, after: float) -> _Failure:
    n = len(block.states)
    used = np.nonzero(np.abs(law.gain).max(axis=1) > 0)[0] if law.gain.size else np.zeros(0, int)
    if source < 2 * n:
        side = "upper" if source < n else "lower"
        row = f"the {side} bound of state {block.states[source % n]}"
    else:
        index = (source - 2 * n) % max(len(used), 1)
        row = f"the limit of action {block.actions[used[index]]}"
    return _Failure(
        float(-after),
        f"{row} fails {step} step(s) ahead: {before:.3g} of room is left and disturbance, nonlinearity and "
        f"constants take {before - after:.3g}, so it lacks {-after:.3g}",
    )


def _best_law(block: _Block, choices, search: Search, progress: Progress | None):
    """The law and reference limits of the largest set: the LQR scan, then a random local search."""
    rng = np.random.default_rng(search.seed + 1)
    points = rng.uniform(*block.bounds, (4000, len(block.states)))
    scan = list(product(_candidates(block, search), choices))
    failures: list[_Failure] = []
    best, best_score = None, -np.inf
    for index in range(len(scan) + search.refinements):
        if progress:
            progress(f"laws for states {block.states}", index, len(scan) + search.refinements)
        if index < len(scan):
            law, limit = scan[index]
        elif best is None:
            raise SynthesisError(_advice(block, failures))
        else:
            law, limit = _varied(best, choices, rng)
        rows = _propagate(block, law, limit, search)
        if isinstance(rows, _Failure):
            failures.append(rows)
            continue
        share = _members(block, rows, limit, points).mean()
        score = share - search.row_price * len(rows.offsets)
        if share > 0 and score > best_score:
            best, best_score = (law, limit), score
    if best is None:
        raise SynthesisError(_advice(block, failures))
    return best


def _varied(best, choices, rng):
    law, limit = best
    spread = rng.choice([0.03, 0.1, 0.3])
    gain = law.gain * (1 + spread * rng.normal(size=law.gain.shape))
    feedforward = law.feedforward * (1 + spread * rng.normal(size=law.feedforward.shape))
    if len(choices) > 1:
        low, high = np.min(choices, axis=0), np.max(choices, axis=0)
        limit = np.clip(high - (high - limit) * (1 + spread * rng.normal(size=limit.shape)), low, high)
    return _Law(gain, feedforward), limit


def _members(block: _Block, rows: Polytope, limit, points) -> Bool[Array, " points"]:
    if not block.translated:
        return contains(rows, points)
    plain = (rows.normals[:, block.translated] == 0).all(axis=1)
    inside = contains(Polytope(rows.normals[plain], rows.offsets[plain]), points)
    axes = np.eye(len(block.states))[:, block.translated]
    low, high = elimination.reference_interval(rows, axes, limit, points)
    return inside & (low <= high).all(axis=1)


def _advice(block: _Block, failures: list[_Failure]) -> str:
    if not failures:
        return f"states {block.states} cannot be stabilised by actions {block.actions}: no LQR law exists"
    nearest = min(failures, key=lambda failure: failure.lacked)
    return (
        f"no safe set found for states {block.states}: of {len(failures)} laws the nearest one fails because "
        f"{nearest.sentence}. Try a smaller disturbance, narrower constraints on the nonlinear coordinates "
        "(they shrink the residual), more actuator authority, a shorter control period, an origin nearer to "
        "an equilibrium, or more candidates"
    )


def _invariant_set(block: _Block, law: _Law, limit, search: Search, progress: Progress | None) -> Polytope:
    """The same set with no redundant row: predecessors are kept only where they cut the set so far."""
    radius = np.maximum(block.bounds.upper, -block.bounds.lower)
    rows = fresh = prune(_normalised(_first_rows(block, law, limit)), radius)
    for step in range(search.max_steps):
        if progress:
            progress(f"rows for states {block.states}: {len(rows.offsets)}", step, search.max_steps)
        after = _normalised(_predecessor(block, law, limit, fresh, search))
        reached = upper_bounds(after.normals, rows, radius).value
        cutting = reached > after.offsets * (1 + 1e-9)
        if not cutting.any():
            break
        fresh = Polytope(after.normals[cutting], after.offsets[cutting])
        joined = Polytope(
            np.concatenate([rows.normals, fresh.normals]), np.concatenate([rows.offsets, fresh.offsets])
        )
        if len(joined.offsets) > search.max_rows:
            raise SynthesisError(f"states {block.states} need more than {search.max_rows} rows")
        rows = joined
    else:
        raise SynthesisError(f"states {block.states} are not finished after {search.max_steps} steps")
    return prune(rows, radius)


def _project(block: _Block, base: Polytope, limit, progress: Progress | None) -> Polytope:
    if not block.translated:
        return base
    if progress:
        progress(f"projection of states {block.states}", 0, 1)
    axes = np.eye(len(block.states))[:, block.translated]
    try:
        projected = elimination.project(base, axes, limit)
    except ValueError as error:
        raise SynthesisError(f"states {block.states}: {error}") from None
    radius = np.maximum(block.bounds.upper, -block.bounds.lower)
    return prune(_normalised(projected), radius)


def _normalised(rows: Polytope) -> Polytope:
    size = np.abs(rows.normals).max(axis=1)
    return Polytope(rows.normals / size[:, None], rows.offsets / size)


def prune(rows: Polytope, radius: Float[Array, " n"]) -> Polytope:
    """The rows that are not implied by the others (to a relative 1e-9)."""
    scaled = np.round(rows.normals * radius / rows.offsets[:, None], 10)
    _, first = np.unique(scaled, axis=0, return_index=True)
    rows = Polytope(rows.normals[np.sort(first)], rows.offsets[np.sort(first)])
    reached = upper_bounds(rows.normals, rows, radius, excluded=np.arange(len(rows.offsets))).value
    needed = reached > rows.offsets * (1 + 1e-9)
    return Polytope(rows.normals[needed], rows.offsets[needed])


def _embed(rows: Polytope, states: list[int], n: int) -> Polytope:
    normals = np.zeros((len(rows.offsets), n))
    normals[:, states] = rows.normals
    return Polytope(normals, rows.offsets)
