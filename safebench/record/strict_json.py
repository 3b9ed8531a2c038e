"""Frozen dataclasses as strict JSON: exact types, ranges and names; one clear line when one is wrong."""

import dataclasses
import math
import re
import types
import typing
from typing import Any


def about(
    text: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    pattern: str | None = None,
    longest: int | None = None,
    shortest: int | None = None,
    default: Any = dataclasses.MISSING,
) -> Any:
    """A dataclass field that carries its meaning, its unit and what its values must satisfy.

    `minimum`, `maximum` and `pattern` bound every number or string in the field, in a tuple too;
    `longest` and `shortest` bound the length of a string or of a tuple. One with a default may be missing.
    """
    rules = {"minimum": minimum, "maximum": maximum, "pattern": pattern}
    rules |= {"longest": longest, "shortest": shortest}
    rules = {name: rule for name, rule in rules.items() if rule is not None}
    return dataclasses.field(default=default, metadata={"about": text, "unit": unit, "rules": rules})


def plain(value: Any) -> Any:
    """A record as dicts, lists and scalars, ready for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def build(kind: Any, value: Any, where: str = "") -> Any:
    """The record of type `kind` that plain JSON `value` describes.

    Raises:
        ValueError: naming the place, e.g. "runs[2].seed: ...", for a missing or unknown field, a wrong
            type, or a value out of its range.
    """
    return _build(kind, value, where, {})


def _build(kind: Any, value: Any, where: str, rules: dict) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _build_record(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _build(inner, value, where, rules)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: must be a list, not {_kind(value)}")
        _check_length(value, where, rules)
        return tuple(_build(arguments[0], item, f"{where}[{i}]", rules) for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: must be an object, not {_kind(value)}")
        if arguments[1] is Any:
            return value
        return {key: _build(arguments[1], item, f"{where}.{key[:40]}", rules) for key, item in value.items()}
    return _build_scalar(kind, value, where, rules)


def _build_record(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where or 'the file'}: must be an object, not {_kind(value)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    prefix = f"{where}." if where else ""
    missing = [name for name in fields if name not in value and not optional(fields[name])]
    if missing:
        raise ValueError(f"{prefix}{missing[0]}: is missing")
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise ValueError(f"{prefix}{_short(unknown[0])}: is not a field of the schema")
    built = {
        name: _build(field.type, value[name], prefix + name, field.metadata.get("rules", {}))
        for name, field in fields.items()
        if name in value
    }
    return kind(**built)


def optional(field: dataclasses.Field) -> bool:
    """Whether a field may be missing."""
    return field.default is not dataclasses.MISSING


def _build_scalar(kind: Any, value: Any, where: str, rules: dict) -> Any:
    if kind is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if type(value) is not kind:
        names = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}
        raise ValueError(f"{where}: must be {names[kind]}, not {_kind(value)}")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{where}: must be finite, not {value}")
    if kind in (int, float):
        if value < rules.get("minimum", -math.inf):
            raise ValueError(f"{where}: must be at least {rules['minimum']}, not {value}")
        if value > rules.get("maximum", math.inf):
            raise ValueError(f"{where}: must be at most {rules['maximum']}, not {value}")
    if kind is str:
        _check_length(value, where, rules)
        if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
            raise ValueError(f"{where}: {_short(value)} does not match {rules['pattern']}")
    return value


def _check_length(value: str | list, where: str, rules: dict) -> None:
    what = "characters" if isinstance(value, str) else "entries"
    if len(value) > rules.get("longest", math.inf):
        raise ValueError(f"{where}: has {len(value)} {what}, at most {rules['longest']} are allowed")
    # `shortest` speaks of the tuple where there is one; strings are bounded below by their pattern.
    if isinstance(value, list) and len(value) < rules.get("shortest", 0):
        raise ValueError(f"{where}: has {len(value)} {what}, at least {rules['shortest']} are needed")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    names |= {int: "an integer", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _short(text: str) -> str:
    """A stranger's string, safe to print on one line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
