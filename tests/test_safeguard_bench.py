"""The timing table and the figure of the safeguards."""

import jax
import matplotlib
import numpy as np
import pytest
from synthetic_action_sets import random_sets

from safebench import bench_safeguards, registry
from safebench.draw_safeguards import draw

matplotlib.use("Agg")


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


@pytest.mark.parametrize("m", [1, 2])
def test_figures_are_drawn_from_the_safeguards(m, tmp_path):
    actions = jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, m))
    figure = draw(actions, safeguards("none", "ray-mask"))
    panels = [axes for axes in figure.axes if axes.get_title()]
    if m == 1:
        curves = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
        assert np.allclose(curves["none"], np.linspace(-1, 1, 801))
        masked = curves["ray-mask"][np.isfinite(curves["ray-mask"])]
        assert (np.outer(actions.normals[:, 0], masked) <= np.asarray(actions.offsets)[:, None]).all()
        assert np.ptp(masked) > 0
    else:
        assert [axes.get_title() for axes in panels] == ["none", "ray-mask"]
    draw(actions, safeguards("ray-mask"), tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 5000


def test_drawing_refuses_what_it_cannot_draw():
    actions = jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, 3))
    with pytest.raises(ValueError, match="not 3"):
        draw(actions, safeguards("none"))
    with pytest.raises(ValueError, match="no safeguard"):
        draw(jax.tree.map(lambda x: x[0], random_sets(0, 1, 6, 2)), {})
