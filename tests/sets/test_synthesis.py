"""Synthesis: proven sets for linear systems, that simulation confirms, and clear refusals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from certified_systems import coupled_chain, double_integrator, random_system
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from safebench.physics.dynamics import linear
from safebench.sets import proof
from safebench.sets.polytope import contains, sample, symmetric_box
from safebench.sets.search import Search, SynthesisError
from safebench.sets.synthesis import prove_safe_set, synthesise

QUICK = Search(candidates=12, refinements=5, samples=5000)


def made_for(system, search=QUICK, **options):
    inclusion, constraints, disturbance = system
    return synthesise(inclusion, constraints, disturbance, "test", "f", search=search, **options)


def departures(certificate, step, disturbance, steps=60, starts=200, law=1.0):
    """How many of `starts` simulated courses under the certified law leave the set: boundary starts,
    disturbances at random vertices of the box."""
    rng = np.random.default_rng(0)
    limits = certificate.constraints
    inside = sample(certificate.polytope, limits, starts)
    rates = inside @ certificate.normals.T / certificate.offsets
    y = inside / rates.max(axis=1, keepdims=True) * (1 - 1e-12)  # on the boundary
    left = np.zeros(starts, bool)
    for _ in range(steps):
        corner = rng.random((starts, len(disturbance.lower))) < 0.5
        w = np.where(corner, disturbance.lower, disturbance.upper)
        a = law * y @ certificate.gain.T + certificate.feedforward
        y = step(y, np.clip(a, -1, 1), w)
        left |= ~contains(certificate.polytope, y)
    return int(left.sum())


def test_double_integrator_has_a_proven_set_that_simulation_confirms():
    state, push = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[0.01], [0.1]])
    constraints, disturbance = symmetric_box([1.0, 1.0]), symmetric_box([0.2])
    dynamics = linear(state, push, push, np.zeros(2))
    made = prove_safe_set(dynamics, constraints, disturbance, search=replace(QUICK, candidates=24))
    assert made.volume[1] > 0.65
    assert made.fingerprint == dynamics.fingerprint

    def step(y, a, w):
        return y @ state.T + (a + w) @ push.T

    assert departures(made, step, disturbance) == 0
    # Negative controls: a louder disturbance drives states out, and so does an idle law.
    assert departures(made, step, symmetric_box([0.6])) > 0
    assert departures(made, step, disturbance, law=0.0) > 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_random_systems_are_refused_or_proven_and_invariant(seed):
    inclusion, constraints, disturbance, noise = random_system(seed)
    try:
        made = made_for((inclusion, constraints, disturbance), replace(QUICK, candidates=6, refinements=0))
    except SynthesisError:
        return
    assert proof.verify(made, inclusion, constraints, disturbance, "f").passed
    drift = inclusion.support(np.eye(len(noise))) - inclusion.support(-np.eye(len(noise)))
    centre = 0.5 * drift - noise @ disturbance.centre  # the constant part, to rounding

    def step(y, a, w):
        return y @ inclusion.state.T + a @ inclusion.action.T + w @ noise.T + centre

    assert departures(made, step, disturbance, steps=20, starts=50) == 0


def test_most_random_systems_get_a_set():
    found = 0
    for seed in range(12):
        try:
            made_for(random_system(seed)[:3], replace(QUICK, candidates=6, refinements=0))
            found += 1
        except SynthesisError:
            pass
    assert found >= 8


def test_coupled_chain_of_six_states():
    state, action, noise, constraints, disturbance = coupled_chain(3, 2)
    dynamics = linear(state, action, noise, np.zeros(6))
    seen = []
    made = prove_safe_set(
        dynamics, constraints, disturbance, search=QUICK, progress=lambda *event: seen.append(event)
    )
    assert made.volume[1] > 0.1
    assert all(0 <= done <= total for _, done, total in seen)
    assert len({text for text, *_ in seen}) >= 2


def test_coupled_chain_of_twelve_states():
    state, action, noise, constraints, disturbance = coupled_chain(6, 4)
    dynamics = linear(state, action, noise, np.zeros(12))
    made = prove_safe_set(dynamics, constraints, disturbance, search=QUICK)
    assert made.volume[1] > 0.0
    assert len(made.offsets) > 24 + 8  # more than the constraints and the action limits
    assert np.count_nonzero(made.gain) == made.gain.size  # no part of the chain is on its own
    inclusion = dynamics.include(constraints, disturbance)
    assert proof.verify(made, inclusion, constraints, disturbance, dynamics.fingerprint).passed


def farthest(polytope):
    """The largest first coordinate, by linear programming."""
    return -linprog(-np.eye(4)[0], polytope.normals, polytope.offsets, bounds=(None, None)).fun


def test_decoupled_parts_and_a_translation():
    """Two double integrators, one free to roam: the set covers most of a wide corridor."""
    inclusion, _, _ = double_integrator()
    state = np.kron(np.eye(2), inclusion.state)
    push = np.kron(np.eye(2), inclusion.action)
    constraints, disturbance = symmetric_box([6.0, 1.0, 1.0, 1.0]), symmetric_box([0.2, 0.2])
    dynamics = linear(state, push, push, np.zeros(4))
    search = replace(QUICK, candidates=8, refinements=0, share=(0.2,))
    made = prove_safe_set(dynamics, constraints, disturbance, search=search, translations=(0,))
    assert made.translation_limits[0] == pytest.approx(4.8)
    assert np.count_nonzero(made.gain[0, 2:]) == np.count_nonzero(made.gain[1, :2]) == 0
    assert farthest(made.base) < 1.21
    assert farthest(made.polytope) > 5.9
    assert made.volume[1] > 0.5
    # Negative control of the proof: forget one row of the projection.
    coupled = np.argmax(np.count_nonzero(made.normals, axis=1) * (made.normals[:, 0] != 0))
    fewer = replace(
        made, normals=np.delete(made.normals, coupled, 0), offsets=np.delete(made.offsets, coupled)
    )
    claim = SimpleNamespace(dynamics=dynamics, constraints=constraints, disturbance=disturbance)
    claim.name, claim.certificate, claim.half_spaces = made.task, made, None
    assert proof.prove(claim).passed
    claim.certificate = fewer
    assert not proof.prove(claim).passed


def test_a_hopeless_disturbance_is_explained():
    inclusion, constraints, disturbance = double_integrator(loudness=6.0)
    with pytest.raises(SynthesisError, match=r"fails \d+ step.*lacks.*try a smaller disturbance"):
        made_for((inclusion, constraints, disturbance))


def test_an_uncontrollable_instability_is_explained():
    dynamics = linear(np.diag([1.2, 0.5]), np.array([[0.0], [1.0]]), np.zeros((2, 1)), np.zeros(2))
    with pytest.raises(SynthesisError, match="proven for state 0: no action moves state 0, "):
        prove_safe_set(dynamics, symmetric_box([1.0, 1.0]), symmetric_box([0.1]), search=QUICK)


def test_messages_and_progress_use_names():
    state, push = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[0.01], [0.1]])
    named = replace(
        linear(state, push, push, np.zeros(2)), state_names=("cart", "cartdot"), action_names=("winch",)
    )
    box, seen = symmetric_box([1.0, 1.0]), []
    loud = {"search": QUICK, "progress": lambda *event: seen.append(event[0])}
    with pytest.raises(SynthesisError, match=r"safe set found for cart, cartdot.* the limit of winch fails"):
        prove_safe_set(named, box, symmetric_box([1.2]), **loud)
    assert set(seen) == {"laws for cart, cartdot"}
    with pytest.raises(SynthesisError, match=r"safe set found for x, cartdot.* the limit of winch fails"):
        prove_safe_set(named, box, symmetric_box([1.2]), state_names=("x", "cartdot"), **loud)
    with pytest.raises(ValueError, match="1 state names for 2 states: x"):
        prove_safe_set(named, box, symmetric_box([1.2]), state_names=("x",), **loud)


def test_bad_requests_are_refused():
    inclusion, constraints, disturbance = double_integrator()
    with pytest.raises(ValueError, match="no translation"):
        made_for((inclusion, constraints, disturbance), translations=(1,))
    with pytest.raises(ValueError, match="not a state"):
        made_for((inclusion, constraints, disturbance), translations=(7,))
    with pytest.raises(ValueError, match="strictly inside"):
        made_for((inclusion._replace(origin=np.array([2.0, 0.0])), constraints, disturbance))
    with pytest.raises(ValueError, match=r"1\.5 leaves nothing of 1, the half-width of state 0"):
        made_for((inclusion, constraints, disturbance), translations=(0,), translation_limits=(1.5,))
    for limit in (-0.5, np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match=f"translation limit {limit} of cart must be finite"):
            made_for(
                (inclusion, constraints, disturbance),
                translations=(0,),
                translation_limits=(limit,),
                state_names=("cart", "cartdot"),
            )
    with pytest.raises(ValueError, match="2 translation limits for 1 translations"):
        made_for((inclusion, constraints, disturbance), translations=(0,), translation_limits=(0.5, 0.5))
    with pytest.raises(ValueError, match="given twice"):
        made_for((inclusion, constraints, disturbance), translations=(0, 0))
    # Negative control: a limit of zero is a range, if a small one.
    kept = made_for((inclusion, constraints, disturbance), translations=(0,), translation_limits=(0.0,))
    assert kept.translation_limits[0] == 0.0


def test_an_action_that_moves_nothing_is_named():
    dynamics = linear(0.5 * np.eye(1), np.array([[1.0, 0.0]]), np.ones((1, 1)), np.zeros(1))
    boxes = symmetric_box([1.0]), symmetric_box([0.1])
    with pytest.raises(ValueError, match="gripper moves no state"):
        prove_safe_set(dynamics, *boxes, search=QUICK, action_names=("winch", "gripper"))
