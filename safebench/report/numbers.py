"""Figures as short texts."""

import math

from safebench.report.stats import Estimate


def number(value: float) -> str:
    """Four significant digits or whole numbers, thousands grouped; "diverged" for -infinity."""
    if not math.isfinite(value):
        return "diverged"
    size = abs(value)
    if size >= 1e7:
        return f"{value:.2e}".replace("e+0", "e").replace("e+", "e")
    digits = 2 if size < 100 else 1 if size < 1000 else 0
    return f"{value:,.{digits}f}"


def interval(estimate: Estimate) -> str:
    """E.g. "-8.41 [-8.55, -8.30]", with as many digits as the size deserves."""
    value, low, high = (number(part) for part in estimate)
    if value == low == high:
        return value
    return f"{value} [{low}, {high}]"


def percent(share: Estimate | None) -> str:
    """A share and its interval in per cent, with one digit."""
    if share is None:
        return "-"
    value, low, high = (f"{100 * part:.1f}" for part in share)
    return value if value == low == high else f"{value} [{low}, {high}]"
