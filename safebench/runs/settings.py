"""Changing fields of frozen configs by name, with types checked."""

import dataclasses
import difflib
import sys
from collections.abc import Mapping
from typing import Any

from safebench.env.require import shown
from safebench.plugin import speaking
from safebench.runs import literals

OWNERS = ("learner", "safeguard", "task", "evaluation")
"""What settings belong to."""


def with_options(config: Any, options: Mapping[str, Any], owner: str) -> Any:
    """`config` with some fields replaced; text is read as a Python literal of the field's type.

    Raises:
        ValueError: for an unknown field (naming the nearest and all), a value of another type, or one that
            the config itself refuses.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise ValueError(f"the settings of the {owner} must be a dataclass, not a {type(config).__name__}")
    fields = [field.name for field in dataclasses.fields(config) if field.init]
    kinds = literals.kinds_of(config)
    changes = {}
    for name, value in options.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            has = ", ".join(fields) or "none"
            raise ValueError(f"{owner} has no setting {shown(name)}.{hint} It has: {has}")
        changes[name] = literals.read(kinds[name], getattr(config, name), value, f"{owner}.{name}")
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:
        text = str(error)
        dot = "." if text.split(" ")[0] in fields else ": "
        raise ValueError(f"{owner}{dot}{text}") from error
    except Exception:
        module = sys.modules.get(type(config).__module__)
        with speaking(getattr(module, "__file__", None) or owner, "Config"):
            raise


def parse(assignments: list[str]) -> dict[str, dict[str, str]]:
    """["learner.discount=0.9"] -> {"learner": {"discount": "0.9"}}; see OWNERS.

    Raises:
        ValueError: for anything else than OWNER.FIELD=VALUE, or a field with two different values.
    """
    parsed: dict[str, dict[str, str]] = {}
    for text in assignments:
        target, equals, value = text.partition("=")
        owner, dot, name = target.strip().partition(".")
        if not (equals and dot and name) or owner not in OWNERS:
            wanted = " or ".join(f"{known}.FIELD=VALUE" for known in OWNERS)
            near = difflib.get_close_matches(owner, OWNERS, n=1, cutoff=0.5)
            hint = f". Did you mean {near[0]!r}?" if near and owner not in OWNERS else ""
            raise ValueError(f"--set wants {wanted}, not {shown(text)}{hint}")
        before = parsed.setdefault(owner, {}).setdefault(name, value.strip())
        if before != value.strip():
            both = f"{shown(before)} and {shown(value.strip())}"
            raise ValueError(f"--set gives {owner}.{name} two values, {both}: give one")
    return parsed
