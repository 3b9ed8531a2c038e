"""Expressions: one code for many number types, and derivatives that are exact."""

import mpmath
import numpy as np
import pytest
from mechanisms import tree

from safebench.physics import rigid_body
from safebench.physics.expression import gradients, program, run
from safebench.sets import interval
from safebench.sets.interval import Interval


@pytest.mark.parametrize(("seed", "joints"), [(0, 1), (5, 2), (9, 3)])
def test_interval_accelerations_contain_sampled_ones(seed, joints):
    model = tree(seed, joints)
    code = program(*rigid_body.accelerations_of(model))
    rng = np.random.default_rng(seed)
    low = rng.uniform(-1, 1, code.inputs)
    high = low + rng.uniform(0, 0.1, code.inputs)
    bounds = run(code, [Interval(x, y) for x, y in zip(low, high, strict=True)], interval.sin, interval.cos)
    for _ in range(50):
        z = [mpmath.mpf(x) for x in rng.uniform(low, high)]
        for bound, exact in zip(bounds, run(code, z, mpmath.sin, mpmath.cos), strict=True):
            assert bound.lower <= exact <= bound.upper


@pytest.mark.parametrize(("seed", "joints"), [(0, 1), (5, 3), (9, 5)])
def test_jacobian_expressions_are_derivatives(seed, joints):
    graph, outputs = rigid_body.accelerations_of(tree(seed, joints))
    entries = [entry for row in gradients(outputs, graph.inputs) for entry in row]
    value, slope = program(graph, outputs), program(graph, entries)
    z = [mpmath.mpf(x) for x in np.random.default_rng(seed).uniform(-1, 1, len(graph.inputs))]
    with mpmath.workdps(40):
        jacobian = np.array(run(slope, z, mpmath.sin, mpmath.cos)).reshape(joints, -1)
        for j in range(len(z)):
            ahead, behind = list(z), list(z)
            ahead[j], behind[j] = z[j] + mpmath.mpf(10) ** -15, z[j] - mpmath.mpf(10) ** -15
            ends = [run(value, y, mpmath.sin, mpmath.cos) for y in (ahead, behind)]
            for i in range(joints):
                difference = (ends[0][i] - ends[1][i]) / (2 * mpmath.mpf(10) ** -15)
                assert abs(difference - jacobian[i, j]) < 1e-15 * (1 + abs(difference))
