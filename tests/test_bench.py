"""Benchmarks measure what they say; their numbers are not asserted, only their meaning."""

import json

import pytest
from rich.console import Console

from safebench import bench, bench_learner, bench_physics


def test_physics_are_timed_in_both_forms_and_compared(monkeypatch):
    monkeypatch.setattr(bench_physics, "BATCH", 2)
    monkeypatch.setattr(bench_physics, "STEPS", 2)
    timings = bench_physics.measure(["pendulum"], lambda text: None)
    assert [(row.system, row.physics) for row in timings] == [("pendulum", "mjx"), ("pendulum", "compiled")]
    assert all(value > 0 for row in timings for value in row[2:])
    (ratio,) = bench_physics.compare(timings)
    assert ratio.gradient == timings[0].gradient_ms / timings[1].gradient_ms


def test_a_task_without_mjx_is_refused():
    with pytest.raises(ValueError, match="not mechanical"):
        bench_physics.measure(["energy"], lambda text: None)


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
