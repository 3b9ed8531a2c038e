"""The law whose invariant set is largest: a scan of LQR laws, then a random local search."""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from scipy.linalg import LinAlgError, solve_discrete_are

from safebench.sets import elimination
from safebench.sets.blocks import Block
from safebench.sets.invariant_set import Law, first_rows, predecessor
from safebench.sets.polytope import Box, Polytope, contains
from safebench.sets.search import Progress, Search, SynthesisError

Array = np.ndarray


class _Failure(NamedTuple):
    lacked: float
    sentence: str


def limit_choices(block: Block, translations, translation_limits, search: Search) -> list[Array]:
    """The limits of the block's governor references to try: those given, or `search.share`'s grid.

    Raises:
        ValueError: if given limits leave nothing of a constraint.
    """
    half = np.minimum(block.bounds.upper, -block.bounds.lower)[block.translated]
    if translation_limits is None:
        grids = [half_width * (1 - np.array(search.share)) for half_width in half]
        return [np.array(choice) for choice in product(*grids)]
    chosen = [translation_limits[list(translations).index(block.states[i])] for i in block.translated]
    if (np.asarray(chosen) >= half).any():
        raise ValueError(f"translation limits {chosen} leave nothing of the half-widths {half}")
    return [np.array(chosen, float)]


def best_law(block: Block, choices, search: Search, progress: Progress | None):
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


def _candidates(block: Block, search: Search) -> list[Law]:
    """LQR laws over input weights and random state weights, with and without feedforward."""
    n, m = block.action.shape
    if m == 0:
        return [Law(np.zeros((0, n)), np.zeros(0))]
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
        laws.append(Law(gain, push))
    return laws


def _varied(best, choices, rng):
    law, limit = best
    spread = rng.choice([0.03, 0.1, 0.3])
    gain = law.gain * (1 + spread * rng.normal(size=law.gain.shape))
    feedforward = law.feedforward * (1 + spread * rng.normal(size=law.feedforward.shape))
    if len(choices) > 1:
        low, high = np.min(choices, axis=0), np.max(choices, axis=0)
        limit = np.clip(high - (high - limit) * (1 + spread * rng.normal(size=limit.shape)), low, high)
    return Law(gain, feedforward), limit


def _propagate(block: Block, law: Law, limit, search: Search) -> Polytope | _Failure:
    """All predecessor rows that cut the constraint box, or why there is no set."""
    first = first_rows(block, law, limit)
    if (first.offsets <= 0).any():
        return _Failure(float(-first.offsets.min()), "the law's feedforward exceeds the actions [-1, 1]")
    box = Box(block.bounds.lower.copy(), block.bounds.upper.copy())
    box.lower[block.translated] += limit
    box.upper[block.translated] -= limit
    normals, offsets = [first.normals], [first.offsets]
    rows, source = first, np.arange(len(first.offsets))
    count = len(source)
    for step in range(1, search.max_steps + 1):
        after = predecessor(block, law, limit, rows, search)
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


def _outside_box(rows: Polytope, box: Box) -> Bool[Array, " rows"]:
    """Whether a row cuts the box (else it is redundant)."""
    reach = np.clip(rows.normals, 0, None) @ box.upper + np.clip(rows.normals, None, 0) @ box.lower
    return reach > rows.offsets


def _failure(block: Block, law: Law, source: int, step: int, before: float, after: float) -> _Failure:
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


def _members(block: Block, rows: Polytope, limit, points) -> Bool[Array, " points"]:
    if not block.translated:
        return contains(rows, points)
    plain = (rows.normals[:, block.translated] == 0).all(axis=1)
    inside = contains(Polytope(rows.normals[plain], rows.offsets[plain]), points)
    axes = np.eye(len(block.states))[:, block.translated]
    low, high = elimination.reference_interval(rows, axes, limit, points)
    return inside & (low <= high).all(axis=1)


def _advice(block: Block, failures: list[_Failure]) -> str:
    if not failures:
        return f"states {block.states} cannot be stabilised by actions {block.actions}: no LQR law exists"
    nearest = min(failures, key=lambda failure: failure.lacked)
    return (
        f"no safe set found for states {block.states}: of {len(failures)} laws the nearest one fails because "
        f"{nearest.sentence}. Try a smaller disturbance, narrower constraints on the nonlinear coordinates "
        "(they shrink the residual), more actuator authority, a shorter control period, an origin nearer to "
        "an equilibrium, or more candidates"
    )
