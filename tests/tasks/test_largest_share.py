"""How much of the largest safe set there is the shipped sets of linear tasks have, by exact volumes."""

from importlib import import_module

import numpy as np
import pytest
from largest_set import largest_share, parts, share

from safebench import registry
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


def driven(dt, strength, limits, disturbance):
    """The largest share of a joint that is commanded by acceleration: a double integrator."""
    push = np.array([[dt**2], [dt]])
    linear = np.array([[1.0, dt], [0.0, 1.0]]), strength * push, push, np.zeros(2)
    return largest_share(linear, limits, disturbance)


def test_cartpole_swingup(task_of):
    task = task_of("cartpole-swingup")
    largest = driven(0.02, 5.0, task.constraints, task.disturbance)
    found = of_certificate(task.certificate)
    assert largest == pytest.approx(0.938, abs=5e-4)
    assert 0.98 * largest < found < largest


@pytest.mark.parametrize(("name", "least"), [("arm2", 0.98), ("arm4", 0.97), ("arm7", 0.94), ("arm14", 0.86)])
def test_arms(name, least):
    """Joints move apart: the largest set is a product, that of a joint by itself each."""
    module = import_module(registry.modules("task")["arm2"])
    links = int(name[3:])
    limits, model = module.constraints(links), module.model(links)
    shares = [
        driven(
            model.opt.timestep,
            model.actuator_ctrlrange[k, 1],
            box(limits.lower[[k, links + k]], limits.upper[[k, links + k]]),
            box(module.disturbance(links).lower[[k]], module.disturbance(links).upper[[k]]),
        )
        for k in range(links)
    ]
    largest = np.prod(shares)
    found = registry.make_task(name, "compiled").certificate.volume
    assert least * largest < found[0]
    assert found[1] < largest
