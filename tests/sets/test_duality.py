"""Bounds from weak duality: upper and tight, and never wrong whatever the multipliers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from safebench.sets.duality import upper_bounds
from safebench.sets.polytope import Polytope


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_weak_duality_bounds_are_upper_and_tight(seed):
    rng = np.random.default_rng(seed)
    normals = np.vstack([rng.normal(size=(10, 3)), np.eye(3), -np.eye(3)])
    polytope = Polytope(normals, np.concatenate([rng.uniform(0.2, 1, 10), np.ones(6)]))
    directions = rng.normal(size=(8, 3))
    bounds = upper_bounds(directions, polytope, np.ones(3)).value
    for direction, bound in zip(directions, bounds, strict=True):
        exact = -linprog(-direction, polytope.normals, polytope.offsets, bounds=(None, None)).fun
        assert exact - 1e-12 <= bound <= exact + 1e-8


def test_useless_multipliers_cannot_make_a_bound_wrong(monkeypatch):
    """The linear program is not trusted: with multipliers from nowhere the bound is still an upper bound."""
    rng = np.random.default_rng(0)
    polytope = Polytope(np.vstack([np.eye(3), -np.eye(3)]), np.full(6, 0.5))
    directions = rng.normal(size=(20, 3))
    exact = 0.5 * np.abs(directions).sum(axis=1)
    monkeypatch.setattr("safebench.sets.duality.multipliers", lambda *_: rng.uniform(0, 1, (20, 6)))
    assert (upper_bounds(directions, polytope, np.ones(3)).value >= exact).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_decoupled_parts_change_no_bound(seed):
    """Rows in two parts that share no coordinate, in any order: bounds are those of one program for all."""
    rng = np.random.default_rng(seed)
    normals, radius = np.zeros((20, 5)), rng.uniform(1, 2, 5)
    first, second = np.array([0, 3]), np.array([1, 2, 4])
    normals[:8, first], normals[8:, second] = rng.normal(size=(8, 2)), rng.normal(size=(12, 3))
    shuffled = rng.permutation(20)
    polytope = Polytope(normals[shuffled], rng.uniform(0.2, 1, 20))
    directions = np.vstack([rng.normal(size=(4, 5)), normals[[0, 9]], np.eye(5), np.zeros((1, 5))])
    bounds = upper_bounds(directions, polytope, radius).value
    box = np.stack([-radius, radius], axis=1)
    for direction, bound in zip(directions, bounds, strict=True):
        exact = -linprog(-direction, polytope.normals, polytope.offsets, bounds=box).fun
        assert exact - 1e-12 <= bound <= exact + 1e-8


def test_a_row_is_excluded_in_its_own_part_alone():
    polytope = Polytope(np.vstack([np.eye(2), -np.eye(2)]), np.full(4, 0.5))
    directions = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    bounds = upper_bounds(directions, polytope, np.full(2, 3.0), excluded=np.array([0, 1, 1, 1])).value
    np.testing.assert_allclose(bounds, [3.0, 0.5, 3.0, 3.5], atol=1e-9)
