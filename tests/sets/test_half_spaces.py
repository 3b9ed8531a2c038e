"""Half-spaces beside the constraint box: searched with, proven, stored, and refused where they are left."""

from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from ball_models import Linear
from certified_systems import DT, double_integrator
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from second_opinion import read, second_opinion

from safebench.physics.dynamics import Dynamics, linear
from safebench.sets import certificate as certificates
from safebench.sets import proof
from safebench.sets.certificate import Certificate, digest, load, save
from safebench.sets.polytope import (
    Box,
    Polytope,
    box,
    check_half_spaces,
    contains,
    half_spaces,
    sample,
    symmetric_box,
)
from safebench.sets.search import Search, SynthesisError
from safebench.sets.synthesis import prove_safe_set, synthesise

QUICK = Search(candidates=12, refinements=5, samples=5000)
STATE, PUSH = np.array([[1.0, DT], [0.0, 1.0]]), np.array([[DT**2], [DT]])
LIMITS, LOUD = symmetric_box([1.0, 1.0]), symmetric_box([0.2])
ORIGIN = np.array([-0.2, 0.1])
BRAKE = half_spaces([[1.0, 1.0], [-0.5, -1.0]], [0.6, 0.7])
"""q + v <= 0.6 and q / 2 + v >= -0.7: neither follows from the box."""


def brake() -> Dynamics:
    """A double integrator, its origin off the middle; state (q, v)."""
    return linear(STATE, PUSH, PUSH, np.zeros(2), ORIGIN)


@pytest.fixture(scope="module")
def made() -> Certificate:
    return prove_safe_set(brake(), LIMITS, LOUD, "brake", search=QUICK, half_spaces=BRAKE)


def checked(certificate, asked=BRAKE) -> proof.Proof:
    dynamics = brake()
    inclusion = dynamics.include(LIMITS, LOUD)
    return proof.verify(certificate, inclusion, LIMITS, LOUD, dynamics.fingerprint, asked)


def farthest(certificate, normal) -> float:
    """max normal . x over the set, by a linear program of its own."""
    h = certificate.offsets
    found = linprog(-normal, certificate.normals, h, bounds=(None, None))
    return float(normal @ certificate.origin - found.fun)


# ------------------------------------------------------------------------------------------- found and proven


def test_the_set_lies_in_the_half_spaces_and_nearly_fills_them(made):
    assert checked(made).passed
    for normal, end in zip(*BRAKE, strict=True):
        assert 0.999 * end < farthest(made, normal) <= end
    inside = made.origin + sample(made.polytope, Box(LIMITS.lower - ORIGIN, LIMITS.upper - ORIGIN), 2000)
    assert contains(BRAKE, inside).all()
    # The box alone has a larger set, and it leaves them.
    plain = prove_safe_set(brake(), LIMITS, LOUD, "brake", search=QUICK)
    assert plain.volume[0] > made.volume[0] + 0.1
    assert farthest(plain, BRAKE.normals[0]) > 0.7
    assert plain.half_space_offsets.size == 0


def test_no_course_under_the_law_leaves_them(made):
    rng = np.random.default_rng(0)
    inside = sample(made.polytope, Box(LIMITS.lower - ORIGIN, LIMITS.upper - ORIGIN), 400)
    y = inside / (inside @ made.normals.T / made.offsets).max(axis=1, keepdims=True) * (1 - 1e-12)
    idle = y.copy()
    left = 0
    for _ in range(80):
        w = rng.choice([-0.2, 0.2], (400, 1))
        a = y @ made.gain.T + made.feedforward
        assert np.abs(a).max() <= 1
        still = (STATE - np.eye(2)) @ ORIGIN
        y = y @ STATE.T + (a + w) @ PUSH.T + still
        idle = idle @ STATE.T + w @ PUSH.T + still
        assert contains(BRAKE, ORIGIN + y).all()
        left += (~contains(BRAKE, ORIGIN + idle)).sum()
    assert left > 100  # the negative control: without the law many do


def test_the_slack_is_the_true_one(made):
    """As reported: the least distance that a linear program finds, less rounding."""
    found = checked(made).slacks["half-spaces"]
    reach = np.maximum(LIMITS.upper - ORIGIN, ORIGIN - LIMITS.lower)
    true = min((end - farthest(made, c)) / (np.abs(c) @ reach) for c, end in zip(*BRAKE, strict=True))
    assert 0 < found <= true + 1e-12
    assert found == pytest.approx(true, abs=1e-9)


def test_other_proofs_do_not_speak_of_half_spaces():
    inclusion, constraints, disturbance = double_integrator()
    plain = synthesise(inclusion, constraints, disturbance, "double", "f", search=QUICK)
    assert "half-spaces" not in proof.verify(plain, inclusion).slacks


def test_a_second_opinion_agrees(made):
    system = Linear(STATE, PUSH, PUSH, ORIGIN)
    asked = system, tuple(LIMITS), tuple(LOUD)
    assert second_opinion(made, *asked, tuple(BRAKE)) == []
    tight = replace(made, half_space_offsets=BRAKE.offsets - 1e-3)
    assert second_opinion(tight, *asked, tuple(tight.half_spaces)) == ["inside half-spaces"]
    assert second_opinion(made, *asked) == ["half-spaces"]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_whatever_is_proven_holds_whatever_is_cut_off_is_refused(made, seed):
    """A half-space at a random height: the proof passes exactly where a linear program says so."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=2) * 10.0 ** rng.uniform(-3, 3)
    top = farthest(made, normal)
    room = 10.0 ** rng.uniform(-9, -1) * np.abs(normal).sum()
    for sign in (1, -1):
        row = Polytope(normal[None], np.array([top + sign * room]))
        claim = replace(made, half_space_normals=row.normals, half_space_offsets=row.offsets)
        result = checked(claim, row)
        assert result.passed == (sign > 0)
        assert (result.slacks["half-spaces"] >= 0) == (sign > 0)


# ------------------------------------------------------------------------------------------- refused


def test_certificates_for_other_half_spaces_are_refused(made):
    normals, offsets = BRAKE
    forgotten = replace(made, half_space_normals=normals[:0], half_space_offsets=offsets[:0])
    assert checked(forgotten).failures == ("half-spaces: the certificate is for 0, the task has 2",)
    one = replace(made, half_space_normals=normals[:1], half_space_offsets=offsets[:1])
    assert "is for 1, the task has 2" in checked(one).failures[0]
    assert "is for 2, the task has 0" in checked(made, None).failures[0]
    wider = replace(made, half_space_offsets=offsets + np.array([0.0, 0.1]))
    assert checked(wider, wider.half_spaces).passed  # true, but not asked for
    assert "number 1 is [-0.5 -1. ] @ x <= 0.79999" in checked(wider).failures[0]
    assert not checked(replace(made, half_space_normals=-normals)).passed
    assert not checked(made, Polytope(normals[::-1], offsets[::-1])).passed


def test_a_tighter_half_space_is_not_proven(made):
    tighter = Polytope(BRAKE.normals, BRAKE.offsets - np.array([1e-4, 0.0]))
    claim = replace(made, half_space_normals=tighter.normals, half_space_offsets=tighter.offsets)
    result = checked(claim, tighter)
    assert [failure.partition(":")[0] for failure in result.failures] == ["half-spaces"]
    assert result.slacks["half-spaces"] < 0 < result.slacks["inside X"]
    for value in (np.nan, np.inf):
        broken = replace(made, half_space_offsets=np.array([value, 1.0]))
        assert not checked(broken, broken.half_spaces).passed


def test_shapes_that_do_not_fit_are_refused(made):
    for name, value in (
        ("half_space_offsets", BRAKE.offsets[:1]),
        ("half_space_normals", BRAKE.normals[:, :1]),
        ("half_space_normals", BRAKE.normals[:0]),
    ):
        with pytest.raises(ValueError, match=r"half_space_.* has shape"):
            checked(replace(made, **{name: value}))


@pytest.mark.parametrize(
    ("normals", "offsets", "message"),
    [
        ([1.0, 1.0], [1.0], r"normals of shape \(rows, n\)"),
        ([[1.0, 1.0]], [1.0, 2.0], r"got \(1, 2\) and \(2,\)"),
        (np.zeros((0, 2)), [], r"got \(0, 2\) and \(0,\)"),
        ([[1.0, np.nan]], [1.0], "half-space 0 must be finite, it is .*nan.* <= 1.0"),
        ([[1.0, 0.0], [0.0, 1.0]], [1.0, np.inf], "half-space 1 must be finite, it is .*<= inf"),
        ([[1.0, 0.0], [0.0, 0.0]], [1.0, 1.0], r"half-space 1 has the normal \[0. 0.\]"),
        ([[1.0, 0.0], [0.0]], [1.0, 1.0], "must be numbers"),
        ([["one", 0.0]], [1.0], "must be numbers"),
    ],
)
def test_bad_half_spaces_are_refused(normals, offsets, message):
    with pytest.raises(ValueError, match=message):
        half_spaces(normals, offsets)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (half_spaces([[1.0]], [0.0]), "half-spaces of 1 coordinates, the constraint box has 2"),
        (half_spaces([[1.0, 0.0], [1.0, 1.0]], [1.0, -2.5]), r"half-space 1, .* <= -2.5, leaves no interior"),
        (half_spaces([[1.0, 0.0], [-1.0, 0.0]], [0.1, -0.1]), "the 2 half-spaces together leave no interior"),
        (half_spaces([[1.0, 0.0], [-1.0, 0.0]], [0.1, -0.2]), "the 2 half-spaces together leave no interior"),
    ],
)
def test_half_spaces_that_leave_nothing_of_the_box_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        check_half_spaces(given, LIMITS)
    with pytest.raises(ValueError, match=message):
        prove_safe_set(brake(), LIMITS, LOUD, search=QUICK, half_spaces=given)
    check_half_spaces(BRAKE, LIMITS)


def test_half_spaces_of_very_different_units_are_no_empty_set():
    check_half_spaces(half_spaces([[1e-6, 1.0]], [-1e-7]), box([-1e6, -1e-6], [1e6, 1e-6]))


def test_an_origin_outside_is_refused():
    with pytest.raises(ValueError, match="must lie strictly inside half-space 0"):
        prove_safe_set(brake(), LIMITS, LOUD, search=QUICK, half_spaces=half_spaces([[1.0, 0.0]], [-0.3]))


def test_a_half_space_without_room_is_named():
    narrow = half_spaces([[0.1, 1.0], [-0.1, -1.0]], [0.1, -0.07])
    with pytest.raises(SynthesisError, match="because a half-space of state 0 and state 1 fails"):
        prove_safe_set(brake(), LIMITS, LOUD, search=QUICK, half_spaces=narrow)


# ------------------------------------------------------------------------------------------- references


def slides(count: int) -> tuple[Dynamics, Box, Box]:
    """Double integrators that may roam; state (q1, v1, q2, v2, ...)."""
    parts = np.eye(count)
    state, push = np.kron(parts, STATE), np.kron(parts, PUSH)
    box = symmetric_box(np.tile([5.0, 1.0], count))
    return linear(state, push, push, np.zeros(2 * count)), box, symmetric_box(np.full(count, 0.2))


def test_a_half_space_may_hold_a_coordinate_that_is_carried_along():
    dynamics, limits, loud = slides(1)
    ahead = half_spaces([[1.0, 2.0]], [4.0])  # q + 2 v <= 4
    search = replace(QUICK, candidates=6, share=(0.3,))
    found = prove_safe_set(dynamics, limits, loud, search=search, translations=(0,), half_spaces=ahead)
    assert 3.9 < farthest(found, ahead.normals[0]) <= 4.0
    assert found.translation_limits[0] > 1.0
    wide = prove_safe_set(dynamics, limits, loud, search=search, translations=(0,))
    assert farthest(wide, ahead.normals[0]) > 4.5


def test_half_spaces_that_join_two_references_are_refused():
    dynamics, limits, loud = slides(2)
    both = half_spaces([[0.0, 1.0, 0.0, 1.0]], [1.0])
    with pytest.raises(ValueError, match="join the translations state 0 and state 2"):
        prove_safe_set(dynamics, limits, loud, search=QUICK, translations=(0, 2), half_spaces=both)
    search = Search(candidates=4, refinements=0, samples=2000, share=(0.2,))
    made = prove_safe_set(dynamics, limits, loud, search=search, translations=(0,), half_spaces=both)
    assert 0.9 < farthest(made, both.normals[0]) <= 1.0  # one of them may be, though the row joins the parts


# ------------------------------------------------------------------------------------------- files


def test_round_trip(made, tmp_path):
    save(made, tmp_path / "c.npz")
    again = load(tmp_path / "c.npz", made.fingerprint)
    assert digest(again) == digest(made)
    np.testing.assert_array_equal(again.half_space_normals, BRAKE.normals)
    np.testing.assert_array_equal(again.half_space_offsets, BRAKE.offsets)
    changed = BRAKE.offsets.copy()
    changed[0] = np.nextafter(changed[0], 1)
    assert digest(replace(made, half_space_offsets=changed)) != digest(made)
    assert digest(replace(made, half_space_normals=2 * BRAKE.normals)) != digest(made)
    claim = read(tmp_path / "c.npz")  # with numpy alone
    np.testing.assert_array_equal(claim.half_space_offsets, BRAKE.offsets)


def test_half_spaces_cannot_be_taken_out_of_a_file(made, tmp_path):
    path = tmp_path / "c.npz"
    save(made, path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for gone, message in (
        (["half_space_normals"], "lacks half_space_normals"),
        (["half_space_normals", "half_space_offsets"], "do not match its digest"),
    ):
        np.savez(path, **{name: array for name, array in arrays.items() if name not in gone})
        with pytest.raises(ValueError, match=message):
            load(path)
    np.savez(path, **(arrays | {"half_space_offsets": arrays["half_space_offsets"] + 1}))
    with pytest.raises(ValueError, match="do not match its digest"):
        load(path)


def test_files_without_half_spaces_are_what_they_were(tmp_path):
    """The shipped ones say the same digest and have the same entries when they are written again."""
    folder = resources.files("safebench.tasks") / "certificates"
    plain = 0
    for path in sorted(folder.iterdir(), key=str):
        shipped = load(path)
        save(shipped, tmp_path / path.name)
        with np.load(path) as before, np.load(tmp_path / path.name) as after:
            assert before.files == after.files
            for name in before.files:
                assert before[name].tobytes() == after[name].tobytes()
            plain += "half_space_normals" not in after.files
        assert "half_space_normals" not in certificates._ARRAYS
    assert plain >= 8
