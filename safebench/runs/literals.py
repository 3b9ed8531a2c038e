"""Values of settings, read from text as the field's type says."""

import ast
import enum
import math
import types
import typing
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from safebench.env.require import shown

LONGEST = 1000
"""Characters of a value: more is no setting, and may be too much for Python's parser."""
_NONE = type(None)
_UNREADABLE = object()


def kinds_of(config: Any) -> Mapping[str, Any]:
    """The type of every field of a dataclass; that of its value where the annotation cannot be resolved."""
    values = {name: _kind_of(getattr(config, name)) for name in type(config).__dataclass_fields__}
    try:
        return values | typing.get_type_hints(type(config))
    except (NameError, TypeError, AttributeError, SyntaxError):  # names of the author's that are not there
        return values


def read(kind: Any, current: Any, value: Any, where: str) -> Any:
    """`value` as a value of the type `kind`; text is a Python literal, bare for strings and choices.

    current: the field's value until now, for what the message shows. where: what the message calls the field.

    Raises:
        ValueError: in one line, saying what is wanted.
    """
    if isinstance(value, np.generic):
        value = value.item()
    found = _read(kind, current, value)
    if found is _UNREADABLE:
        value = _literal(value)
        wanted = (
            "a finite number" if kind is float and type(value) in (int, float) else _wanted(kind, current)
        )
        raise ValueError(f"{where} wants {wanted}, not {shown(value)}")
    return found


def _read(kind: Any, current: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        readings = (_read(each, current, value) for each in arguments)
        return next((found for found in readings if found is not _UNREADABLE), _UNREADABLE)
    if origin is Literal:
        candidates = (value, _literal(value))
        same = (choice for choice in arguments for each in candidates if _same(choice, each))
        return next(same, _UNREADABLE)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next((each for each in kind if value in (each, each.name, each.value)), _UNREADABLE)
    if kind is str:
        return value if isinstance(value, str) else _UNREADABLE
    if kind is bool and isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), _UNREADABLE)
    if kind is _NONE and isinstance(value, str):
        return None if value.strip().lower() == "none" else _UNREADABLE
    value = _literal(value)
    if kind is float:
        return _float(value)
    if origin is tuple or kind is tuple:
        return _tuple(arguments, value)
    if kind is Any or not isinstance(kind, type):  # an annotation that says nothing to us
        kind = type(current)
    return value if type(value) is kind else _UNREADABLE


def _literal(value: Any) -> Any:
    """What text says in Python; the text itself where it is none."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's about its own syntax
            return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def _float(value: Any) -> Any:
    if type(value) not in (int, float):
        return _UNREADABLE
    try:
        value = float(value)
    except OverflowError:
        return _UNREADABLE
    return value if math.isfinite(value) else _UNREADABLE


def _tuple(kinds: tuple[Any, ...], value: Any) -> Any:
    entries = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not kinds:
        return entries
    kinds = (kinds[0],) * len(entries) if kinds[-1] is ... else kinds
    if len(kinds) != len(entries):
        return _UNREADABLE
    found = tuple(_read(kind, None, entry) for kind, entry in zip(kinds, entries, strict=True))
    return _UNREADABLE if any(entry is _UNREADABLE for entry in found) else found


def _same(choice: Any, value: Any) -> bool:
    return type(choice) is type(value) and choice == value


def _kind_of(value: Any) -> Any:
    if isinstance(value, tuple) and value and len({type(entry) for entry in value}) == 1:
        return types.GenericAlias(tuple, (type(value[0]), ...))
    return type(value)


NAMED = {
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
    _NONE: ("none", "none"),
}
"""What one value and several values of a type are called."""


def _wanted(kind: Any, current: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_wanted(each, current) for each in arguments)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return f"one of {', '.join(each.name for each in kind)}"
    if kind in NAMED:
        return NAMED[kind][0]
    if origin is tuple and arguments and arguments[0] in NAMED:
        open_ended = arguments[-1] is ...
        count = "" if open_ended else f"{len(arguments)} "
        entry = 64 if arguments[0] is int else 0.5
        example = current if current else (entry,) * (2 if open_ended else len(arguments))
        return f"{count}{NAMED[arguments[0]][1]} in brackets like {shown(example)}"
    return f"a value like {shown(current)}"
