"""The timing table of the safeguards."""

import jax
import pytest
from synthetic_action_sets import random_sets

from safebench import registry
from safebench.commands import bench_safeguards


def safeguards(*names):
    return {name: registry.load("safeguard", name).make() for name in names}


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


def test_measure_refuses_nothing_to_measure():
    sets = random_sets(0, 5, 16, 1)
    with pytest.raises(ValueError, match="no action set"):
        bench_safeguards.measure("pendulum", jax.tree.map(lambda x: x[:0], sets), safeguards("none"))
    with pytest.raises(ValueError, match="at least 1"):
        bench_safeguards.measure("pendulum", sets, safeguards("none"), batches=(0,))
