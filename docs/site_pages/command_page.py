"""The reference of the command line, from the program itself."""

import typing
from pathlib import Path
from typing import Any

import typer

from safebench.cli import app
from safebench.commands import ending
from site_pages.text import prose, table


def page() -> str:
    """Every command with its arguments, options and examples, as markdown."""
    group: Any = typer.main.get_command(app)
    functions = [info.callback for info in app.registered_commands]
    parts = [
        "# Command line",
        "Made from the program: `safebench --help` and `safebench COMMAND --help` say the same. `--debug` "
        "may stand anywhere and shows the traceback of an error.",
        prose(ending.EXIT_CODES),
        *(
            _command(name, command, typing.get_type_hints(function))
            for (name, command), function in zip(group.commands.items(), functions, strict=True)
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _command(name: str, command: Any, kinds: dict[str, Any]) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = " ".join(_usage(each) for each in shown if each.param_type_name == "argument")
    rows = [_row(parameter, kinds[parameter.name]) for parameter in shown]
    parts = [
        f"## safebench {name}",
        prose(command.help or ""),
        f"```text\nsafebench {name} [OPTIONS] {arguments}".rstrip() + "\n```",
        table(("option", "value", "default", "meaning"), rows) if rows else "",
        command.epilog or "",
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part)


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _row(parameter: Any, kind: Any) -> tuple[str, str, str, str]:
    option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if option else [parameter.name.upper()]
    usual = "" if parameter.default in (None, False, ()) else f"`{parameter.default}`"
    usual = "required" if parameter.required else usual
    return ", ".join(f"`{name}`" for name in names), _value(kind), usual, prose(parameter.help or "")


def _value(kind: Any) -> str:
    """What an option of this type takes."""
    inside = [each for each in typing.get_args(kind) if each is not type(None)]
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in inside)
    if inside:
        return _value(inside[0]) + (", repeatable" if typing.get_origin(kind) is list else "")
    return {bool: "", int: "whole number", Path: "path"}.get(kind, "text")
