"""Docking: its dynamics and its cone against formulas written out, its set against the limits it keeps."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ball_models import Linear
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from second_opinion import second_opinion
from set_attack import attack, linear_plant

from safebench.env.task import violation
from safebench.sets.polytope import Polytope, contains
from safebench.sets.proof import prove
from safebench.tasks import docking

N, MASS = 0.001027, 12.0
LIMITS = docking.CONSTRAINTS


@pytest.fixture(scope="module")
def task():
    return docking.make()


@pytest.fixture(scope="module")
def sighted():
    return docking.make(line_of_sight=True)


def matrices(period: float) -> tuple[np.ndarray, np.ndarray]:
    """State and acceleration matrices of a step, by the matrix exponential."""
    drift = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [3 * N * N, 0, 0, 2 * N], [0, 0, -2 * N, 0]])
    both = expm(period * np.block([[drift, np.eye(4)[:, 2:]], [np.zeros((2, 6))]]))
    return both[:4, :4], both[:4, 4:]


def written_out() -> tuple[np.ndarray, np.ndarray]:
    """State and acceleration matrices of a second, by the closed solution of Clohessy and Wiltshire."""
    s, c = np.sin(N), np.cos(N)
    state = [
        [4 - 3 * c, 0, s / N, 2 * (1 - c) / N],
        [6 * (s - N), 1, -2 * (1 - c) / N, (4 * s - 3 * N) / N],
        [3 * N * s, 0, c, 2 * s],
        [-6 * N * (1 - c), 0, -2 * s, 4 * c - 3],
    ]
    force = [
        [(1 - c) / N**2, 2 * (N - s) / N**2],
        [-2 * (N - s) / N**2, 4 * (1 - c) / N**2 - 1.5],
        [s / N, 2 * (1 - c) / N],
        [-2 * (1 - c) / N, 4 * s / N - 3],
    ]
    return np.array(state), np.array(force)


def test_a_step_is_the_closed_solution_and_the_matrix_exponential(task):
    state, force = written_out()
    moved, pushed = matrices(1.0)
    affine = task.dynamics.linearise(jnp.zeros(4))
    rng = np.random.default_rng(0)
    for x in rng.uniform(*LIMITS, (50, 4)):
        a, w = rng.uniform(-1, 1, 2), rng.uniform(*docking.DISTURBANCE)
        push = a / MASS + w
        after = np.asarray(task.dynamics.step(jnp.asarray(x), jnp.asarray(a), jnp.asarray(w)))
        np.testing.assert_allclose(after, moved @ x + pushed @ push, rtol=0, atol=1e-13)
        np.testing.assert_allclose(after, state @ x + force @ push, rtol=0, atol=1e-9)  # it cancels
    assert np.abs(affine.control).max() == pytest.approx(1 / MASS, rel=1e-5)


def test_in_sight_a_step_takes_two_seconds(sighted):
    moved, pushed = matrices(2.0)
    affine = sighted.dynamics.linearise(jnp.array([30.0, 1.0, 0.1, 0.0]))
    np.testing.assert_allclose(affine.control, pushed / MASS, rtol=0, atol=1e-15)
    np.testing.assert_allclose(affine.noise, pushed, rtol=0, atol=1e-15)
    np.testing.assert_allclose(affine.drift, moved @ [30.0, 1.0, 0.1, 0.0], rtol=0, atol=1e-13)
    assert sighted.control_period == 2.0
    assert sighted.horizon * 2.0 == docking.make().horizon


def test_a_minute_is_that_of_an_integrator(task):
    """Thrust changes every second; Runge and Kutta know nothing of matrices."""
    x = there = np.array([60.0, -20.0, -0.1, 0.05])
    rng = np.random.default_rng(1)
    for _ in range(60):
        a, w = rng.uniform(-1, 1, 2), rng.uniform(*docking.DISTURBANCE)
        px, py = a / MASS + w

        def rate(t, s, px=px, py=py):
            return [s[2], s[3], 3 * N * N * s[0] + 2 * N * s[3] + px, -2 * N * s[2] + py]

        there = solve_ivp(rate, (0, 1), there, rtol=1e-11, atol=1e-13).y[:, -1]
        x = np.asarray(task.dynamics.step(jnp.asarray(x), jnp.asarray(a), jnp.asarray(w)))
    np.testing.assert_allclose(x, there, rtol=0, atol=1e-8)


@settings(max_examples=300, deadline=None)
@given(
    x=st.floats(-0.5, 100),
    y=st.floats(-100, 100),
    share=st.floats(0, 2),
    angle=st.floats(0, 2 * np.pi),
)
def test_the_half_spaces_are_an_octagon_in_the_circle_and_no_laxer_than_the_papers_limit(x, y, share, angle):
    limit = 0.2 + 2 * N * x
    velocity = share * limit * np.array([np.cos(angle), np.sin(angle)])
    inside = contains(docking.SPEED_LIMIT, np.array([x, y, *velocity]))
    if inside:
        assert np.hypot(*velocity) <= (0.2 + 2 * N * np.hypot(x, y)) * (1 + 1e-12)
    # An octagon whose corners are at multiples of 45 degrees: its side is this far at this angle.
    off = (angle + np.pi / 8) % (np.pi / 4) - np.pi / 8
    reach = np.cos(np.pi / 8) / np.cos(np.pi / 8 - abs(off))
    assert 0.92 < reach < 1 + 1e-9
    if abs(share - reach) > 1e-9:
        assert inside == (share < reach)


@pytest.mark.parametrize(
    ("name", "rows", "of_free", "of_docked", "of_both"),
    [("task", 46, 0.985, 0.8, 0.9), ("sighted", 108, 0.97, 0.65, 0.75)],
)
def test_the_set_is_proven_and_fills_the_constraints(request, name, rows, of_free, of_docked, of_both):
    task = request.getfixturevalue(name)
    proof = prove(task)
    assert proof.passed, proof.failures
    assert proof.slacks["half-spaces"] > 0
    assert proof.rows == rows
    rng = np.random.default_rng(0)
    points = rng.uniform(*LIMITS, (200_000, 4))
    free = contains(task.half_spaces, points)
    safe = contains(task.certificate.polytope, points - task.certificate.origin)
    assert not (safe & ~free).any()
    assert (safe & free).sum() > of_free * free.sum()
    fast = np.hypot(*points[:, 2:].T) > 0.2 + 2 * N * np.hypot(*points[:, :2].T)
    assert not (safe & fast).any()
    hidden = np.abs(points[:, 1]) > points[:, 0] + 5
    assert (safe & hidden).any() == (name == "task")
    # Of what counts as docked, most: the rest moves away from the port too fast to stop at x = -0.5 m.
    near = rng.uniform(-1, 1, (200_000, 4)) * [0.5, 0.5, 0.2, 0.2]
    near = near[(np.hypot(*near[:, :2].T) <= 0.5) & (np.hypot(*near[:, 2:].T) <= 0.2)]
    safe = contains(task.certificate.polytope, near - task.certificate.origin)
    assert safe.mean() > of_docked
    assert safe[contains(task.half_spaces, near)].mean() > of_both


def test_a_set_of_the_box_alone_is_refused(task):
    """Its states obey no speed limit near the port."""
    nothing = {"half_space_normals": np.zeros((0, 4)), "half_space_offsets": np.zeros(0)}
    forgotten = replace(task, certificate=replace(task.certificate, **nothing))
    assert prove(forgotten).failures == ("half-spaces: the certificate is for 0, the task has 8",)
    slower = Polytope(docking.SPEED_LIMIT.normals, docking.SPEED_LIMIT.offsets - 1e-3)
    claimed = replace(task.certificate, half_space_offsets=slower.offsets)
    failures = prove(replace(task, half_spaces=slower, certificate=claimed)).failures
    assert len(failures) == 1
    assert failures[0].startswith("half-spaces: the set leaves a half-space")


@pytest.mark.parametrize("name", ["task", pytest.param("sighted", marks=pytest.mark.slow)])
def test_a_second_opinion_and_an_attack_agree(request, name):
    task = request.getfixturevalue(name)
    state, force = matrices(task.control_period)
    boxes = tuple(LIMITS), tuple(task.disturbance)
    asked = Linear(state, force / MASS, force, np.array([25.0, 0.0, 0.0, 0.0])), *boxes
    cone = tuple(task.half_spaces)
    certificate = task.certificate
    assert second_opinion(certificate, *asked, cone) == []
    slower = replace(certificate, half_space_offsets=task.half_spaces.offsets - 1e-3)
    assert second_opinion(slower, *asked, tuple(slower.half_spaces)) == ["inside half-spaces"]
    plant = linear_plant(state, force / MASS, force, np.zeros(4), *boxes)._replace(half_spaces=cone)
    assert attack(certificate, plant) == []
    larger = replace(certificate, offsets=1.02 * certificate.offsets)
    assert attack(larger, plant)
    weak = linear_plant(state, force / (50 * MASS), force, np.zeros(4), *boxes)._replace(half_spaces=cone)
    assert attack(certificate, weak)


def test_docked_is_near_and_slow():
    for x, docked in (
        ([0.0, 0.0, 0.0, 0.0], True),
        ([0.3, -0.3, 0.14, 0.14], True),
        ([0.36, 0.36, 0.0, 0.0], False),
        ([0.1, 0.0, 0.15, -0.15], False),
        ([50.0, 0.0, 0.0, 0.0], False),
    ):
        assert docking.reached(jnp.array(x), ()).tolist() == [docked]


def test_the_reward_pays_for_the_way_and_charges_fuel():
    x, after = jnp.array([30.0, 40.0, 0.0, 0.0]), jnp.array([27.0, 36.0, 0.0, 0.0])
    assert float(docking.reward(x, jnp.zeros(2), after, ())) == pytest.approx(5.0)
    assert float(docking.reward(x, jnp.array([1.0, -0.5]), after, ())) == pytest.approx(5.0 - 0.02 * 1.25)
    at_port = jax.grad(lambda after: docking.reward(x, jnp.zeros(2), after, ()))(jnp.zeros(4))
    assert np.isfinite(at_port).all()


def test_too_fast_near_the_port_is_a_violation_inside_the_box(task):
    """From rest near the port with a steady push to the side."""
    x = jnp.array([1.0, 0.0, 0.0, 0.0])
    first = None
    for _ in range(20):
        x = task.dynamics.step(x, jnp.array([0.0, 1.0]), jnp.zeros(2))
        violated, beyond = violation(task, x, ())
        assert bool(violated) == bool(beyond > 0)
        if violated and first is None:
            first = np.asarray(x)
    assert first is not None
    assert np.hypot(*first[2:]) > 0.2  # too fast, and still near the port
    assert ((LIMITS.lower <= first) & (first <= LIMITS.upper)).all()
