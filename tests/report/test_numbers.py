"""Figures as short texts."""

import numpy as np
import pytest

from safebench.report.numbers import interval, number
from safebench.report.stats import Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-8.234, "-8.23"),
        (-123.44, "-123.4"),
        (25131.4, "25,131"),
        (-1574305738.0, "-1.57e9"),
        (2.5e12, "2.50e12"),
        (-np.inf, "diverged"),
        (np.nan, "diverged"),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_an_interval_without_width_is_its_value():
    assert interval(Estimate(-8.41, -8.55, -8.3)) == "-8.41 [-8.55, -8.30]"
    assert interval(Estimate(7.0, 7.0, 7.0)) == "7.00"
