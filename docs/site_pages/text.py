"""Docstrings as markdown, and tables."""

import dataclasses
import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

SPECIAL = re.compile(r"[\\*<>\[\]$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
CODE = re.compile(r"(``.+?``|`[^`]+`)", flags=re.S)


def prose(text: str) -> str:
    """Text in which markdown interprets nothing but lists, tables and code in backticks."""
    parts = CODE.split(text)
    return "".join(part if i % 2 else SPECIAL.sub(r"\\\g<0>", part) for i, part in enumerate(parts))


def docstring(documented: Any) -> str:
    """The docstring of a module, class or function as markdown; "" where it has none.

    Lines indented by four spaces after an empty line stay code.
    """
    paragraphs = re.split(r"\n{2,}", inspect.cleandoc(documented.__doc__ or ""))
    return "\n\n".join(p if p.startswith("    ") else prose(p) for p in paragraphs)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A markdown table; entries are markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell(entry) for entry in line) + " |" for line in lines) + "\n"


def cell(entry: Any) -> str:
    """An entry on one line in which no bar ends the cell."""
    return " ".join(re.sub(r"(?<!\\)\|", r"\\|", str(entry)).split())


def code(value: Any) -> str:
    """A value as Python shows it."""
    return f"`{value!r}`"


def number(value: float) -> str:
    """As many digits as a limit has, at most six."""
    return f"{value:.6g}"


def settings(config: Any) -> str:
    """The fields of a frozen config with type and default, and what its docstring says of them.

    config: an instance with the defaults.
    """
    fields = dataclasses.fields(config)
    if not fields:
        return "It has no settings.\n"
    rows = [(f"`{field.name}`", kind(field.type), code(getattr(config, field.name))) for field in fields]
    text = docstring(type(config))
    for field in fields:
        text = re.sub(rf"(?<![\w`]){field.name}(?=:)", f"**{field.name}**", text)
    text = re.sub(r"\n(?=\*\*)", "\n\n", text)
    return f"{table(('setting', 'type', 'default'), rows)}\n{text}\n"


def kind(annotation: Any) -> str:
    """A type as it was written."""
    written = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return f"`{written if written and '[' not in str(annotation) else annotation}`".replace("typing.", "")
