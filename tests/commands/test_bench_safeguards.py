"""The timing table of the safeguards."""

import corridor_task
import jax
import numpy as np
import pytest
from synthetic_action_sets import random_sets

from safebench import registry
from safebench.commands import bench_safeguards


def safeguards(*names):
    return {name: registry.load("safeguard", name).make() for name in names}


@pytest.mark.slow
def test_measure_gives_a_row_per_safeguard_and_batch():
    sets = random_sets(0, 5, 16, 1)
    rows = bench_safeguards.measure(
        "pendulum", sets, safeguards("none", "ray-mask"), batches=(3, 8), repeats=3
    )
    assert [(r.task, r.safeguard, r.batch) for r in rows] == [
        ("pendulum", name, batch) for name in ("none", "ray-mask") for batch in (3, 8)
    ]
    for row in rows:
        assert row.forward_us > 0
        assert row.forward_backward_us > 0
    assert rows[0].faster is None
    assert rows[3].faster == pytest.approx(2300 / rows[3].forward_backward_us)


@pytest.mark.slow
def test_action_sets_are_those_of_a_fixed_set_and_of_one_that_moves(task_of):
    for task in (task_of("pendulum", "compiled"), corridor_task.make()):
        sets = bench_safeguards.action_sets(task, 32)
        m, rows = len(task.action_names), len(task.safe_set.offsets)
        assert sets.normals.shape == (32, rows + 2 * m, m)
        assert sets.centre.shape == (32, m)
        assert len(np.unique(np.asarray(sets.offsets), axis=0)) == 32
        assert (np.einsum("crm,cm->cr", sets.normals, sets.centre) <= sets.offsets).all()


def test_measure_refuses_nothing_to_measure():
    sets = random_sets(0, 5, 16, 1)
    with pytest.raises(ValueError, match="no action set"):
        bench_safeguards.measure("pendulum", jax.tree.map(lambda x: x[:0], sets), safeguards("none"))
    with pytest.raises(ValueError, match="at least 1"):
        bench_safeguards.measure("pendulum", sets, safeguards("none"), batches=(0,))
