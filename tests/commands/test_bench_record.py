"""A record of measured times: which fields are times, and files that are no records."""

import json
from pathlib import Path

import pytest

from safebench.commands import (
    bench_filter,
    bench_growth,
    bench_learner,
    bench_parts,
    bench_physics,
    bench_record,
    bench_safeguards,
    bench_scaling_table,
)

ROWS = {
    "physics": bench_physics.Timing,
    "safeguards": bench_safeguards.Timing,
    "learner": bench_learner.Timing,
    "filter": bench_filter.Timing,
    "growth": bench_growth.Growth,
    "scaling": bench_scaling_table.Scaling,
}
NO_TIMES = {
    "safeguards": {"faster"},
    "learner": {"overhead"},
    "growth": {"rows", "share"},
    "scaling": {"temporary_mb", "memory_mb"},
}
"""Fields of rows that are neither names nor times."""


@pytest.mark.parametrize("part", bench_parts.PARTS)
def test_every_field_of_a_row_is_a_name_a_time_or_neither(part):
    names, wall, cpu = bench_record.FIGURES[part]
    sorts = [set(names), set(wall), set(cpu), NO_TIMES.get(part, set())]
    assert sum(map(len, sorts)) == len(ROWS[part]._fields)
    assert set.union(*sorts) == set(ROWS[part]._fields)


GUARDED = bench_safeguards.Timing("pendulum", "ray-mask", 8, 1.0, 2.0, None)._asdict()
CALIBRATION = {"wall_seconds": 0.05, "cpu_seconds": 0.06, "device": "cpu"}
RECORD = {"safeguards": [GUARDED], "calibration": CALIBRATION}
TIMED = json.dumps(RECORD)
BAD = {
    "absent": (
        None,
        "there is no record bench.json: --against takes a file that `safebench bench --out FILE`",
    ),
    "no JSON": ("{", "bench.json: not valid JSON"),
    "a list": ("[]", "bench.json: holds none of physics, safeguards"),
    "another file": ('{"schema": 4}', "bench.json: holds none of physics, safeguards"),
    "no rows": ('{"filter": 3}', "bench.json: filter is no list of rows"),
    "rows that are none": ('{"filter": [3]}', "bench.json: filter is no list of rows"),
    "nothing in it": ('{"filter": []}', "bench.json: holds no times"),
    "a name": (TIMED.replace('"pendulum"', "[]"), "bench.json: safeguards: task is [], not a name"),
    "a time": (
        TIMED.replace("1.0", '"1.0"', 1),
        "bench.json: safeguards pendulum ray-mask 8 forward_us is '1.0', not a time",
    ),
    "no time": (TIMED.replace("1.0", "0.0", 1), "forward_us is 0.0, not a time"),
    "a loop": (TIMED.replace("0.05", "null", 1), "bench.json: calibration.wall_seconds is None, not a time"),
    "no loop": (TIMED.replace('"device": "cpu"', '"device": 3'), "calibration.device is 3, not a name"),
    "no calibration": (
        json.dumps(RECORD | {"calibration": []}),
        "calibration.wall_seconds is None, not a time",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_record_is_refused_before_anything_is_measured(text, message, tmp_path, monkeypatch, safebench):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("bench.json").write_text(text)
    code, out, error = safebench("bench", "--against", "bench.json")
    assert (code, out) == (2, "")
    assert message in error
    assert "--against takes a file that `safebench bench --out FILE` wrote" in error


def test_a_record_of_other_parts_is_refused(tmp_path, safebench):
    path = tmp_path / "bench.json"
    path.write_text(TIMED)
    code, out, error = safebench("bench", "filter", "--against", str(path))
    assert (code, out) == (2, "")
    assert f"{path} holds safeguards, not filter" in error


def test_a_good_record_is_read(tmp_path):
    """The control of those that are refused."""
    path = tmp_path / "bench.json"
    path.write_text(TIMED)
    assert bench_record.read(path) == RECORD
    assert bench_record.calibrated(RECORD)
    assert bench_record.named(RECORD, ["safeguards", "filter"], "safeguard", "batch") == ["ray-mask", 8]
    key = ("safeguards", ("pendulum", "ray-mask", 8))
    times = {"forward_us": 1.0, "forward_backward_us": 2.0}
    assert bench_record.figures(RECORD) == {bench_record.Figure(*key, name): times[name] for name in times}
