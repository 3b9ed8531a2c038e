"""What a cell may ask for: numbers that would hang or overflow are refused at once."""

import dataclasses

import pytest
from tiny_cells import tiny

from safebench.runs import bounds, suites

HUGE = 99999999999999999999


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"interactions": HUGE}, f"interactions must be at most 1000000000, not {HUGE}"),
        ({"interactions": 0}, "interactions must be at least 1, not 0"),
        ({"interactions": 1e5}, "interactions must be a whole number, not 100000.0"),
        ({"interactions": True}, "interactions must be a whole number, not True"),
        ({"seeds": ()}, "at least one seed"),
        ({"seeds": (0, -1)}, "a seed must be at least 0, not -1"),
        ({"seeds": (2**32,)}, "a seed must be at most 4294967295, not 4294967296"),
        ({"seeds": (0.5,)}, "a seed must be a whole number, not 0.5"),
        ({"seeds": ("1",)}, "a seed must be a whole number, not '1'"),
        ({"seeds": (3, 1, 3)}, "seed 3 is named twice"),
        ({"seeds": tuple(range(10_001))}, "at most 10000 seeds"),
        ({"evaluations": 0}, "evaluation.points must be at least 1, not 0"),
        ({"evaluations": HUGE}, "evaluation.points must be at most"),
        ({"evaluation_starts": HUGE}, "evaluation.starts must be at most"),
        ({"evaluation_horizon": 0}, "evaluation.horizon must be at least 1, not 0"),
        ({"evaluation_horizon": HUGE}, "evaluation.horizon must be at most"),
    ],
)
def test_numbers_out_of_bounds_are_named(changes, line):
    bounds.check(tiny())
    with pytest.raises(ValueError, match=line):
        bounds.check(dataclasses.replace(tiny(), **changes))


@pytest.mark.parametrize("cell", [cell for suite in suites.SUITES for cell in suites.cells(suite)][::7])
def test_every_standard_cell_is_within_bounds(cell):
    bounds.check(cell)
    bounds.check(dataclasses.replace(cell, seeds=(0, 2**32 - 1), interactions=bounds.INTERACTIONS))


@pytest.mark.parametrize(
    ("seeds", "interactions", "line"),
    [
        (HUGE, None, f"seeds must be at most 10000, not {HUGE}"),
        (0, None, "seeds must be at least 1, not 0"),
        (None, HUGE, f"interactions must be at most 1000000000, not {HUGE}"),
        (None, -5, "interactions must be at least 1, not -5"),
        (None, 10.5, "interactions must be a whole number, not 10.5"),
    ],
)
def test_the_command_line_s_numbers_are_checked_before_they_are_used(seeds, interactions, line):
    (cell,) = suites.product(["pendulum"], ["none"], ["shac"])
    with pytest.raises(ValueError, match=line):
        suites.changed(cell, seeds, interactions, "compiled", "float64", {})
