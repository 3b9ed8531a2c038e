"""The calibration loop is timed around the parts of a benchmark, and its time is that of what it does."""

import pytest
from rich.console import Console

from safebench.commands import bench, bench_parts, calibration, stopwatch


def test_the_loop_is_timed_before_the_first_part_and_after_each(monkeypatch):
    done = []

    def samples():
        done.append("loop")
        return [stopwatch.Seconds(float(len(done)), 0.5 * len(done))]

    def part(name):
        return lambda job: done.append(name) or bench_parts.Measured([], [])

    monkeypatch.setattr(calibration, "samples", samples)
    monkeypatch.setattr(bench, "PARTS", {name: part(name) for name in ("filter", "learner")})
    found = bench.run(["filter", "learner"], [], {}, "mjx", None, Console(quiet=True))
    assert done == ["loop", "filter", "loop", "learner", "loop"]
    assert found["calibration"]["wall_seconds"] == 3.0  # the median of 1, 3 and 5
    assert found["calibration"]["cpu_seconds"] == 1.5


def test_a_loop_of_more_takes_longer(monkeypatch):
    long = stopwatch.median(calibration.samples(3))
    monkeypatch.setattr(calibration, "SIZE", calibration.SIZE // 4)
    short = stopwatch.median(calibration.samples(3))
    assert long.cpu > 2 * short.cpu > 0
    with pytest.raises(ValueError, match="at least 1, not 0"):
        calibration.samples(0)
