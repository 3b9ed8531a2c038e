"""Figures: the same every time, told apart by everyone, whole with diverged seeds."""

import dataclasses

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from synthetic_results import SMALL, grid, make

from safebench.record import result
from safebench.report import paper, plots, stats, style, summary, tables
from safebench.report.table import markdown


def test_svg_figures_are_the_same_every_time(tmp_path):
    """Figures are committed: drawing them again must not change them."""
    first = plots.save(plots.learning_curves(grid()[:3]), tmp_path / "a")
    second = plots.save(plots.learning_curves(grid()[:3]), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


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


def tick_labels(figure):
    figure.canvas.draw()
    ticks = (
        tick for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_ticklabels()
    )
    return [tick.get_text() for tick in ticks]


def test_axes_have_one_kind_of_minus_sign():
    """One panel has our own numbers on an asinh axis, the other matplotlib's."""
    both = [make(learner="shac", **SMALL), make(learner="ppo", final=-8.4, **SMALL)]
    near = tuple(
        result.make_run(
            run.seed,
            dataclasses.replace(
                run.curve, return_mean=tuple(-8.4 - 0.01 * (run.seed + i) for i in range(SMALL["points"]))
            ),
        )
        for run in both[1].runs
    )
    figure = plots.learning_curves([both[0], dataclasses.replace(both[1], runs=near)])
    assert {axes.get_yscale() for axes in figure.axes} == {"asinh", "linear"}
    labels = tick_labels(figure)
    for scale in ("asinh", "linear"):
        shown = [axes for axes in figure.axes if axes.get_yscale() == scale]
        assert any("\N{MINUS SIGN}" in tick.get_text() for axes in shown for tick in axes.get_yticklabels())
    assert not any("-" in label for label in labels)


def test_a_users_matplotlibrc_changes_no_figure(tmp_path):
    odd = {
        "text.usetex": True,
        "axes.unicode_minus": False,
        "font.size": 30,
        "figure.figsize": (1, 1),
        "savefig.bbox": "tight",
        "lines.marker": "x",
        "svg.fonttype": "path",
    }
    plain = plots.save(plots.learning_curves(grid()[:3]), tmp_path / "plain")
    with matplotlib.rc_context(odd):
        changed = plots.save(plots.learning_curves(grid()[:3]), tmp_path / "odd")
        assert matplotlib.rcParams["font.size"] == 30  # the user's own settings stay
    for one, other in zip(plain, changed, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_success_is_drawn_in_per_cent_where_a_task_has_a_goal(tmp_path):
    assert plots.success_curves(grid()) is None
    cells = [
        make(safeguard=name, success=share, **SMALL) for name, share in (("none", 1.0), ("ray-mask", 0.5))
    ]
    figure = plots.success_curves([*cells, make(task="quadrotor", **SMALL)])
    (axes,) = figure.axes
    assert axes.get_title() == "pendulum, shac"
    ends = {line.get_label(): line.get_ydata()[-1] for line in axes.get_lines()}
    assert ends == {"none": 100, "ray-mask": 50}
    assert plots.save(figure, tmp_path / "success")


def test_a_dollar_sign_is_drawn_as_one():
    with style.styled():
        figure = Figure()
        figure.suptitle("a $\\frac b")
        FigureCanvasAgg(figure).draw()
    figure = Figure()
    figure.suptitle("a $\\frac b$")
    with pytest.raises(ValueError, match="frac"):  # the control: matplotlib's own settings read it
        FigureCanvasAgg(figure).draw()
