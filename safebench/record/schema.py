"""The schema of result files, derived from the dataclasses: JSON Schema, and the table in results/README.md.

`python -m safebench.commands.schema` writes the one and prints the other.
"""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from safebench.record.result import Result
from safebench.record.strict_json import optional

FILE = Path(__file__).with_name("result.schema.json")
RULES = {"minimum": "minimum", "maximum": "maximum"}


def json_schema(kind: Any = Result) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, {}, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"safebench {kind.__name__.lower()}",
        **root,
        "$defs": definitions,
    }


def _schema(kind: Any, rules: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        name = kind.__name__
        if name not in definitions:
            definitions[name] = {}  # reserves the place in the order of first use
            fields = dataclasses.fields(kind)
            definitions[name] = {
                "type": "object",
                "description": " ".join((kind.__doc__ or "").split()),
                "properties": {field.name: _field(field, definitions) for field in fields},
                "required": [field.name for field in fields if not optional(field)],
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{name}"}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return {"anyOf": [_schema(inner, rules, definitions), {"type": "null"}]}
    if origin is tuple:
        lengths = {"shortest": "minItems", "longest": "maxItems"}
        inner_rules = {name: rule for name, rule in rules.items() if name not in lengths}
        return {
            "type": "array",
            "items": _schema(arguments[0], inner_rules, definitions),
            **{lengths[name]: rule for name, rule in rules.items() if name in lengths},
        }
    if origin is dict:
        if arguments[1] is Any:
            return {"type": "object"}
        return {"type": "object", "additionalProperties": _schema(arguments[1], rules, definitions)}
    return _scalar(kind, rules)


def _scalar(kind: type, rules: dict[str, Any]) -> dict[str, Any]:
    names = {int: "integer", float: "number", str: "string", bool: "boolean"}
    schema: dict[str, Any] = {"type": names[kind]}
    for name, rule in rules.items():
        if name in RULES:
            schema[RULES[name]] = rule
        elif name == "pattern":
            schema["pattern"] = f"^(?:{rule})$"
        elif name == "longest":
            schema["maxLength"] = rule
    return schema


def _field(field: dataclasses.Field, definitions: dict[str, Any]) -> dict[str, Any]:
    about, unit = field.metadata["about"], field.metadata["unit"]
    described = _schema(field.type, field.metadata["rules"], definitions)
    return {"description": f"{about} [{unit}]" if unit else about, **described}


def text() -> str:
    """What result.schema.json holds."""
    return json.dumps(json_schema(), indent=2) + "\n"


def field_table(kind: Any = Result) -> str:
    """Every field of a record and of the records inside it, in markdown, with types and units."""
    kinds: list[Any] = []
    _collect(kind, kinds)
    parts = []
    for each in kinds:
        lines = [f"### {each.__name__}", "", " ".join((each.__doc__ or "").split()), ""]
        lines += ["| field | type | unit | meaning |", "|---|---|---|---|"]
        for field in dataclasses.fields(each):
            about, unit = field.metadata["about"], field.metadata["unit"]
            lines.append(f"| `{field.name}` | {_type_name(field.type)} | {unit or '-'} | {about} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _collect(kind: Any, kinds: list[Any]) -> None:
    if dataclasses.is_dataclass(kind):
        if kind not in kinds:
            kinds.append(kind)
            for field in dataclasses.fields(kind):
                _collect(field.type, kinds)
        return
    for argument in typing.get_args(kind):
        _collect(argument, kinds)


def _type_name(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("null" if part is type(None) else _type_name(part) for part in arguments)
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return "object" if arguments[1] is Any else f"object of {_type_name(arguments[1])}"
    names = {int: "integer", float: "number", str: "string", bool: "boolean"}
    return names.get(kind, f"[{kind.__name__}](#{kind.__name__.lower()})")
