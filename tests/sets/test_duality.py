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
