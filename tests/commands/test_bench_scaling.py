"""Scaling measures the sizes that it is given, each of what it says, and draws them."""

import json

import jax
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from synthetic_action_sets import random_sets

from safebench import registry
from safebench.commands import bench, bench_scaling, bench_scaling_figure, bench_scaling_table, stopwatch
from safebench.commands.bench_scaling import Sizes
from safebench.env.action_set import slacks

NOTHING = Sizes(seeds=(), windows=(), environments=(), rows=())


def row(axis, size, safeguard="ray-mask", value=1.0):
    return bench_scaling_table.Scaling(axis, size, "pendulum", safeguard, value, 2.0, 3.0, 4.0, 5.0)


def test_steps_and_rows_are_measured_at_every_size(monkeypatch):
    monkeypatch.setattr(bench_scaling, "BATCH", 4)
    monkeypatch.setattr(bench_scaling, "REPEATS", 2)
    monkeypatch.setattr(bench_scaling, "GUARDS", ("none", "ray-mask"))
    said = []
    sizes = NOTHING._replace(environments=(1, 3), rows=(2, 700))
    found = bench_scaling.measure(["quadrotor"], said.append, sizes)
    assert [(each.axis, each.size, each.safeguard) for each in found] == [
        *(("environments", size, "ray-mask") for size in (1, 3)),
        *(("rows", size, name) for name in ("none", "ray-mask") for size in (2, 700)),
    ]
    assert len(said) == len(found)
    for each in found:
        assert each.wall_us > 0
        assert each.cpu_us > 0
        assert each.compile_seconds > 0
        assert each.memory_mb > each.temporary_mb >= 0
    memory = {(each.axis, each.safeguard, each.size): each.memory_mb for each in found}
    assert memory["environments", "ray-mask", 3] > memory["environments", "ray-mask", 1]
    # Rows of two numbers and an offset of 8 bytes, in and out again as derivatives.
    more = 1e-6 * 4 * 698 * 3 * 8 * 2
    assert memory["rows", "ray-mask", 700] > memory["rows", "ray-mask", 2] + more


@pytest.mark.slow
def test_training_is_measured_at_every_size_and_once_where_sizes_meet(monkeypatch):
    monkeypatch.setattr(bench_scaling, "REPEATS", 1)
    said = []
    shipped = registry.load("learner", "shac").SETTINGS["pendulum"].window
    sizes = NOTHING._replace(seeds=(1, 3), windows=(2, shipped))
    found = bench_scaling.measure(["pendulum"], said.append, sizes)
    assert [(each.axis, each.size) for each in found] == [
        ("seeds", 1),
        ("seeds", 3),
        ("window", 2),
        ("window", shipped),
    ]
    assert len(said) == 3
    one, three, short, usual = found
    assert usual == one._replace(axis="window", size=shipped)
    assert three.memory_mb > 2 * one.memory_mb
    assert one.temporary_mb > 2 * short.temporary_mb
    assert all(each.wall_us > 0 and each.cpu_us > 0 for each in found)


@pytest.mark.parametrize(("tasks", "axes"), [(["energy"], []), (["quadrotor"], ["environments"])])
def test_only_tasks_that_are_named_are_measured(tasks, axes, monkeypatch):
    monkeypatch.setattr(bench_scaling, "REPEATS", 1)
    monkeypatch.setattr(bench_scaling, "_trained", lambda *_: pytest.fail("the pendulum was not asked for"))
    sizes = NOTHING._replace(environments=(1,))
    assert [each.axis for each in bench_scaling.measure(tasks, lambda text: None, sizes)] == axes


def test_times_are_per_unit(monkeypatch):
    monkeypatch.setattr(bench_scaling, "_cost", lambda function, given: (60.0, 120.0, 1.0, 2.0, 3.0))
    (found,) = bench_scaling.measure(["quadrotor"], lambda text: None, NOTHING._replace(environments=(3,)))
    assert found[4:] == (20.0, 40.0, 1.0, 2.0, 3.0)
    monkeypatch.setattr(bench_scaling, "BATCH", 4)
    found = bench_scaling.measure(["quadrotor"], lambda text: None, NOTHING._replace(rows=(3,)))
    assert {each.wall_us for each in found} == {15.0}


@pytest.mark.parametrize("field", Sizes._fields)
def test_sizes_below_one_are_refused(field):
    with pytest.raises(ValueError, match=rf"{field} must be at least 1, not \(1, 0\)"):
        bench_scaling.measure(["pendulum"], lambda text: None, NOTHING._replace(**{field: (1, 0)}))


def test_rows_are_cut_or_repeated_and_the_box_stays():
    sets = random_sets(0, 5, 16, 2)
    for rows in (3, 16, 40):
        made = bench_scaling.with_rows(sets, rows)
        assert made.normals.shape == (5, rows + 4, 2)
        assert made.offsets.shape == (5, rows + 4)
        assert made.barrier.shape == (5, rows)
        np.testing.assert_array_equal(made.normals[:, -4:], sets.normals[:, -4:])
        np.testing.assert_array_equal(made.offsets[:, -4:], sets.offsets[:, -4:])
        for own in range(rows):
            np.testing.assert_array_equal(made.normals[:, own], sets.normals[:, own % 16])
            np.testing.assert_array_equal(made.barrier[:, own], sets.barrier[:, own % 16])
        assert (jax.vmap(slacks)(made, made.centre) > 0).all()
    assert bench_scaling.with_rows(sets._replace(barrier=None), 3).barrier is None


def test_long_calls_are_repeated_less(monkeypatch):
    monkeypatch.setattr(stopwatch, "_time", lambda run, arguments: stopwatch.Seconds(1.0, 1.0))
    calls = [
        len(stopwatch.samples(abs, (1,), repeats, enough)) for repeats, enough in ((9, 0.5), (9, 7), (3, 0.5))
    ]
    assert calls == [stopwatch.FEWEST, 7, 3]


def test_the_record_the_table_and_the_figure_have_every_row(tmp_path, monkeypatch):
    found = [row("seeds", 2), row("rows", 16, "none"), row("rows", 16, value=7.5), row("window", 8)]
    monkeypatch.setattr(bench_scaling, "measure", lambda tasks, report: found)
    out, figure = tmp_path / "scaling.json", tmp_path / "scaling.png"
    console = Console(record=True, width=200)
    bench.run(["scaling"], ["pendulum"], {}, "mjx", out, console, figure)
    record = json.loads(out.read_text())
    assert [bench_scaling_table.Scaling(**each) for each in record["scaling"]] == found
    printed = console.export_text()
    assert f"Scaling, {record['calibration']['device']} (devices: 1), float64" in printed
    assert "an interaction of one seed (seeds)" in printed
    assert "7.5" in printed
    with Image.open(figure) as image:
        assert image.width > 500


def test_curves_are_of_the_fields_that_their_names_say(tmp_path, monkeypatch):
    drawn = {}

    def panel(axes, found, fields):
        drawn[axes] = (found, fields)
        original(axes, found, fields)

    original = bench_scaling_figure._panel
    monkeypatch.setattr(bench_scaling_figure, "_panel", panel)
    found = [row("rows", 16, "none", 3.0), row("rows", 64, "none", 4.0), row("rows", 16), row("seeds", 1)]
    bench_scaling_figure.draw(found, "somewhere", tmp_path / "f.png")
    curves = {
        (axes.get_xlabel(), line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for axes, (rows, _) in drawn.items()
        for line in axes.get_lines()
    }
    assert curves == {
        ("rows", "none"): ([16, 64], [3.0, 4.0]),
        ("rows", "ray-mask"): ([16], [1.0]),
        ("seeds", "wall"): ([1], [1.0]),
        ("seeds", "CPU, all threads"): ([1], [2.0]),
        ("seeds", "temporary"): ([1], [3.0]),
        ("seeds", "all"): ([1], [4.0]),
    }


def test_labels_that_would_touch_are_left_out():
    assert bench_scaling_figure._labels([8, 64, 512, 4096, 8192]) == ["8", "64", "512", "", "8192"]
    assert bench_scaling_figure._labels([1, 2, 5, 10, 20]) == ["1", "2", "5", "10", "20"]
    assert bench_scaling_figure._labels([7]) == ["7"]
    assert bench_scaling_figure._labels([]) == []
