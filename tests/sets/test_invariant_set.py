"""Invariant sets: pruning rows leaves the set as it was."""

import numpy as np

from safebench.sets.invariant_set import prune
from safebench.sets.polytope import Polytope, contains


def test_pruning_keeps_the_set():
    rng = np.random.default_rng(0)
    normals = np.vstack([rng.normal(size=(40, 3)), np.eye(3), -np.eye(3)])
    rows = Polytope(np.vstack([normals, normals[:5]]), np.concatenate([np.ones(46), np.full(5, 1.0)]))
    fewer = prune(rows, np.ones(3))
    points = rng.uniform(-1, 1, (5000, 3))
    np.testing.assert_array_equal(contains(rows, points), contains(fewer, points))
    assert len(fewer.offsets) < 46
