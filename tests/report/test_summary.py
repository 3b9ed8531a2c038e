"""The quick table, in the terminal and as markdown."""

import dataclasses
import io

from rich.console import Console
from synthetic_results import SMALL, grid, make

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
    assert summary.texts(summary.row(cell))[0] == "ray-mask (changed) (1 diverged)"
