"""Figures: the same every time, told apart by everyone, whole with diverged seeds."""

import dataclasses

import matplotlib.colors
import numpy as np
import pytest
from synthetic_results import SMALL, grid, make

from safebench.record import result
from safebench.report import paper, plots, stats, summary, tables
from safebench.report.table import markdown


def test_svg_figures_are_the_same_every_time(tmp_path):
    """Figures are committed: drawing them again must not change them."""
    first = plots.save(plots.learning_curves(grid()[:3]), tmp_path / "a")
    second = plots.save(plots.learning_curves(grid()[:3]), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_every_preset_looks_different():
    names = [
        *(
            "none",
            "boundary-projection",
            "boundary-projection+regularised",
            "ray-mask",
            "ray-mask+regularised",
        ),
        *("ray-mask+passthrough", "ray-mask+orthogonal", "ray-mask-hyperbolic"),
        *("ray-mask-hyperbolic+regularised", "replacement", "cbf-qp"),
    ]
    looks = {(plots.colour(name), str(plots.dashes(name))) for name in names}
    assert len(looks) == len(names)
    assert plots.colour("ray-mask+passthrough") == plots.colour("ray-mask")


def test_colours_are_told_apart_with_every_common_colour_vision():
    """CIE76 distance of every pair of safeguard colours, as seen and after simulated dichromacy."""
    # Vienot, Brettel and Mollon (1999): linear RGB seen by protanopes and deuteranopes.
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    colours = np.array([matplotlib.colors.to_rgb(colour) for colour in plots.COLOURS.values()])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for vision in (np.eye(3), protan, deutan):
        lab = _lab(np.clip(linear @ vision.T, 0, 1))
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert distances[np.triu_indices(len(lab), 1)].min() > 12
    red_and_green = np.array([[0.35, 0.1, 0.0], [0.1, 0.2, 0.0]])  # the control: a pair that deutans confuse
    seen = _lab(red_and_green @ deutan.T)
    assert np.linalg.norm(seen[0] - seen[1]) < 12


def _lab(linear):
    xyz = linear @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def test_normalised_scores_use_the_tasks_that_all_have():
    scores = plots.normalised_scores([cell for cell in grid() if cell.learner.name == "shac"])
    assert {name: len(tasks) for name, tasks in scores.items()} == {  # the pendulum alone has all four
        "none": 1,
        "boundary-projection": 1,
        "ray-mask": 1,
        "ray-mask+orthogonal": 1,
    }
    by_name = plots.normalised_scores(
        [make(safeguard=name, final=final, **SMALL) for name, final in (("none", -9.0), ("ray-mask", -8.0))]
    )
    assert float(stats.iqm(by_name["ray-mask"][0])) == pytest.approx(1.0)
    assert float(stats.iqm(by_name["none"][0])) == pytest.approx(0.0)


def test_a_diverged_seed_does_not_break_a_figure(tmp_path):
    cell = make(safeguard="ray-mask", **SMALL)
    curves = [
        dataclasses.replace(run.curve, return_mean=(*run.curve.return_mean[:-1], None)) for run in cell.runs
    ]
    runs = tuple(result.make_run(run.seed, curve) for run, curve in zip(cell.runs, curves, strict=True))
    diverged = dataclasses.replace(cell, runs=runs, non_finite_seeds=cell.seeds)
    both = [diverged, make(safeguard="none", **SMALL)]
    for draw in (
        plots.learning_curves,
        plots.return_and_interventions,
        plots.performance_profile,
        plots.run_time_overhead,
    ):
        figure = draw(both)
        if figure is not None:
            plots.save(figure, tmp_path / draw.__name__)
    assert markdown(tables.guarded(both, paper.load())).count("diverged") == 0
    assert summary.markdown(both).count("diverged") >= 2
