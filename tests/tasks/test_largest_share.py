"""How much of the largest safe set there is the shipped sets of linear tasks have, by exact volumes."""

import numpy as np
import pytest
from largest_set import largest_share, parts, share

from safebench.sets.polytope import box, symmetric_box


def of_certificate(made):
    return share(made.normals, made.offsets + made.normals @ made.origin, made.constraints)


@pytest.mark.parametrize(("push", "expected"), [(0.0, 2 / 4), (0.25, 1.5 / 4)])
def test_the_oracle_on_a_closed_form(push, expected):
    """x+ = 1.5 x + a + w keeps |x| <= 2 (1 - |w|); another state does as it likes."""
    state, noise = np.diag([1.5, 0.5]), np.array([[1.0], [0.0]])
    linear = state, np.array([[1.0], [0.0]]), noise, np.zeros(2)
    found = largest_share(linear, symmetric_box([4.0, 1.0]), symmetric_box([push]), tolerance=1e-10)
    assert found == pytest.approx(expected, rel=1e-6)


def test_cruise(task_of):
    task = task_of("cruise")
    largest = largest_share(parts(task.dynamics, 3), task.constraints, task.disturbance)
    assert largest == pytest.approx(0.879, abs=5e-4)  # as the docstring says
    assert 0.9 * largest < of_certificate(task.certificate) < largest


def test_energy_heating(task_of):
    """Battery and house are apart, and the battery's whole box is safe."""
    task = task_of("energy-heating")
    state, action, noise, constant = parts(task.dynamics, 3)
    assert not state[0, 1:].any()
    assert not state[1:, 0].any()
    house = state[1:, 1:], action[1:, 1:], noise[1:], constant[1:]
    limits = box(task.constraints.lower[1:], task.constraints.upper[1:])
    largest = largest_share(house, limits, task.disturbance)
    found = of_certificate(task.certificate)
    assert largest == pytest.approx(0.9052, abs=5e-5)
    assert found == pytest.approx(0.9048, abs=5e-5)
    assert 0.999 * largest < found < largest
