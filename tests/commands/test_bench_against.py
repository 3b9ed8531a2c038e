"""What got slower than in a record is named; what a slower machine makes of the same code is not."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from safebench.commands import (
    bench,
    bench_against,
    bench_filter,
    bench_learner,
    bench_physics,
    bench_record,
    bench_safeguards,
    calibration,
)

RECORDS = sorted((Path(__file__).parents[2] / "docs" / "records").glob("bench-*.json"))


def guarded(safeguard="ray-mask", batch=8, forward=1.0, both=2.0):
    return bench_safeguards.Timing("pendulum", safeguard, batch, forward, both, 2200 / both)._asdict()


def record(*rows, calibrated=0.05, part="safeguards"):
    """A record of a part; calibrated: seconds of the calibration loop by either clock, None without."""
    seconds = calibrated and calibration.Calibration(calibrated, calibrated, "cpu", 1, "float64")._asdict()
    return {part: list(rows)} | ({"calibration": seconds} if seconds else {})


def grown(then, **factors):
    """The figures named that got slower, and by how much."""
    now = copy.deepcopy(then)
    for field, factor in factors.items():
        for row in now["safeguards"]:
            row[field] *= factor
    return [(each.figure.field, each.ratio) for each in bench_against.compare(then, now).slower]


@pytest.fixture
def shown():
    """(then, now) -> what is printed."""

    def show(then, now):
        console = Console(record=True, width=200, quiet=True)
        with console.capture() as captured:
            console.quiet = False
            bench_against.show(Path("then.json"), then, now, console)
        return captured.get()

    return show


def test_half_as_long_again_is_named_and_a_tenth_is_not():
    assert grown(record(guarded()), forward_us=1.5, forward_backward_us=1.1) == [("forward_us", 1.5)]
    assert grown(record(guarded()), forward_us=0.1, forward_backward_us=1.19) == []


def test_the_worst_comes_first():
    then, now = record(guarded("none"), guarded()), record(guarded("none", forward=2.0), guarded(forward=3.0))
    found = bench_against.compare(then, now).slower
    assert [(each.figure.row, each.ratio) for each in found] == [
        (("pendulum", "ray-mask", 8), 3.0),
        (("pendulum", "none", 8), 2.0),
    ]


def test_a_machine_of_half_the_speed_is_no_slower_code(shown):
    rows = (guarded(forward=2.0, both=4.0), guarded("none", forward=2.0, both=4.0))
    then, now = record(guarded(), guarded("none")), record(*rows, calibrated=0.1)
    found = bench_against.compare(then, now)
    assert found.slower == ()
    assert found.compared == 4
    assert "relative to the calibration loop (0.05 s on cpu then, 0.1 s on cpu now)" in shown(then, now)
    # The control: what it would be without calibrating.
    uncalibrated = record(guarded(), guarded("none"), calibrated=None)
    assert [each.ratio for each in bench_against.compare(uncalibrated, now).slower] == [2.0] * 4


def test_slower_code_is_named_on_a_machine_of_twice_the_speed():
    (found,) = bench_against.compare(record(guarded()), record(guarded(both=1.0), calibrated=0.025)).slower
    assert (found.figure.field, found.then, found.now, found.ratio) == ("forward_us", 1.0, 1.0, 2.0)


def test_a_record_without_calibration_is_compared_and_says_so(shown):
    bare = record(guarded(), calibrated=None)
    for now in (record(guarded()), record(guarded(forward=2.0))):
        printed = shown(bare, now)
        assert "NOT CALIBRATED" in printed
        assert "`safebench bench safeguards --out FILE` writes a record that has one" in printed
        assert "NOT CALIBRATED" not in shown(record(guarded()), now)


def test_cpu_time_is_relative_to_cpu_time():
    """On a machine that does other work the loop waits: the wall's clock says so, the CPU's does not."""
    arm = {
        "task": "arm2",
        "joints": 2,
        "rows": 44,
        "share": 0.9,
        "certify_seconds": 1.0,
        "guard_us": {"none": 1.0, "ray-mask": 1.0},
    }
    then, now = record(arm, part="growth"), record(arm, part="growth")
    now["calibration"]["wall_seconds"] *= 3
    assert bench_against.compare(then, now) == bench_against.Comparison((), 3, (), ())
    now["growth"] = [arm | {"rows": 440, "share": 9.0, "guard_us": {"none": 1.0, "ray-mask": 1.5}}]
    (found,) = bench_against.compare(then, now).slower
    assert found.figure == bench_record.Figure("growth", ("arm2", 2), "guard_us", "ray-mask")
    assert found.ratio == 1.5


def test_ratios_of_other_rows_are_not_compared():
    timing = bench_physics.Timing("pendulum", "mjx", 1.0, 1.0, 1.0, 1.0)._asdict()
    ratios = [bench_physics.Comparison("pendulum", 1.0, 1.0, value)._asdict() for value in (1.0, 60.0)]
    then, now = (record(timing, ratio, part="physics") for ratio in ratios)
    assert bench_against.compare(then, now) == bench_against.Comparison((), 4, (), ())


def test_rows_of_one_record_alone_are_said_in_a_line_each(shown):
    then = record(guarded(), guarded(batch=64))
    now = record(guarded(), guarded("none"), *(guarded("cbf-qp", batch) for batch in range(8)))
    printed = shown(then, now).splitlines()
    assert printed[0].startswith("Nothing got slower than then.json by more than 20 %")
    assert "Figures compared: 2" in printed
    assert "in the record alone: safeguards pendulum ray-mask 64" in printed
    (line,) = [line for line in printed if line.startswith("not in the record: ")]
    assert line.startswith("not in the record: safeguards pendulum none 8; safeguards pendulum cbf-qp 0; ")
    assert line.endswith(", and 3 more")


def test_a_time_that_rows_did_not_have_is_said(shown):
    then, now = record(guarded()), record(guarded())
    del then["safeguards"][0]["forward_backward_us"]
    assert bench_against.compare(then, now).only_now == (
        "safeguards pendulum ray-mask 8 forward_backward_us",
    )


def test_nothing_in_common_is_not_called_no_slower(shown):
    printed = shown(record(guarded()), record(guarded("none")))
    assert "Nothing got slower" not in printed
    assert "Figures compared: 0" in printed


def test_parts_that_were_not_measured_again_are_not_missing():
    then = record(guarded()) | record(
        bench_filter.Timing("pendulum", "none", "numpy", 1.0, 2.0)._asdict(), part="filter"
    )
    assert bench_against.compare(then, record(guarded())).only_then == ()


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_committed_records_are_no_slower_than_themselves(path, shown):
    found = bench_record.read(path)
    times = bench_record.figures(found)
    assert len(times) > 15
    assert bench_against.compare(found, found) == bench_against.Comparison((), len(times), (), ())
    slower = copy.deepcopy(found)
    for figure in times:
        rows = (
            row
            for row in slower[figure.part]
            if list(figure.row) == [row.get(name) for name in bench_record.FIGURES[figure.part].names]
        )
        for row in rows:
            held, key = (row[figure.field], figure.within) if figure.within else (row, figure.field)
            held[key] *= 1.5
    assert len(bench_against.compare(found, slower).slower) == len(times)
    assert f"Figures compared: {len(times)}" in shown(found, slower)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (
            (None, None, None, None),
            (["safeguards", "learner"], ["pendulum", "energy"], ["ray-mask"], "compiled"),
        ),
        ((["learner"], ["cartpole"], ["none"], "mjx"), (["learner"], ["cartpole"], ["none"], "mjx")),
        ((["learner"], None, None, None), (["learner"], ["energy"], [], "compiled")),
        ((["safeguards"], None, None, None), (["safeguards"], ["pendulum"], ["ray-mask"], "mjx")),
    ],
)
def test_what_is_not_named_is_what_the_record_holds(given, asked, tmp_path, monkeypatch):
    row = bench_learner.Timing("energy", "boundary-projection", "shac", "compiled", 1.0, 1.0, 1.0)._asdict()
    then = record(guarded()) | record(row, part="learner")
    path, measured = tmp_path / "bench.json", []
    path.write_text(json.dumps(then))

    def run(what, names, guards, physics, *_):
        measured.append((list(what), names, list(guards), physics))
        return then

    monkeypatch.setattr(bench, "run", run)
    monkeypatch.setattr(bench, "guards", lambda names: names)
    bench.bench(*given, None, Console(quiet=True), against=path)
    assert measured == [asked]


def test_from_the_command_line(tmp_path, safebench, monkeypatch):
    """Against itself made quicker by hand, and written over in the end."""
    monkeypatch.setattr(bench_filter, "CALLS", 5)
    path = tmp_path / "bench.json"
    code, _, error = safebench("bench", "filter", "-t", "pendulum", "-g", "ray-mask", "--out", str(path))
    assert code == 0, error
    before = json.loads(path.read_text())
    assert before["calibration"]["devices"] >= 1
    assert before["calibration"]["precision"] == "float64"
    before["filter"][0]["median_us"] *= 1e-3
    path.write_text(json.dumps(before))
    code, output, error = safebench("bench", "--against", str(path), "--out", str(path))
    assert code == 0, error
    assert f"Slower than {path} by more than 20 %, relative to the calibration loop" in output
    assert "pendulum ray-mask numpy" in output
    assert "Figures compared: 4" in output
    after = json.loads(path.read_text())
    assert after["filter"][0]["median_us"] > 100 * before["filter"][0]["median_us"]


def test_records_are_compared_without_jax():
    code = "import sys, safebench.commands.{}; print('jax' in sys.modules)"
    for module, said in (("bench_against", "False\n"), ("calibration", "True\n")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module)],
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == said
