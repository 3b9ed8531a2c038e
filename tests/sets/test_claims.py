"""What a certificate states is checked: numbers, limits, names, volume, rounding."""

from dataclasses import replace

import numpy as np
import pytest
from certified_systems import cornered, double_integrator, driven

from safebench.sets import proof, rounding
from safebench.sets.certificate import defects, load, save
from safebench.sets.conditions import least
from safebench.sets.inclusion import linear_inclusion
from safebench.sets.polytope import Polytope, contains, symmetric_box
from safebench.sets.search import Search
from safebench.sets.synthesis import synthesise
from safebench.sets.volume import volume


@pytest.fixture(scope="module")
def small():
    """(certificate, inclusion) of a double integrator."""
    inclusion, constraints, disturbance = double_integrator()
    search = Search(candidates=12, refinements=5, samples=20_000)
    return synthesise(inclusion, constraints, disturbance, "double", "f", search=search), inclusion


# ---------------------------------------------------------------------------- limits of translations


def slide():
    push = np.array([[0.01], [0.1]])
    certificate = cornered(6.5)
    state = np.array([[1.0, 0.1], [0.0, 1.0]])
    return linear_inclusion(state, push, push, np.zeros(2), certificate.constraints, certificate.disturbance)


def test_a_negative_limit_is_refused_by_the_proof_and_in_a_file(tmp_path):
    for limit in (-6.5, -1e-9, np.nan, np.inf):
        checked = proof.verify(cornered(limit), slide())
        assert not checked.passed
        assert "translation_limits" in " ".join(checked.failures)
        save(cornered(limit), tmp_path / "c.npz")
        with pytest.raises(ValueError, match="translation_limits has the entry"):
            load(tmp_path / "c.npz")


def test_from_the_corner_of_that_set_every_action_leaves():
    """Control: the claim that a negative limit let pass is false, and a positive one was never accepted."""
    x = np.array([7.99, 0.9 * (1 - 1e-7)])
    for a in np.linspace(-1, 1, 201):
        after = np.array([[1.0, 0.1], [0.0, 1.0]]) @ x + np.array([0.01, 0.1]) * (a + 0.01)
        assert after[0] > 8.0
    checked = proof.verify(cornered(6.5), slide())
    assert not checked.passed
    assert checked.slacks["projection"] < 0


# ---------------------------------------------------------------------------- numbers


FIELDS = "origin normals offsets base_normals base_offsets gain feedforward magnitude".split()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e200])
@pytest.mark.parametrize("field", FIELDS)
def test_numbers_that_are_not_finite_or_absurd_are_named(small, field, value, tmp_path):
    made, inclusion = small
    changed = getattr(made, field).copy()
    changed.flat[-1] = value
    broken = replace(made, **{field: changed})
    checked = proof.verify(broken, inclusion)
    assert not checked.passed
    assert any(text.startswith(f"{field} has the entry") for text in checked.failures)
    save(broken, tmp_path / "c.npz")
    with pytest.raises(ValueError, match=f"{field} has the entry"):
        load(tmp_path / "c.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
@pytest.mark.parametrize("name", ["state", "action", "noise", "constant"])
def test_systems_with_such_numbers_are_refused_by_name(name, value):
    parts = {"state": np.eye(2), "action": np.ones((2, 1)), "noise": np.ones((2, 1)), "constant": np.zeros(2)}
    boxes = symmetric_box([1.0, 1.0]), symmetric_box([0.1])
    linear_inclusion(**parts, constraints=boxes[0], disturbance=boxes[1])
    parts[name] = np.where(np.arange(parts[name].size).reshape(parts[name].shape) == 0, value, parts[name])
    with pytest.raises(ValueError, match=f"{name} has the entry"):
        linear_inclusion(**parts, constraints=boxes[0], disturbance=boxes[1])


def test_boxes_with_such_numbers_are_refused_by_name():
    push = np.ones((1, 1))
    with pytest.raises(ValueError, match="the constraint box has the entry"):
        linear_inclusion(push, push, push, np.zeros(1), symmetric_box([1e200]), symmetric_box([0.1]))
    with pytest.raises(ValueError, match="the disturbance box has the entry"):
        linear_inclusion(push, push, push, np.zeros(1), symmetric_box([1.0]), symmetric_box([1e200]))


@pytest.mark.parametrize("value", [1.0, 1.5, -0.1, np.nan, np.inf])
def test_a_contraction_that_the_theorem_does_not_cover_is_refused(small, value):
    made, inclusion = small
    assert proof.verify(made, inclusion).passed
    checked = proof.verify(replace(made, contraction=value), inclusion)
    assert not checked.passed
    assert any("contraction" in text for text in checked.failures)


def test_a_nan_is_never_lost_among_slacks():
    assert least(0.5, np.array([1.0, 0.25])) == 0.25
    assert least(0.5, np.nan) == least(np.nan, 0.5) == least(np.array([0.5, np.nan])) == -np.inf
    assert min(0.5, np.nan) == 0.5  # what used to decide


def test_arrays_that_do_not_fit_are_refused_by_name(small):
    made, inclusion = small
    with pytest.raises(ValueError, match=r"normals has shape \(\d+, 2\), expected"):
        proof.verify(replace(made, normals=made.normals[1:]), inclusion)
    with pytest.raises(ValueError, match="translations has shape"):
        proof.verify(replace(made, translations=np.zeros((3, 0))), inclusion)


def test_a_row_of_any_length_counts():
    rows = Polytope(np.array([[1e200, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0]))
    assert not contains(rows, np.array([0.5, 0.0]))
    assert contains(rows, np.array([-0.5, 0.0]))


# ---------------------------------------------------------------------------- what the file says of itself


def claim(made, inclusion, name="double"):
    class Still:
        fingerprint = "f"
        state_names = action_names = ()

        @staticmethod
        def include(constraints, disturbance):
            return inclusion

    class Task:
        dynamics, constraints, disturbance = Still(), made.constraints, made.disturbance
        half_spaces = None

    Task.name, Task.certificate = name, made
    return Task()


def test_the_task_and_the_volume_are_compared(small):
    made, inclusion = small
    assert proof.prove(claim(made, inclusion)).passed
    other = proof.prove(claim(made, inclusion, "cartpole"))
    assert not other.passed
    assert "certificate is for 'double', the task is 'cartpole'" in other.failures[0]
    value, low, high = made.volume
    for boast in (
        (min(1.3 * value, 1.0), min(1.29 * value, 1.0), 1.0),
        (0.5 * value, 0.4 * value, 0.6 * value),
    ):
        checked = proof.prove(claim(replace(made, volume=boast), inclusion))
        assert not checked.passed
        assert "volume" in checked.failures[0]
    assert defects(replace(made, volume=(np.nan, low, high)))


def test_volume_is_the_share_of_the_box(small):
    made, _ = small
    sides = np.vstack([np.eye(2), -np.eye(2)])
    half = replace(made, normals=sides, offsets=np.array([0.5, 1.0, 0.5, 1.0]), origin=np.zeros(2))
    value, low, high = volume(half, 20_000)
    assert low < 0.5 < high
    assert abs(value - 0.5) < 0.02


# ---------------------------------------------------------------------------- rounding of strong actuators


def checked(strength: float, **changes):
    certificate, dynamics = driven(strength, **changes)
    return proof.verify(certificate, dynamics.include(certificate.constraints, certificate.disturbance))


def test_a_margin_too_small_for_the_actuator_is_refused():
    """What such a margin would let happen is shown in tests/env/test_rounding_margin.py."""
    for strength in (0.5, 1.0):
        assert checked(strength).passed
    for strength in (2000.0, 1e6):
        assert any(text.startswith("magnitude") for text in checked(strength).failures)
    # Stated, the magnitude enters condition 6: B = 1000 fits into the gap of this law, B = 1e6 does not.
    assert checked(1e3, magnitude=np.array([1002.0])).passed
    assert any(text.startswith("float32") for text in checked(1e6, magnitude=np.array([1e6 + 2])).failures)


def test_a_law_whose_large_terms_cancel_needs_a_wider_margin():
    plain = rounding.row_scale(np.ones((1, 2)), np.ones(1), np.ones(2), 1.0)
    steep = rounding.command_roundings(np.array([[1e6, -1e6]]), np.zeros(1), np.ones(2))
    assert steep == (2 * 2 + 6) * 2e6
    # Coordinates that the law does not look at round nothing.
    apart = np.array([[1e6, -1e6, 0.0, 0.0], [0.0, 0.0, 1e6, -1e6]])
    assert rounding.command_roundings(apart, np.zeros(2), np.ones(4)) == steep
    assert rounding.row_scale(np.ones((1, 2)), np.ones(1), np.ones(2), steep) > 1e5 * plain
