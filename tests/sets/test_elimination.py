"""The projection of a translated set: exact against brute force, and refused where it would not be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safebench.sets import elimination
from safebench.sets.polytope import Polytope, contains

LIMITS = np.array([0.7])
AXES = np.eye(3)[:, :1]


def random_base(seed: int, rows: int = 14) -> Polytope:
    """A polytope around the origin in three dimensions, bounded by a box."""
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(rows, 3)) * rng.choice([0.0, 1.0], size=(rows, 3), p=[0.2, 0.8])
    normals = normals[np.abs(normals).max(axis=1) > 0]
    box = np.vstack([np.eye(3), -np.eye(3)])
    return Polytope(
        np.vstack([normals, box]), np.concatenate([rng.uniform(0.3, 1.0, len(normals)), np.ones(6)])
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_projection_is_where_a_reference_exists(seed):
    base = random_base(seed)
    rng = np.random.default_rng(seed + 1)
    y = rng.uniform(-2, 2, (400, 3)) * rng.uniform(0, 1, (400, 1))  # some near the origin, which is inside
    projected = elimination.project(base, AXES, LIMITS)
    # Brute force: a reference on a fine grid; and the interval of references in closed form.
    grid = np.linspace(-LIMITS[0], LIMITS[0], 801)
    found = contains(base, y[:, None] - grid[:, None] * AXES[:, 0]).any(axis=1)
    margin = (projected.offsets - y @ projected.normals.T).min(axis=1)
    assert found[margin > 1e-2].all()
    assert not found[margin < -1e-9].any()
    low, high = elimination.reference_interval(base, AXES, LIMITS, y)
    plain = base.normals[:, 0] == 0
    exists = (low <= high).all(axis=1) & contains(Polytope(base.normals[plain], base.offsets[plain]), y)
    decided = np.abs(margin) > 1e-9
    assert (exists == (margin >= 0))[decided].all()
    assert exists.any()
    assert not exists.all()


def test_two_independent_translations():
    """The box |y| <= 1 with references up to 2 and 3 becomes the box |y| <= (3, 4)."""
    base = Polytope(np.vstack([np.eye(2), -np.eye(2)]), np.ones(4))
    projected = elimination.project(base, np.eye(2), np.array([2.0, 3.0]))
    assert contains(projected, np.array([[2.99, 3.99], [-2.99, 3.99]])).all()
    assert not contains(projected, np.array([[3.01, 0.0], [0.0, -4.01]])).any()


def test_coupled_translations_are_refused():
    base = Polytope(np.array([[1.0, 1.0]]), np.ones(1))
    with pytest.raises(ValueError, match="involves two translations"):
        elimination.project(base, np.eye(2), np.ones(2))


@pytest.mark.parametrize(
    "axes", [np.array([[2.0], [0.0]]), np.array([[0.6], [0.8]]), np.array([[1, 1], [0, 0]])]
)
def test_only_distinct_unit_coordinates_are_translations(axes):
    with pytest.raises(ValueError, match="translation"):
        elimination.coordinates(axes.astype(float))


@pytest.mark.parametrize("limit", [-0.7, np.nan, np.inf])
def test_a_limit_that_is_no_range_is_refused(limit):
    with pytest.raises(ValueError, match="must be finite and not negative"):
        elimination.project(random_base(0), AXES, np.array([limit]))
    elimination.project(random_base(0), AXES, np.zeros(1))  # a range of nothing is one


def test_a_projection_too_large_to_prove_is_refused():
    rng = np.random.default_rng(0)
    many = Polytope(rng.normal(size=(400, 3)), np.ones(400))
    with pytest.raises(ValueError, match=r"the projection of 402 rows has \d+ rows, more than 20000"):
        elimination.project(many, AXES, LIMITS)
    few = Polytope(many.normals[:100], many.offsets[:100])
    assert len(elimination.project(few, AXES, LIMITS).offsets) > 1000
