"""Expressions: one code for many number types, and derivatives that are exact."""

import mpmath
import numpy as np
import pytest
from mechanisms import tree

from safebench.physics import rigid_body
from safebench.physics.expression import Graph, degrees, gradients, program, run, sine
from safebench.physics.recursions import factor
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


def test_a_quotient_that_is_folded_away_is_remembered():
    graph = Graph()
    x, y = graph.input(), graph.input()
    assert 0.0 / y == 0.0
    assert 0.0 * (x / (x + y)) == 0.0
    _ = x / 2.0
    assert graph.denominators == [y, x + y]
    code = program(graph, [0.0 / y])
    assert run(code, [1.0, 0.0], None, None) == [0.0]  # what the denominators are remembered for


def test_division_by_the_constant_0_is_refused():
    with pytest.raises(ValueError, match="constant 0"):
        Graph().input() / 0.0


def test_a_constant_inertia_that_is_not_positive_is_refused():
    graph = Graph()
    x = graph.input()
    factor([[2.0, 0.0], [x, 1.0]])
    with pytest.raises(ValueError, match="joint 1 moves an inertia of 0"):
        factor([[2.0, 0.0], [x, 0.0]])


def test_degrees_are_read_off_the_operations():
    graph = Graph()
    x, y = graph.input(), graph.input()
    outputs = [3.0 * x - y, x * y, x * x, x / (y + 2.0), 1.0 / x, sine(y) * x, 4.0, (x * 1e-300) * 1e-300 * x]
    code = program(graph, outputs)
    assert degrees(code, [0]) == [1, 1, 2, 1, 2, 1, 0, 0]
    assert degrees(code, [1]) == [1, 1, 0, 2, 0, 2, 0, 0]
    assert degrees(code, [0, 1]) == [1, 2, 2, 2, 2, 2, 0, 0]
