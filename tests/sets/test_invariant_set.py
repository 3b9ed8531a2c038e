"""Invariant sets: pruning rows leaves the set as it was."""

import numpy as np

from safebench.sets.blocks import decouple
from safebench.sets.inclusion import linear_inclusion
from safebench.sets.invariant_set import Law, invariant_set, prune
from safebench.sets.polytope import Polytope, contains, symmetric_box
from safebench.sets.search import Search


def test_pruning_keeps_the_set():
    rng = np.random.default_rng(0)
    normals = np.vstack([rng.normal(size=(40, 3)), np.eye(3), -np.eye(3)])
    rows = Polytope(np.vstack([normals, normals[:5]]), np.concatenate([np.ones(46), np.full(5, 1.0)]))
    fewer = prune(rows, np.ones(3))
    points = rng.uniform(-1, 1, (5000, 3))
    np.testing.assert_array_equal(contains(rows, points), contains(fewer, points))
    assert len(fewer.offsets) < 46


def test_a_closed_loop_that_forgets_its_state_has_rows_without_normals():
    """x1+ = 2 x2, x2+ = w: the rows end after one step, with the set |x1| <= 1, |2 x2| <= 1, and no 0/0."""
    constraints, disturbance = symmetric_box([1.0, 1.0]), symmetric_box([0.1])
    system = np.array([[0.0, 2.0], [0.0, 0.0]]), np.zeros((2, 0)), np.array([[0.0], [1.0]])
    (block,) = decouple(linear_inclusion(*system, np.zeros(2), constraints, disturbance), constraints, [])
    law = Law(np.zeros((0, 2)), np.zeros(0))
    found = invariant_set(block, law, np.zeros(0), Search(contraction=0.999), None)
    assert np.isfinite(found.normals).all()
    half_widths = (found.offsets[:, None] / np.abs(found.normals).clip(1e-12)).min(axis=0)
    np.testing.assert_allclose(half_widths, [1.0, 0.5], rtol=2e-3)
