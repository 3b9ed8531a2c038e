"""The attack finds what there is to find, and finds nothing against a certified safeguard."""

import pytest

from safebench import registry
from safebench.env import attack
from safebench.runs import presets

TASKS = [
    pytest.param(name, marks=[] if name in ("pendulum", "energy") else [pytest.mark.slow])
    for name in registry.names("task")
]


def guard_of(name):
    _, module, config = presets.resolve(name)
    return module.make(config)


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_found_against_a_certified_safeguard(name, task_of):
    record = attack.attack(task_of(name, "compiled"), "ray-mask", guard_of("ray-mask"), False, steps=1)
    assert record.as_expected, record
    assert record.steps == attack.ITERATIONS * attack.BATCH * attack.HORIZON
    assert record.first is None
    assert record.largest_excess <= 0
    assert record.largest_excess > -0.01, "the attack never came near the boundary"


@pytest.mark.parametrize("name", TASKS)
def test_the_same_attack_breaks_the_unguarded_system(name, task_of):
    record = attack.attack(task_of(name, "compiled"), "none", guard_of("none"), True, steps=1)
    assert record.as_expected
    assert record.first <= attack.CONTROL_STEPS
    assert record.outside > 0


@pytest.mark.parametrize("name", TASKS)
def test_the_same_attack_breaks_a_set_that_is_two_percent_too_large(name, task_of):
    wrong = attack.inflated(task_of(name, "compiled"))
    record = attack.attack(wrong, "inflated", guard_of("boundary-projection"), True, steps=1)
    assert record.as_expected
    assert record.first <= attack.CONTROL_STEPS


def test_half_of_the_starts_lie_on_the_boundary(task_of):
    task = task_of("pendulum", "compiled")
    points = attack.starts(task, seed=0)
    slack = (task.safe_set.offsets - points @ task.safe_set.normals.T) / task.safe_set.row_scale
    assert (slack >= 0).all()
    near = slack.min(axis=1) < 1e-10
    assert 0.4 < near.mean() <= 0.6
