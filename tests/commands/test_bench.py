"""Benchmarks measure what they say; their numbers are not asserted, only their meaning."""

import json
import time

import corridor_task
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from safebench.commands import bench, bench_filter, bench_growth, bench_learner, bench_physics
from safebench.env import safe_set


@pytest.mark.slow
def test_physics_are_timed_in_both_forms_and_compared(monkeypatch):
    monkeypatch.setattr(bench_physics, "BATCH", 2)
    monkeypatch.setattr(bench_physics, "STEPS", 2)
    timings = bench_physics.measure(["pendulum"], lambda text: None)
    assert [(row.system, row.physics) for row in timings] == [("pendulum", "mjx"), ("pendulum", "compiled")]
    assert all(value > 0 for row in timings for value in row[2:])
    (ratio,) = bench_physics.compare(timings)
    assert ratio.gradient == timings[0].gradient_ms / timings[1].gradient_ms


@pytest.mark.slow
def test_growth_puts_every_arms_measurements_side_by_side(monkeypatch, tmp_path, task_of):
    """Every number of the table is the one that its own benchmark gave for that arm, by CPU time."""
    clocks = []

    def learner(name, safeguards, learner, physics, report, clock):
        clocks.append(clock)
        return [
            bench_learner.Timing(name, preset, learner, physics, 10.0 * k, 0.1 * k, 1.0)
            for k, preset in enumerate(("none", *safeguards), 1)
        ]

    def physics(names, report, clock):
        clocks.append(clock)
        times = {"mjx": 16.384, "compiled": 1.6384}
        return [bench_physics.Timing(names[0], each, 0.0, ms, 0.0, ms / 2) for each, ms in times.items()]

    monkeypatch.setattr(bench_learner, "measure", learner)
    monkeypatch.setattr(bench_physics, "measure", physics)
    monkeypatch.setattr(bench_growth, "BATCH", 2)
    figure, out = tmp_path / "growth.png", tmp_path / "growth.json"
    made = task_of("pendulum", "compiled")
    monkeypatch.setattr(bench_growth.registry, "make_task", lambda name, physics: made)
    console = Console(record=True, width=200)
    bench.run(["growth"], ["arm7", "pendulum", "arm2"], {}, "mjx", out, console, figure)
    assert clocks == [time.process_time] * 4
    found = [bench_growth.Growth(**row) for row in json.loads(out.read_text())["growth"]]
    assert [arm.task for arm in found] == ["arm7", "arm2"]
    body = {label: values for label, *values in bench_growth.lines(found)}
    assert body["rows of the safe set"] == [str(len(made.certificate.offsets))] * 2
    assert body["training, ray-mask [s per 1000]"] == ["0.3"] * 2
    assert body["to compile training, none [s]"] == ["10"] * 2
    assert body["a step, mjx [us]"] == ["1"] * 2
    assert body["to compile steps, compiled [s]"] == ["0.819"] * 2
    assert "a step, compiled [us]" in console.export_text()
    with Image.open(figure) as image:
        assert image.width > 500


def test_growth_counts_joints():
    with pytest.raises(ValueError, match="no joints to count"):
        bench_growth.measure(["energy"], lambda text: None)


def test_a_task_without_mjx_is_refused():
    with pytest.raises(ValueError, match="not mechanical"):
        bench_physics.measure(["energy"], lambda text: None)


@pytest.mark.parametrize(("name", "joints"), [("pendulum", 1), ("arm4", 4)])
def test_the_physics_of_a_task_are_its_own(name, joints):
    """Of a task that is another one with other options, too."""
    for physics in bench_physics.PHYSICS:
        dynamics, disturbances = bench_physics._dynamics(name, physics)
        assert dynamics.physics == physics
        assert dynamics.model.nv == disturbances == joints


def test_the_chain_has_a_disturbance_per_joint():
    dynamics, disturbances = bench_physics._dynamics("chain", "compiled")
    assert disturbances == dynamics.model.nv == 7


def test_the_chain_is_seven_hinges_that_both_physics_accept():
    model = bench_physics.chain()
    assert model.nv == model.nu == 7


@pytest.mark.slow
def test_overhead_is_relative_to_no_safeguard():
    rows = bench_learner.measure("energy", ["ray-mask"], "shac", "mjx", lambda text: None, repeats=1)
    assert [row.safeguard for row in rows] == ["none", "ray-mask"]
    assert rows[0].overhead == 1.0
    assert rows[1].seconds_per_1000 > 0


def test_the_record_holds_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(
        bench_physics,
        "measure",
        lambda systems, report: [
            bench_physics.Timing("pendulum", physics, 1.0, scale, 1.0, scale)
            for physics, scale in (("mjx", 60.0), ("compiled", 1.0))
        ],
    )
    out = tmp_path / "bench.json"
    bench.run(["physics"], ["pendulum"], {}, "mjx", out, Console(quiet=True))
    record = json.loads(out.read_text())
    assert record["physics"][-1] == {
        "system": "pendulum",
        "forward": 1.0,
        "gradient": 60.0,
        "gradient_compile": 60.0,
    }
    assert record["provenance"]["device"]


def test_the_filter_is_called_once_per_state_with_arguments_of_either_kind(task_of, monkeypatch):
    task, calls = task_of("pendulum", "compiled"), []

    def recorded(task, safeguard):
        def run(x, a):
            calls.append((x, a))
            return safeguard

        return run

    monkeypatch.setattr(bench_filter, "safety_filter", recorded)
    rows = bench_filter.measure(task, {"none": 0, "ray-mask": 1}, calls=3)
    assert [(row.task, row.safeguard, row.arguments) for row in rows] == [
        ("pendulum", name, arguments) for name in ("none", "ray-mask") for arguments in ("numpy", "device")
    ]
    assert len(calls) == 4 * (3 + 3)  # those that are counted, and as many to warm up
    warm, counted = calls[:3], calls[3:6]
    assert all(type(part) is np.ndarray for pair in counted for part in pair)
    assert all(isinstance(part, jax.Array) for pair in calls[9:12] for part in pair)
    assert [pair[0].ctypes.data for pair in warm] == [pair[0].ctypes.data for pair in counted]
    assert len({pair[0].ctypes.data for pair in counted}) == 3
    for (x, a), (x_device, a_device) in zip(counted, calls[9:12], strict=True):
        np.testing.assert_array_equal(x, x_device)
        np.testing.assert_array_equal(a, a_device)
        assert x.dtype == a.dtype == x_device.dtype == a_device.dtype == task.starts.dtype
        assert (np.abs(a) <= 1).all()
        assert (x == task.starts).all(axis=1).any()


@pytest.mark.slow
def test_where_the_safe_set_moves_the_filter_is_called_with_corridors(monkeypatch):
    task, calls = corridor_task.make(), []

    def recorded(task, safeguard):
        return lambda *arguments: calls.append(arguments)

    monkeypatch.setattr(bench_filter, "safety_filter", recorded)
    bench_filter.measure(task, {"none": 0}, calls=3)
    assert len(calls) == 2 * (3 + 3)
    for x, a, corridor in calls:
        assert safe_set.contains(task.safe_set, jnp.asarray(x), corridor)
        assert a.shape == (2,)
    host, device = calls[3:6], calls[9:12]
    assert all(type(part) is np.ndarray for call in host for part in jax.tree.leaves(call))
    assert all(isinstance(part, jax.Array) for call in device for part in jax.tree.leaves(call))
    assert len({call[2].low.ctypes.data for call in host}) == 3


def test_the_latency_is_a_median_and_a_95th_percentile(task_of, monkeypatch):
    monkeypatch.setattr(bench_filter, "microseconds", lambda run, pairs: list(range(1, 102)))
    (row, _) = bench_filter.measure(
        task_of("pendulum", "compiled"), {"none": lambda a, actions: None}, calls=2
    )
    assert (row.median_us, row.percentile_95_us) == (51.0, 96.0)
    with pytest.raises(ValueError, match="at least 1"):
        bench_filter.measure(task_of("pendulum", "compiled"), {}, calls=0)


def test_the_filter_from_the_command_line(tmp_path, safebench, monkeypatch):
    monkeypatch.setattr(bench_filter, "CALLS", 5)
    out = tmp_path / "new" / "bench.json"
    options = ("-t", "pendulum", "-g", "ray-mask", "--out", str(out))
    code, output, error = safebench("bench", "filter", *options)
    assert code == 0, error
    assert "microseconds per call" in output
    record = json.loads(out.read_text())
    assert record["what"] == "safebench bench filter"
    assert [row["arguments"] for row in record["filter"]] == ["numpy", "device"]
    for row in record["filter"]:
        assert 0 < row["median_us"] <= row["percentile_95_us"]
        assert (row["task"], row["safeguard"]) == ("pendulum", "ray-mask")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("filtre",), "Did you mean 'filter'"),
        (("-t", "pendulm"), "Did you mean 'pendulum'"),
        (("-g", "non"), "Did you mean 'none'"),
        (("growth", "-t", "pendulum"), "growth is that of arm2, arm4, arm7, arm14, not of pendulum"),
        (
            ("filter", "growth", "-t", "pendulum"),
            "growth is that of arm2, arm4, arm7, arm14, not of pendulum",
        ),
        (("scaling", "-t", "energy"), "scaling is that of pendulum, quadrotor, not of energy"),
        (("physics", "--figure", "f.png"), "--figure draws what growth or scaling found: name one of them"),
        (("-t", "pendulum", "--figure", "f.png"), "--figure draws what growth or scaling found: name one"),
        (("growth", "scaling", "--figure", "f.png"), "--figure draws what growth or scaling found: name one"),
    ],
)
def test_unknown_names_stop_a_benchmark_before_it_starts(arguments, message, safebench):
    code, _, error = safebench("bench", *arguments)
    assert code == 2
    assert message in error


@pytest.mark.parametrize(
    ("systems", "left_out"),
    [
        (["energy"], {"growth", "scaling"}),
        (["pendulum"], {"growth"}),
        (["arm2"], {"scaling"}),
        (["quadrotor", "arm2"], set()),
        (None, set()),
    ],
)
def test_all_parts_are_those_that_have_something_to_measure(monkeypatch, systems, left_out):
    asked = []
    monkeypatch.setattr(bench, "run", lambda what, *_: asked.extend(what))
    bench.bench(None, systems, None, "mjx", None, Console())
    assert asked == [part for part in bench.PARTS if part not in left_out]
