"""Tasks whose constraints speak of some of their states only."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.commands.traces import units
from safebench.env import attack, safe_set
from safebench.env.rollout import boundary_point
from safebench.env.task import safe_set_of, with_others
from safebench.sets.polytope import half_spaces, symmetric_box

CART, POLE = [0, 2], [1, 3]


@pytest.fixture
def task(task_of):
    return task_of("cartpole-swingup", "compiled")


def test_the_set_says_nothing_of_the_others(task):
    assert task.constrained.tolist() == CART
    assert not task.safe_set.normals[:, POLE].any()
    assert not task.safe_set.gain[:, POLE].any()
    np.testing.assert_array_equal(task.safe_set.normals[:, CART], task.certificate.normals)
    for x in task.starts[:64]:
        wild = x.copy()
        wild[POLE] = 1e6
        assert safe_set.contains(task.safe_set, jnp.asarray(wild))
    outside = with_others(task, np.array([0.99, 1.9]))
    assert not safe_set.contains(task.safe_set, jnp.asarray(outside))


def test_the_box_of_all_states_has_the_ranges_of_the_others(task):
    np.testing.assert_array_equal(task.extent.upper, [1.0, 25.0, 2.0, 75.0])
    np.testing.assert_array_equal(with_others(task, np.array([0.1, 0.2])), [0.1, 0.0, 0.2, 0.0])


def test_without_starts_of_its_own_a_task_begins_with_zeros(task):
    bare = replace(task, starts=None)
    assert not bare.starts[:, POLE].any()
    np.testing.assert_array_equal(bare.starts[:, CART], task.starts[:, CART])


def test_attacks_begin_with_the_others_anywhere_and_the_cart_at_the_boundary(task):
    x = np.asarray(attack.beginnings(task)(0).x)
    spread = np.abs(x[:, POLE])
    assert spread[::2].max(axis=0) == pytest.approx([25.0, 75.0], rel=0.1)
    np.testing.assert_allclose(spread[1::2], [[np.pi, 0.0]] * (len(x) // 2), atol=0.1)
    slack = (task.safe_set.offsets - x @ task.safe_set.normals.T).min(axis=1)
    half = attack.BATCH // 2
    assert (slack >= 0).all()
    assert slack[:half].max() < 1e-9 < np.median(slack[half:])


def test_a_boundary_is_sought_along_the_constrained_states(task):
    x = task.starts[0]
    found = boundary_point(task, x, jax.random.key(0))
    np.testing.assert_array_equal(found[POLE], x[POLE])
    assert (task.safe_set.offsets - task.safe_set.normals @ found).min() < 1e-5


def test_the_box_and_half_spaces_have_the_constrained_states_alone(task):
    with pytest.raises(ValueError, match=r"constraints has 4 entries, the certificate was proven for 2"):
        replace(task, constraints=symmetric_box([1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match=r"half-spaces of 4 coordinates, the constraint box has 2"):
        replace(task, half_spaces=half_spaces([[1.0, 0.0, 1.0, 0.0]], [2.5]))


def test_the_set_of_another_certificate_is_widened_too(task):
    larger = replace(task.certificate, offsets=1.5 * task.certificate.offsets)
    made = safe_set_of(task, larger)
    assert made.normals.shape == task.safe_set.normals.shape
    assert (made.offsets > task.safe_set.offsets).all()
    assert units(task) == ("m", "rad", "m/s", "rad/s")
