"""The law whose invariant set is largest: a scan of LQR laws, then a random local search."""

from itertools import product

import numpy as np
from jaxtyping import Bool
from scipy.linalg import LinAlgError, solve_discrete_are

from safebench.sets import advice, elimination
from safebench.sets.advice import Shortfall, Unfinished
from safebench.sets.blocks import Block
from safebench.sets.invariant_set import INSIDE, Law, first_rows, predecessor
from safebench.sets.polytope import Box, Polytope, contains
from safebench.sets.search import Progress, Search, SynthesisError

Array = np.ndarray


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
    for value, width, coordinate in zip(chosen, half, block.translated, strict=True):
        if value >= INSIDE * width:
            raise ValueError(
                f"translation limit {value:g} leaves nothing of {width:g}, the half-width of "
                f"{block.names[coordinate]}"
            )
    return [np.array(chosen, float)]


def best_law(block: Block, choices, search: Search, progress: Progress | None):
    """The law and reference limits of the largest set: the LQR scan, then a random local search.

    Raises:
        SynthesisError: if no law can have a set, or none of the scan has one.
    """
    excluded = advice.impossible(block, search)
    if excluded:
        raise SynthesisError(excluded)
    rng = np.random.default_rng(search.seed + 1)
    points = rng.uniform(*block.bounds, (4000, len(block.states)))
    scan = list(product(_candidates(block, search), choices))
    failures: list[Shortfall | Unfinished] = []
    tiny = 0
    best, best_score = None, -np.inf
    for index in range(len(scan) + search.refinements):
        if progress:
            progress(f"laws for {block.label}", index, len(scan) + search.refinements)
        if index < len(scan):
            law, limit = scan[index]
        elif best is None:
            break
        else:
            law, limit = _varied(best, choices, rng)
        rows = _propagate(block, law, limit, search)
        if not isinstance(rows, Polytope):
            failures.append(rows)
            continue
        share = _members(block, rows, limit, points).mean()
        tiny += share == 0
        score = share - search.row_price * len(rows.offsets)
        if share > 0 and score > best_score:
            best, best_score = (law, limit), score
    if best is None:
        raise SynthesisError(advice.not_found(block, failures, tiny, search))
    return best


def _candidates(block: Block, search: Search) -> list[Law]:
    """LQR laws over input weights and random state weights; the feedforward cancels what it can."""
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


def _propagate(block: Block, law: Law, limit, search: Search) -> Polytope | Shortfall | Unfinished:
    """All predecessor rows that cut the constraint box, or why there is no set."""
    first = first_rows(block, law, limit)
    if (first.offsets[len(first.offsets) - len(block.half_spaces.offsets) :] <= 0).any():
        return Unfinished("some leave a half-space by the range of their references alone")
    if (first.offsets <= 0).any():
        return Unfinished("some exceed the actions [-1, 1] by their feedforward alone")
    box = Box(block.bounds.lower.copy(), block.bounds.upper.copy())
    box.lower[block.translated] += limit
    box.upper[block.translated] -= limit
    normals, offsets = [first.normals], [first.offsets]
    rows, source = first, np.arange(len(first.offsets))
    count = len(source)
    for step in range(1, search.max_steps + 1):
        after = predecessor(block, law, limit, rows, search)
        if (after.offsets <= 0).any():
            worst = int((after.offsets / first.offsets[source]).argmin())
            return Shortfall(law, limit, int(source[worst]), step)
        cutting = _outside_box(after, box)
        rows, source = Polytope(after.normals[cutting], after.offsets[cutting]), source[cutting]
        if not len(source):
            return Polytope(np.concatenate(normals), np.concatenate(offsets))
        normals.append(rows.normals)
        offsets.append(rows.offsets)
        count += len(source)
        if np.abs(rows.normals).max() > 1e12:
            return Unfinished("some diverge")
        if count > search.max_rows:
            return Unfinished(f"some need more than {search.max_rows} rows (Search.max_rows)")
    return Unfinished(f"some do not settle within {search.max_steps} steps (Search.max_steps)")


def _outside_box(rows: Polytope, box: Box) -> Bool[Array, " rows"]:
    """Whether a row cuts the box (else it is redundant)."""
    reach = np.clip(rows.normals, 0, None) @ box.upper + np.clip(rows.normals, None, 0) @ box.lower
    return reach > rows.offsets


def _members(block: Block, rows: Polytope, limit, points) -> Bool[Array, " points"]:
    if not block.translated:
        return contains(rows, points)
    plain = (rows.normals[:, block.translated] == 0).all(axis=1)
    inside = contains(Polytope(rows.normals[plain], rows.offsets[plain]), points)
    axes = np.eye(len(block.states))[:, block.translated]
    low, high = elimination.reference_interval(rows, axes, limit, points)
    return inside & (low <= high).all(axis=1)
