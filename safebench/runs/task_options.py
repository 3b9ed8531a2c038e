"""Options of a task: what its `make` takes beside the physics, changed by `--set task.FIELD=VALUE`.

A result records those that were changed, and is not standard. Of a file that an option names it records the
path alone: who has another file there gets another result.
"""

import inspect
import typing
from collections.abc import Mapping
from dataclasses import make_dataclass
from os import PathLike
from typing import Any

from safebench.plugin import Plugin
from safebench.runs import settings


def given(plugin: Plugin, changes: Mapping[str, str]) -> dict[str, Any]:
    """The options that `changes` say, as values of their types.

    Raises:
        ValueError: for an option that the task does not have (naming the nearest and all), or a value of
            another type.
    """
    if not changes:
        return {}
    found = defaults(plugin)
    made = settings.with_options(found, changes, "task")
    return {name: getattr(made, name) for name in changes}


def defaults(plugin: Plugin) -> Any:
    """All options of a task with the values that they have unless changed: an instance of a dataclass."""
    make = plugin.module.make
    try:
        hints = typing.get_type_hints(make)
    except (NameError, TypeError, AttributeError):  # names of the author's that are not there
        hints = {}
    _, *others = inspect.signature(make).parameters.values()
    named = [each for each in others if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    values = {each.name: plugin.options.get(each.name, each.default) for each in named}
    values = {name: value for name, value in values.items() if value is not inspect.Parameter.empty}
    kinds = {name: _readable(hints.get(name, type(value))) for name, value in values.items()}
    return make_dataclass("Options", list(kinds.items()))(**values)


def _readable(kind: Any) -> Any:
    """The type that text is read as: a path is text. What can be a path or nothing is nothing for `none`."""
    if kind is PathLike or typing.get_origin(kind) is PathLike:
        return str
    arguments = typing.get_args(kind)
    if not arguments or typing.get_origin(kind) in (tuple, typing.Literal):
        return kind
    readable = sorted(dict.fromkeys(map(_readable, arguments)), key=lambda each: each is str)
    return typing.Union[tuple(readable)]  # noqa: UP007 (made of parts)
