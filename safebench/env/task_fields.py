"""What the fields of a task must be: checked when it is made, long before anything is compiled."""

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from safebench.env.corridor import Corridor, Corridors, Start
from safebench.env.safe_set import SafeSet
from safebench.physics.dynamics import Dynamics
from safebench.sets.certificate import Certificate
from safebench.sets.polytope import Box, Polytope, check_half_spaces

NAME = "[A-Za-z0-9][A-Za-z0-9._+-]*"
LONGEST_NAME = 64
LARGEST_COUNT = 2**31 - 1
"""Steps are counted in 32 bits."""


def check_stated(task: Any) -> None:
    """Check what every task states.

    Raises:
        ValueError: naming the field, its value and what was expected.
    """
    name = task.name
    if not (isinstance(name, str) and re.fullmatch(NAME, name) and len(name) <= LONGEST_NAME):
        raise ValueError(
            f"a task's name is {name!r:.100}, expected at most {LONGEST_NAME} letters, digits and '-', like "
            "'my-task' for a file my_task.py"
        )
    _expect(task, "summary", str, "a string")
    for field, kind in (("dynamics", Dynamics), ("certificate", Certificate)):
        _expect(task, field, kind, f"a {kind.__name__} of safebench.task")
    for field in ("constraints", "disturbance"):
        _expect(task, field, Box, "a Box: write box(lower, upper) or symmetric_box(radius)")
        _check_box(task, field)
    if not (task.constraints.lower < task.constraints.upper).all():
        raise wrong(task, "constraints", "a box with lower < upper everywhere")
    if task.half_spaces is not None:
        _expect(task, "half_spaces", Polytope, "None or what half_spaces(normals, offsets) gives")
        try:
            check_half_spaces(task.half_spaces, task.constraints)
        except ValueError as error:
            raise ValueError(f"task {task.name!r}: half_spaces: {' '.join(str(error).split())}") from None
    _check_certificate(task)
    if task.corridors is not None:
        _check_corridors(task)


def check_all(task: Any) -> None:
    """Check what a task states or derives.

    Raises:
        ValueError: naming the field, its value and what was expected.
    """
    states, actions = len(task.extent.lower), len(task.certificate.gain)
    _check_names(task, "state_names", states)
    _check_names(task, "action_names", actions)
    if task.state_units != ():
        _check_names(task, "state_units", states, distinct=False)
    if not isinstance(task.agents, jax.core.Tracer) and actions % task.agents:
        raise wrong(task, "agents", f"a divisor of the number of actions, {actions}")
    _expect(task, "safe_set", SafeSet, "what follows from the certificate: leave it out")
    moving = 0 if task.corridors is None else len(task.certificate.translation_limits)
    if task.safe_set.low_rates.shape[1] != moving:
        raise wrong(task, "safe_set", f"one that {'moves' if moving else 'is fixed'}: leave it out")
    for field in ("observe", "reward", "begin", "advance", "disturb"):
        _expect(task, field, Callable, "a function")
    for field in ("excess", "reached", "picture"):
        _expect(task, field, Callable | None, "a function or None")
    _check_vectors(task, "starts", task.starts, (None, states))
    if task.reference_start is not None:
        if not (isinstance(task.reference_start, tuple) and len(task.reference_start) == 2):
            raise wrong(task, "reference_start", "None or (state, context)")
        _check_vectors(task, "reference_start", task.reference_start[0], (states,))


def whole_number(task: Any, field: str, least: int) -> Any:
    """The field as an int. A traced number stays: programs that train on many tasks at once have such.

    Raises:
        ValueError: if it is no whole number, or out of range.
    """
    value = getattr(task, field)
    if isinstance(value, jax.core.Tracer):
        return value
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not least <= number <= LARGEST_COUNT:
        raise wrong(task, field, f"a whole number from {least} to {LARGEST_COUNT}")
    return number


def positive_number(task: Any, field: str) -> float:
    """The field as a float.

    Raises:
        ValueError: if it is no finite number above zero.
    """
    try:
        number = float(getattr(task, field))
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise wrong(task, field, "a finite number above 0")
    return number


def wrong(task: Any, field: str, expected: str) -> ValueError:
    """The error of a field that is not what was expected, in one line."""
    given = " ".join(repr(getattr(task, field)).split())
    given = given if len(given) <= 120 else f"{given[:120]}..."
    return ValueError(f"task {task.name!r}: {field} is {given}, expected {expected}")


def _expect(task: Any, field: str, kind: Any, expected: str) -> None:
    if not isinstance(getattr(task, field), kind):
        raise wrong(task, field, expected)


def _check_box(task: Any, field: str) -> None:
    sides = [np.asarray(side) for side in getattr(task, field)]
    if (
        any(side.ndim != 1 or side.dtype.kind not in "fiu" for side in sides)
        or sides[0].shape != sides[1].shape
    ):
        raise wrong(task, field, "two vectors of one length: write box(lower, upper)")
    if not (np.isfinite(sides).all() and (sides[0] <= sides[1]).all()):
        raise wrong(task, field, "finite bounds with lower <= upper")


def _check_certificate(task: Any) -> None:
    made = task.certificate
    for field, length in (("constraints", len(made.origin)), ("disturbance", len(made.disturbance.lower))):
        given = len(getattr(task, field).lower)
        if given != length:
            raise ValueError(
                f"task {task.name!r}: {field} has {given} entries, the certificate was proven for {length}"
            )


def _check_corridors(task: Any) -> None:
    _expect(task, "corridors", Corridors, "None or Corridors(begin, move, clearance)")
    for field in ("begin", "move", "clearance"):
        if not callable(getattr(task.corridors, field)):
            raise wrong(task, "corridors", f"Corridors whose {field} is a function")
    entries, states = len(task.certificate.translation_limits), len(task.extent.lower)
    if entries == 0:
        raise ValueError(
            f"task {task.name!r}: corridors are given, but the certificate has no translations for its set "
            "to move along: find one with prove_safe_set(..., translations=...)"
        )
    if task.reference_start is not None:
        raise wrong(task, "reference_start", "None where corridors are given: it has no corridor")
    begun = jax.eval_shape(task.corridors.begin, jax.random.key(0))
    if not (isinstance(begun, Start) and isinstance(begun.corridor, Corridor)):
        raise ValueError(
            f"task {task.name!r}: corridors.begin gives a {type(begun).__name__}, expected a "
            "Start(x, context, Corridor(low, high))"
        )
    for name, value, length in (
        ("x", begun.x, states),
        ("corridor.low", begun.corridor.low, entries),
        ("corridor.high", begun.corridor.high, entries),
    ):
        shape, kind = getattr(value, "shape", None), getattr(value, "dtype", np.dtype(object))
        if shape != (length,) or not jax.dtypes.issubdtype(kind, np.floating):
            raise ValueError(
                f"task {task.name!r}: corridors.begin gives {name} of shape {shape} and type {kind}, "
                f"expected ({length},) floating-point numbers"
            )


def _check_names(task: Any, field: str, wanted: int, distinct: bool = True) -> None:
    names = getattr(task, field)
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise wrong(task, field, f"a tuple of {wanted} strings")
    if len(names) != wanted:
        raise ValueError(f"task {task.name!r}: {field} has {len(names)} entries {names}, expected {wanted}")
    if distinct and (len(set(names)) < wanted or not all(names)):
        raise wrong(task, field, "names that differ, none of them empty")


def _check_vectors(task: Any, field: str, given: Any, shape: tuple[int | None, ...]) -> None:
    """None in a shape stands for any length but 0. Of a traced array nothing but the shape is known."""
    words = f"finite numbers of shape {shape}".replace("None", "any number")
    traced = isinstance(given, jax.core.Tracer)
    try:
        array = given if traced else np.asarray(given, float)
    except (TypeError, ValueError):
        raise wrong(task, field, words) from None
    fits = array.ndim == len(shape) and all(
        length == wanted or (wanted is None and length)
        for length, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"task {task.name!r}: {field} has shape {array.shape}, expected {words}")
    if not traced and not np.isfinite(array).all():
        raise wrong(task, field, words)
