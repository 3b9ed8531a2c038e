"""The quick table, in the terminal and as markdown."""

import dataclasses
import io

import pytest
from rich.console import Console
from synthetic_results import SMALL, grid, make, of_version_2

from safebench.record import result
from safebench.report import summary


def test_summary_shows_all_and_reddens_broken_promises():
    unsafe = make(safeguard="ray-mask", **SMALL)
    runs = make(safeguard="none", **SMALL).runs
    unsafe = dataclasses.replace(unsafe, runs=runs)
    console = Console(
        width=160, record=True, force_terminal=True, color_system="standard", file=io.StringIO()
    )
    summary.show([make(safeguard="none", **SMALL), unsafe], console)
    text = console.export_text(styles=True)
    red = [line for line in text.splitlines() if "\x1b[1;31m" in line]
    assert len(red) == 1
    assert "ray-mask" in red[0]
    assert unsafe.broken_promise
    assert not make(safeguard="none", **SMALL).broken_promise


def test_summary_fits_a_narrow_terminal():
    console = Console(width=80, file=io.StringIO())
    summary.show([make(safeguard="ray-mask-hyperbolic+regularised", final=-123456.0, **SMALL)], console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text
    assert "…" not in text


def test_summary_markdown_has_a_row_for_each_result():
    lines = summary.markdown(grid()).splitlines()
    assert len(lines) == 2 + len(grid())
    assert {line.count("|") for line in lines} == {len(summary.HEADER) + 2}
    order = [line.split(" | ")[1] for line in lines[2:5]]
    assert order == ["none", "boundary-projection", "ray-mask"]


def test_changed_and_diverged_results_are_marked():
    cell = make(settings=result.Settings(False, ("learner.gamma",)), non_finite_seeds=(1,), **SMALL)
    assert summary.texts(summary.row(cell))["safeguard"] == "ray-mask (changed) (1 diverged)"
    text = summary.markdown([cell])
    assert "- (changed): not the standard experiment" in text
    assert "- (1 diverged): so many seeds" in text
    assert text == summary.markdown([make(**SMALL), cell][1:])
    assert len(summary.markdown([make(**SMALL)]).splitlines()) == 3  # the control: nothing to explain


def skipping(cell, *seeds):
    runs = tuple(
        result.make_run(
            run.seed,
            dataclasses.replace(
                run.curve, skipped=run.curve.updates if run.seed in seeds else run.curve.skipped
            ),
        )
        for run in cell.runs
    )
    return dataclasses.replace(cell, runs=runs)


def test_skipped_updates_have_a_column_and_a_failed_result_a_mark():
    cell = make(**SMALL)
    updates = cell.runs[0].curve.updates[-1]
    old = dataclasses.replace(
        cell,
        runs=tuple(
            result.make_run(run.seed, dataclasses.replace(run.curve, updates=None, skipped=None))
            for run in cell.runs
        ),
    )
    for shown, text in ((cell, "0"), (skipping(cell, 1), f"{updates:,}"), (old, "-")):
        assert summary.texts(summary.row(shown))["skipped"] == text
    console = Console(width=200, file=io.StringIO(), markup=False)
    summary.show([skipping(cell, 1, 3)], console)
    said = console.file.getvalue()
    assert "ray-mask (failed)" in said
    assert (
        "(failed): every update was skipped, nothing was learnt: pendulum/ray-mask--shac, seeds 1, 3" in said
    )
    assert "(failed)" not in summary.markdown([cell])


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 140, 200])
@pytest.mark.parametrize("success", [None, 0.9])
def test_nothing_is_cut_at_any_width(width, success):
    cell = make(safeguard="ray-mask-hyperbolic+regularised", final=-123456.0, success=success, **SMALL)
    cell = skipping(cell, 1)
    console = Console(width=width, file=io.StringIO(), markup=False)
    summary.show([cell, make(safeguard="none", **SMALL)], console)
    text = console.file.getvalue()
    assert "..." not in text
    assert "\u2026" not in text
    solid = "".join(text.split())
    shown = set(summary.header([cell])) - {"safeguard", "learner"}
    assert len(shown) == (10 if success is None else 14)
    for name in shown:
        for part in summary.texts(summary.row(cell))[name].split(" ["):
            assert "".join(part.split()) in solid


def test_goals_have_columns_where_a_task_has_one():
    with_goal, without = make(success=0.75, **SMALL), make(safeguard="none", **SMALL)
    assert summary.header([without]) == summary.HEADER
    columns = summary.header([without, with_goal])
    assert columns == (*summary.HEADER, *summary.GOAL, summary.SWITCHES)
    text = summary.markdown([with_goal, without])
    (ours,) = (line.split(" | ") for line in text.splitlines() if "ray-mask" in line)
    assert ours[-4:] == ["75.0", "6.50", "0.0", "400.0 |"]
    (other,) = (line.split(" | ") for line in text.splitlines() if "| none |" in line)
    assert other[-4:] == ["-", "-", "-", "0.0 |"]
    assert "success: of evaluation episodes x goals" in text
    assert "success" not in summary.markdown([without])


def test_the_share_of_violated_episodes_can_be_read():
    (line,) = (
        line
        for line in summary.markdown([make(safeguard="none", success=0.5, **SMALL)]).splitlines()
        if "| none |" in line
    )
    assert line.split(" | ")[-2] == "1.6"  # 1 of 64
    old = of_version_2(make(**SMALL))
    assert summary.texts(summary.row(old))[summary.SWITCHES] == "-"
    assert summary.row(old).violated is None


def test_shares_of_seeds_have_an_interval():
    cells = [make(success=share, seeds=1, points=3) for share in (0.5, 0.75, 1.0, 1.0)]
    runs = tuple(dataclasses.replace(cell.runs[0], seed=seed) for seed, cell in enumerate(cells))
    share = summary.row(dataclasses.replace(cells[0], runs=runs)).success
    assert share.value == 0.875  # the middle two
    assert share.low < 0.875 < share.high
    never = make(success=0.0, **SMALL)
    assert summary.row(never).time_to_goal is None
    assert summary.texts(summary.row(never))["time to goal s"] == "-"
    assert summary.texts(summary.row(never))["success % [95 %]"] == "0.0"
