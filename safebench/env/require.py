"""What a setting may be: every check raises one line with the setting's name, its value and what is allowed.

For `Config.__post_init__` of a plug-in, so that a bad setting is refused before anything is compiled.
"""

import math
from collections.abc import Callable
from typing import Any, get_args

MOST = 1_000_000
"""The largest count that is let through where nothing else is said: beyond it, programs hang or overflow."""
WIDEST = 100_000
"""The widest hidden layer."""


def require_each(check: Callable[[str, Any], None], config: Any, *names: str) -> None:
    """Check several fields of a config alike.

    Raises: ValueError: as `check`.
    """
    for name in names:
        check(name, getattr(config, name))


def require_count(name: str, value: int, least: int = 1, most: int = MOST) -> None:
    """Raises: ValueError: if `value` is not a whole number from `least` to `most`."""
    if type(value) is not int:
        raise ValueError(f"{name} must be a whole number, not {shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {shown(value)}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}, not {shown(value)}")


def require_within(name: str, value: float, low: float, high: float) -> None:
    """Raises: ValueError: if `value` is not a number from `low` to `high`."""
    if not (_finite(value) and low <= value <= high):
        raise ValueError(f"{name} must be a number between {low:g} and {high:g}, not {shown(value)}")


def require_share(name: str, value: float) -> None:
    """Raises: ValueError: if `value` is not a number from 0 to 1."""
    require_within(name, value, 0, 1)


def require_positive(name: str, value: float) -> None:
    """Raises: ValueError: if `value` is not a finite number above 0."""
    if not (_finite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number > 0, not {shown(value)}")


def require_weight(name: str, value: float) -> None:
    """Raises: ValueError: if `value` is not a finite number from 0 on."""
    if not (_finite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number >= 0, not {shown(value)}")


def require_flag(name: str, value: bool) -> None:
    """Raises: ValueError: if `value` is neither True nor False."""
    if type(value) is not bool:
        raise ValueError(f"{name} must be true or false, not {shown(value)}")


def require_choice(name: str, value: str | None, choices: Any) -> None:
    """Raises: ValueError: if `value` is not one of the literal type's choices."""
    if value not in get_args(choices):
        allowed = ", ".join(repr(choice) for choice in get_args(choices))
        raise ValueError(f"{name} must be one of {allowed}, not {shown(value)}")


def require_betas(name: str, value: tuple[float, float]) -> None:
    """Raises: ValueError: if `value` is not a pair of numbers from 0 to below 1, as Adam takes them."""
    pair = isinstance(value, tuple) and len(value) == 2
    if not (pair and all(_finite(beta) and 0 <= beta < 1 for beta in value)):
        raise ValueError(f"{name} must be two numbers >= 0 and < 1, not {shown(value)}")


def require_widths(name: str, value: tuple[int, ...]) -> None:
    """Raises: ValueError: if `value` is not a tuple of widths of hidden layers, from 1 to WIDEST."""
    widths = isinstance(value, tuple) and all(type(width) is int for width in value)
    if not (widths and all(1 <= width <= WIDEST for width in value)):
        raise ValueError(f"{name} must be whole numbers between 1 and {WIDEST}, not {shown(value)}")


def shown(value: object, longest: int = 60) -> str:
    """A value as an error message shows it: on one line, and cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # a number with more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= longest else f"{text[: longest - 4]} ..."


def _finite(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False
