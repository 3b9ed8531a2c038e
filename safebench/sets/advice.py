"""Why no safe set was found, and what would help.

JUST NOT FOUND. A law fails when one of its first rows (H, h) runs out of room some steps ahead, that is, when
h <= sum over those steps of gap_j + sigma(H_j) + H_j B k, with H_j = H (A + B K)^j (see
safebench.sets.synthesis). `Inclusion.shares` splits every sigma, and so the sum, taken on to the step where
it is largest; the advice follows its largest part. Another law may still have a set.

IMPOSSIBLE. Let v* A = lambda v* and v* B = 0 (Hautus 1969, Controllability and observability conditions of
linear autonomous systems: such a v exists exactly where [A - lambda, B] loses rank). Whatever the actions,
v* y+ = lambda v* y + v* r. A law that takes a set S into c S for all residuals r takes two states of S whose
v* y lie farthest apart, and the same r, to |lambda| times that distance, so |lambda| <= c: no law
contracts a set by c < |lambda|, none at all if |lambda| >= 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.sets.blocks import Block
from safebench.sets.invariant_set import ACTION_LIMIT, Law, first_rows, gaps
from safebench.sets.polytope import Polytope
from safebench.sets.search import Search

TOLERANCE = 1e-9
"""A mode moved by less than this, relative to the constraints, is not moved (as in `blocks.decouple`)."""
ON_THE_CIRCLE = 1 - 1e-6
FADED = 1e-4
"""A row that has shrunk to this takes nothing more worth counting."""
NOTABLE = 0.15
"""Parts of the taken room beyond this are worth their own advice."""


class Shortfall(NamedTuple):
    """A law that fails: row `row` of its `first_rows` has no room left `steps` steps ahead."""

    law: Law
    limit: Float[np.ndarray, " k"]
    row: int
    steps: int


class Unfinished(NamedTuple):
    """A law whose rows did not come to an end within the search's bounds."""

    reason: str


class Split(NamedTuple):
    """Who takes the room of a failing row, summed over steps ahead, in the row's units.

    room: of the constraint (or of the action's limit), before anything is taken. taken: all of it.
    constant: what moves the origin, less what the feedforward cancels, plus what that uses of an action's
    limit.
    contraction, rounding: the gap to the next row, as the contraction asks for it, and what rounding in
    float32 needs beyond.
    """

    room: float
    taken: float
    disturbance: float
    state_nonlinearity: float
    action_nonlinearity: float
    constant: float
    contraction: float
    rounding: float


class Mode(NamedTuple):
    """A mode that no action moves: its modulus and the states in which it lives."""

    modulus: float
    states: tuple[str, ...]


_NAMES = {
    "disturbance": "the disturbance",
    "state_nonlinearity": "the nonlinearity in the state",
    "action_nonlinearity": "the action's own nonlinearity",
    "constant": "the constant (gravity, an offset of the origin)",
    "contraction": "the contraction",
    "rounding": "rounding in float32",
}


def split(block: Block, failure: Shortfall, search: Search) -> Split:
    """What takes the room of the failing row, up to the step by which most is taken."""
    law, limit, row = failure.law, failure.limit, failure.row
    first = first_rows(block, law, limit)
    normals = _course(block, failure, first.normals[row], search)
    pushed = normals @ block.action @ law.feedforward
    support = block.support(normals)
    left = np.full(len(normals) + 1, first.offsets[row])
    gap = np.zeros(len(normals))
    for step in range(len(normals)):
        here = Polytope(normals[[step]], left[[step]])
        gap[step] = gaps(block, law, limit, here, search)[0]
        left[step + 1] = left[step] - gap[step] - support[step] - pushed[step]
    most = int(left.argmin())
    asked = np.maximum((1 - search.contraction) * left[:most], 0.0)
    shares = block.shares(normals[:most])
    room = ACTION_LIMIT if _row(block, failure)[1] else left[0]
    return Split(
        room=float(room),
        taken=float(room - left[most]),
        disturbance=float(shares.disturbance.sum()),
        state_nonlinearity=float(shares.state_nonlinearity.sum()),
        action_nonlinearity=float(shares.action_nonlinearity.sum()),
        constant=float(shares.constant.sum() + pushed[:most].sum() + room - left[0]),
        contraction=float(asked.sum()),
        rounding=float((gap[:most] - asked).sum()),
    )


def _course(block: Block, failure: Shortfall, normal, search: Search) -> Float[np.ndarray, "steps n"]:
    """The row's normal and its predecessors', until they have faded."""
    closed = block.state + block.action @ failure.law.gain
    faded = FADED * np.abs(normal) @ block.bounds.radius
    course = []
    for step in range(search.max_steps):
        course.append(normal)
        normal = normal @ closed
        if step >= failure.steps and np.abs(normal) @ block.bounds.radius < faded:
            break
    return np.stack(course)


def unmoved_modes(block: Block, contraction: float) -> list[Mode]:
    """The modes that no action moves and that do not decay by `contraction` in a step: Hautus' test."""
    radius = block.bounds.radius
    state = block.state * radius / radius[:, None]
    action = block.action / radius[:, None]
    found = []
    for value in np.linalg.eigvals(state):
        if abs(value) <= contraction + TOLERANCE:
            continue
        left, sizes, _ = np.linalg.svd(np.hstack([state - value * np.eye(len(state)), action]))
        lost = sizes <= TOLERANCE * max(1.0, abs(value))
        weight = np.abs(left[:, lost]).max(axis=1, initial=0.0)
        if lost.any():
            lives = tuple(block.names[i] for i in np.nonzero(weight > 1e-3 * weight.max())[0])
            found.append(Mode(float(abs(value)), lives))
    return found


def impossible(block: Block, search: Search) -> str | None:
    """Why no law whatsoever has a set in this block, or None if nothing excludes one."""
    modes = unmoved_modes(block, search.contraction)
    if not modes:
        return None
    modulus = max(mode.modulus for mode in modes)
    states = [name for name in block.names if any(name in mode.states for mode in modes)]
    moved = listed(states) if block.actions else listed(block.names)
    combined = "a combination of " if block.actions and len(states) > 1 else ""
    opening = f"no safe set can be proven for {block.label}: no action moves {combined}{moved}, and by itself"
    mode = f"(mode in {listed(states)})"
    if modulus >= ON_THE_CIRCLE:
        return (
            f"{opening} it does not come back: a step takes it to {modulus:.6g} of itself {mode}. "
            "Add a motor, or damping and a spring, to a joint without"
        )
    return (
        f"{opening} it comes back too slowly: a step takes it to {modulus:.6g} of itself {mode}, the search "
        f"asks for {search.contraction:.6g}. Add a motor or damping, or search with a contraction nearer to 1"
    )


def not_found(block: Block, failures: Sequence[Shortfall | Unfinished], tiny: int, search: Search) -> str:
    """Why the scan ended without a set.

    failures: of the laws that have none. tiny: how many laws have one that the sampled states all miss.
    """
    opening = f"no safe set found for {block.label}: "
    if tiny:
        return (
            f"{opening}{tiny} law(s) have one, but so small that no sampled state of the constraint box lies "
            "in it. Try constraints nearer to what the system can keep"
        )
    short = [failure for failure in failures if isinstance(failure, Shortfall)]
    if short:
        splits = [split(block, failure, search) for failure in short]
        nearest = min(range(len(short)), key=lambda index: splits[index].taken / splits[index].room)
        return opening + _explain(block, short[nearest], splits[nearest], len(failures), search)
    reasons = {failure.reason for failure in failures if isinstance(failure, Unfinished)}
    if reasons:
        return f"{opening}of the {len(failures)} law(s) tried {', '.join(sorted(reasons))}"
    return (
        f"{opening}the Riccati equation has no solution in float64 for any of {search.candidates} choices of "
        "weights. Try states scaled alike, or more candidates"
    )


def listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in [", ".join(names[:-1]), names[-1]] if part)


def _explain(block: Block, failure: Shortfall, found: Split, laws: int, search: Search) -> str:
    row, is_action = _row(block, failure)
    parts = {part: getattr(found, part) for part in _NAMES}
    order = sorted(parts, key=lambda part: -parts[part])
    shown = [
        f"{parts[part]:.3g} ({100 * parts[part] / found.taken:.0f} %) by {_NAMES[part]}"
        for part in order
        if abs(parts[part]) >= 0.005 * found.taken
    ]
    rest = found.taken - sum(parts.values())
    if abs(rest) >= 0.01 * found.taken:
        shown.append(f"{rest:.3g} ({100 * rest / found.taken:.0f} %) unexplained")
    most = "most" if parts[order[0]] > 0.5 * found.taken else "the largest part"
    advice = [f"{_NAMES[order[0]]} takes {most} of it: try {_advice(order[0], block, is_action)}"]
    advice += [
        f"for {_NAMES[part]}: {_advice(part, block, is_action)}"
        for part in order[1:]
        if parts[part] >= NOTABLE * found.taken
    ]
    touched = np.flatnonzero(first_rows(block, failure.law, failure.limit).normals[failure.row])
    if not is_action and set(touched) & set(block.translated):
        advice.append("a smaller translation limit leaves this row more room")
    idle = more = ""
    if block.actions:
        more = f". Another law may have one: more than {search.candidates} candidates go further"
    else:
        idle = f"no action moves {listed(block.names)}; "
    return (
        f"{idle}of {laws} law(s) the nearest one fails because {row} fails {failure.steps} step(s) ahead: it "
        f"has {found.room:.3g} of room, the steps ahead take {found.taken:.3g}, so it lacks "
        f"{found.taken - found.room:.3g}; taken are {', '.join(shown)}. "
        f"Advice: {'; '.join(advice)}{more}"
    )


def _advice(part: str, block: Block, is_action: bool) -> str:
    if part == "disturbance":
        if not block.actions:
            return "a motor, or more damping and a stiffer spring, or a smaller disturbance box"
        return "a smaller disturbance box" + " or more actuator authority" * is_action
    if part == "state_nonlinearity":
        return "narrower constraints on the coordinates that enter nonlinearly, or a shorter control period"
    if part == "action_nonlinearity":
        narrower = "narrower constraints on the coordinates that change an action's effect"
        if is_action:  # the law's gain grows as torque shrinks: less of it helps once state bounds fail
            return f"computed torque, or less torque (a smaller gear) together with {narrower}"
        return "less torque (a smaller gear), or computed torque"
    if part == "constant":
        if not block.actions:
            return "an origin nearer to an equilibrium"
        authority = "more actuator authority" if is_action else "a feedforward within the actions' authority"
        return f"an origin nearer to an equilibrium, or {authority}"
    if part == "contraction":
        return "a search with a contraction nearer to 1"
    return "states counted from a nearer zero, or narrower constraints (it grows with the largest numbers)"


def _row(block: Block, failure: Shortfall) -> tuple[str, bool]:
    """What the failing row is of, and whether of an action."""
    n, gain = len(block.states), failure.law.gain
    if failure.row < 2 * n:
        side = "upper" if failure.row < n else "lower"
        return f"the {side} bound of {block.names[failure.row % n]}", False
    # `first_rows` leaves out actions that the law does not use.
    used = np.nonzero(np.abs(gain).max(axis=1) > 0)[0]
    if failure.row >= 2 * (n + len(used)):
        normal = block.half_spaces.normals[failure.row - 2 * (n + len(used))]
        return f"a half-space of {listed([block.names[i] for i in np.flatnonzero(normal)])}", False
    index = used[(failure.row - 2 * n) % len(used)]
    return f"the limit of {block.action_names[index]}", True
