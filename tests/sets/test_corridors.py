"""Condition 8, sets that move, against linear programs and simulated steps that know nothing of its rows."""

import itertools
from dataclasses import replace

import corridor_task
import numpy as np
import pytest
from scipy.optimize import linprog

from safebench.physics.dynamics import linear
from safebench.sets import conditions
from safebench.sets.certificate import Certificate
from safebench.sets.proof import Proof, verify

TOLERANCE = 1e-7
"""Of a linear program's answers, relative to the set's size."""


def proof(certificate: Certificate, dynamics=None) -> Proof:
    dynamics = dynamics or corridor_task.dynamics()
    return verify(certificate, dynamics.include(certificate.constraints, certificate.disturbance))


def slack(certificate: Certificate) -> float:
    """Condition 8 alone."""
    inclusion = corridor_task.dynamics().include(certificate.constraints, certificate.disturbance)
    return conditions.corridors(certificate, inclusion, eliminated(certificate))


def eliminated(certificate: Certificate) -> conditions.Eliminated:
    radius = conditions.half_extent(certificate.constraints, certificate.origin)
    return conditions.eliminated(certificate, radius)


def offsets(c: Certificate, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The rows' offsets as the theorem writes them."""
    moved = c.normals @ c.translations
    still = c.offsets - np.abs(moved) @ c.translation_limits
    return still + np.minimum(moved, 0) @ low + np.maximum(moved, 0) @ high


def farthest(direction: np.ndarray, normals: np.ndarray, bounds: np.ndarray, box=None) -> np.ndarray:
    """A point of {y : normals y <= bounds} farthest along a direction; box: further bounds of its entries."""
    found = linprog(-direction, normals, bounds, bounds=box if box is not None else (None, None))
    assert found.status == 0, found.message
    return found.x


def some_corridors(c: Certificate, count: int):
    """Widths of 0, some and the limits' own, anywhere."""
    rng, limits = np.random.default_rng(0), c.translation_limits
    yield -limits, limits
    for i in range(count):
        low, high = np.sort(rng.uniform(-limits, limits, (2, len(limits))), axis=0)
        mixed = np.where(rng.random(len(limits)) < 0.5, low, high)
        yield (mixed, mixed) if i % 3 == 0 else (low, high)


def references(c: Certificate, y: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether some r in the corridor has y - T r in S0: by its definition."""
    rates = -c.base_normals @ c.translations
    room = c.base_offsets - c.base_normals @ y + TOLERANCE
    found = linprog(np.zeros(len(low)), rates, room, bounds=np.stack([low - TOLERANCE, high + TOLERANCE], 1))
    return found.status == 0


@pytest.fixture(scope="module")
def certificate():
    return corridor_task.certificate()


def whole_set_differs(c: Certificate, directions: int, corridors: int) -> list[str]:
    """Where the rows' set is not S0 + T [low, high]: a reason for each point of one that the other lacks."""
    rng, found = np.random.default_rng(1), []
    size = conditions.half_extent(c.constraints, c.origin)
    for low, high in some_corridors(c, corridors):
        bounds = offsets(c, low, high)
        for direction in rng.normal(size=(directions, len(size))) / size:
            y = farthest(direction, c.normals, bounds)
            if not references(c, y, low, high):
                found.append(f"the rows hold at {y}, no reference of {low}, {high} does")
            z = farthest(direction, c.base_normals, c.base_offsets)
            y = z + c.translations @ np.where(direction @ c.translations > 0, high, low)
            if (c.normals @ y > bounds + TOLERANCE).any():
                found.append(f"{y} is S0's, carried along {low}, {high}, and no point of the rows")
    return found


def test_the_rows_of_a_corridor_are_the_base_set_carried_along_it(certificate):
    assert whole_set_differs(certificate, directions=6, corridors=4) == []


@pytest.mark.slow
def test_the_shipped_quadrotors_set_may_move(task_of):
    """It was found and shipped before there were corridors."""
    task = task_of("quadrotor", "compiled")
    inclusion = task.dynamics.include(task.constraints, task.disturbance)
    assert conditions.corridors(task.certificate, inclusion, eliminated(task.certificate)) >= 0
    assert whole_set_differs(task.certificate, directions=6, corridors=6) == []


def test_the_oracle_sees_rows_that_are_too_tight_and_too_loose(certificate):
    for factor, said in ((0.99, "no point of the rows"), (1.01, "no reference")):
        reach = np.abs(certificate.normals @ certificate.translations) @ certificate.translation_limits
        wrong = replace(certificate, offsets=reach + factor * (certificate.offsets - reach))
        found = whole_set_differs(wrong, directions=6, corridors=3)
        assert found
        assert all(said in each for each in found)


def worst_next(c: Certificate, dynamics, count: int) -> float:
    """How far the law's next states leave the rows of their own corridors, over vertices; relative."""
    rng, worst = np.random.default_rng(2), -np.inf
    scale = conditions.half_extent(c.constraints, c.origin)
    state, action, noise, constant = dynamics
    noises = [
        c.disturbance.centre + np.array(s) * c.disturbance.radius
        for s in itertools.product([-1, 1], repeat=2)
    ]
    for low, high in some_corridors(c, count):
        bounds = offsets(c, low, high)
        for direction in rng.normal(size=(4, len(scale))) / scale:
            z = farthest(direction, c.base_normals, c.base_offsets)
            r = np.where(rng.random(len(low)) < 0.5, low, high)
            y = z + c.translations @ r
            law = c.gain @ z + c.feedforward
            for w in noises:
                after = state @ y + action @ law + noise @ w + constant
                worst = max(worst, float(np.max((c.normals @ after - bounds) / c.offsets)))
    return worst


def matrices(pull: float = 0.0):
    """The toy's double integrators; pull: of a spring towards 0 on the first one, 1/s^2."""
    period = corridor_task.PERIOD
    push = np.vstack([period**2 * np.eye(2), period * np.eye(2)])
    state = np.block([[np.eye(2), period * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    state[:, 0] -= pull * push[:, 0]
    return state, corridor_task.PUSH * push, push, np.zeros(4)


def test_the_law_keeps_every_vertex_in_its_corridor(certificate):
    assert worst_next(certificate, matrices(), count=15) < 0
    assert worst_next(replace(certificate, gain=0 * certificate.gain), matrices(), count=15) > 0


def test_the_small_set_is_proven_and_says_so(certificate):
    found = proof(certificate)
    assert found.passed, found.failures
    assert found.slacks["corridors"] >= 0


def test_exactly_the_rows_that_matter_are_missed(certificate):
    """Dropping a row is refused if and only if it makes the set of some corridor larger.

    No row matters for narrow corridors only: the normals of S0 and a segment do not depend on its length.
    """
    assert slack(certificate) >= 0
    limits = certificate.translation_limits
    bounds = {width: offsets(certificate, -width * limits, width * limits) for width in (0.0, 1e-3, 1.0)}
    missed = dict.fromkeys(bounds, 0)
    for i in range(len(certificate.offsets)):
        row, kept = certificate.normals[i], np.arange(len(certificate.offsets)) != i
        matters = {}
        for width, most in bounds.items():
            y = farthest(row, certificate.normals[kept], most[kept], box=(-1e3, 1e3))
            matters[width] = bool(row @ y > most[i] + TOLERANCE)
            missed[width] += matters[width]
        assert matters[1e-3] == matters[1.0], i
        assert matters[0.0] <= matters[1.0], i
        fewer = replace(certificate, normals=certificate.normals[kept], offsets=certificate.offsets[kept])
        assert (slack(fewer) < 0) == matters[1.0], i
    assert 8 < missed[0.0] < missed[1.0]


@pytest.mark.parametrize("factor", [0.95, 0.9999, 1.05])
def test_a_base_set_that_is_not_the_rows_is_refused(certificate, factor):
    """One too small does not cover them; one much too large is left by its own law."""
    assert slack(replace(certificate, base_offsets=factor * certificate.base_offsets)) < 0


def test_a_base_set_too_large_by_less_than_the_law_contracts_is_harmless(certificate):
    """Its rows' sets are smaller than what it says, and invariant all the same."""
    larger = replace(certificate, base_offsets=1.0001 * certificate.base_offsets)
    assert slack(larger) >= 0
    assert worst_next(larger, matrices(), count=10) < 0
    found = whole_set_differs(larger, directions=6, corridors=3)
    assert all("no point of the rows" in each for each in found)


def test_rows_that_are_right_only_for_the_widest_corridor_are_refused(certificate):
    """What is left of the rows without the references must be the base set."""
    limits = 0.999 * certificate.translation_limits
    reach = np.abs(certificate.normals @ certificate.translations) @ certificate.translation_limits
    wrong = replace(certificate, translation_limits=limits, offsets=certificate.offsets)
    assert slack(wrong) < 0
    right = replace(wrong, offsets=certificate.offsets - 0.001 * reach)
    assert slack(right) >= 0


def test_a_coordinate_that_the_motion_depends_on_cannot_be_moved_along(certificate):
    """A weak spring holds the widest set together and pulls a body out of a narrow corridor far from it."""
    system = matrices(pull=0.2)
    dynamics = linear(*system)
    found = proof(replace(certificate, fingerprint=dynamics.fingerprint), dynamics)
    assert found.slacks["invariance"] > 0
    assert found.slacks["corridors"] < 0
    assert not found.passed
    assert worst_next(certificate, system, count=6) > 0  # and it does leave
