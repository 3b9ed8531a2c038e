"""Changing fields of frozen configs by name, with types checked."""

import ast
import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

OWNERS = ("learner", "safeguard", "evaluation")
"""What settings belong to."""


def with_options(config: Any, options: Mapping[str, Any], owner: str) -> Any:
    """`config` with some fields replaced; text is read as a Python literal of the field's type.

    Raises:
        ValueError: for an unknown field (naming the nearest and all) or a value of another type.
    """
    fields = [field.name for field in dataclasses.fields(config)]
    changes = {}
    for name, value in options.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{owner} has no setting {name!r}.{hint} It has: {', '.join(fields) or 'none'}")
        changes[name] = _like(getattr(config, name), value, f"{owner}.{name}")
    return dataclasses.replace(config, **changes)


def parse(assignments: list[str]) -> dict[str, dict[str, str]]:
    """["learner.discount=0.9"] -> {"learner": {"discount": "0.9"}}; see OWNERS.

    Raises:
        ValueError: for anything else than OWNER.FIELD=VALUE.
    """
    parsed: dict[str, dict[str, str]] = {}
    for text in assignments:
        target, equals, value = text.partition("=")
        owner, dot, name = target.partition(".")
        if not (equals and dot and name) or owner not in OWNERS:
            wanted = " or ".join(f"{known}.FIELD=VALUE" for known in OWNERS)
            raise ValueError(f"--set wants {wanted}, not {text!r}")
        parsed.setdefault(owner, {})[name] = value
    return parsed


def _like(current: Any, value: Any, where: str) -> Any:
    if isinstance(current, bool) and isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if isinstance(value, str) and not isinstance(current, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise ValueError(f"{where} wants a {type(current).__name__}, not {value!r}") from None
    if isinstance(current, float) and type(value) is int:
        value = float(value)
    if isinstance(current, tuple):
        value = tuple(value) if isinstance(value, list | tuple) else (value,)
        kinds = {type(entry) for entry in current}
        value = tuple(float(entry) if kinds == {float} and type(entry) is int else entry for entry in value)
        if not {type(entry) for entry in value} <= kinds:
            raise ValueError(f"{where} wants entries like {current}, not {value}")
    if type(value) is not type(current):
        raise ValueError(f"{where} wants a {type(current).__name__}, not {value!r}")
    return value
