"""How every command ends: its exit code, and one line for whatever went wrong."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

import typer
from rich.text import Text

from safebench.commands import console, interrupts

DONE, FAILED, USAGE, FAULT, INTERRUPTED, UNHEARD = 0, 1, 2, 3, 130, 141
EXIT_CODES = (
    "Exit codes: 0 done; 1 a proof or a cell failed, or a promise of safety was broken; 2 bad usage, files "
    "or places; 3 a fault of safebench or of a plug-in; 130 Ctrl-C; 141 nobody reads the output any more."
)
DEBUG = "--debug"
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a command that has said itself what is kept."""


def run(command: Callable[[list[str]], None], arguments: Sequence[str]) -> int:
    """Call a command with its arguments; the exit code, after one line on standard error if it is not 0.

    DEBUG may stand anywhere before `--`: tracebacks are shown too.
    """
    _open_closed_streams()
    arguments, debug = without_debug(arguments)
    with interrupts.kept() as pressed:
        try:
            command(arguments)
            _flush()
        except typer.Exit as ended:
            return ended.exit_code
        except UsageError as error:
            return _usage(error, debug)
        except (KeyboardInterrupt, typer.Abort) as error:
            return _interrupted(error, debug)
        except BaseException as error:
            return _interrupted(error, debug) if pressed() else _failed(error, debug)
        return DONE


def without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments without DEBUG, and whether it was there."""
    options = list(arguments)
    end = options.index("--") if "--" in options else len(options)
    kept = [word for word in options[:end] if word != DEBUG]
    return kept + options[end:], len(kept) < end


def expected(error: BaseException) -> bool:
    """Whether an error is about what was asked for, and no fault (a KeyError or an IndexError is one)."""
    return isinstance(error, ValueError | OSError) or type(error) is LookupError


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return f"{' -> '.join(names)}: {error.strerror}" if names else error.strerror
    text = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
    return " ".join(text.split())


def _usage(error: Exception, debug: bool) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ != "NoArgsIsHelpError":  # help has been printed
        text = " ".join(error.format_message().split())  # type: ignore[attr-defined]
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        _say(error, f"{text.replace('Value error, ', '')}{_but_given(error, text)}{hint}", debug)
    return USAGE


def _but_given(error: Exception, text: str) -> str:
    """The value that was refused, where the message keeps quiet about it: pydantic's do."""
    details: list[dict] = getattr(error.__cause__, "errors", list)()
    values = [repr(each["input"]) for each in details if "input" in each]
    return f", not {values[0]}" if values and values[0] not in text else ""


def _failed(error: BaseException, debug: bool) -> int:
    # Rich makes a SystemExit of a pipe that nobody reads.
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        _turn_away()
        return UNHEARD
    if expected(error):
        _turn_away()
        _say(error, f"{_place(error)}{one_line(error) or type(error).__name__}", debug)
        return USAGE
    hint = "" if debug else f"; run again with {DEBUG} for the traceback"
    said = f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
    _say(error, f"{said} (a fault of safebench or of a plug-in{hint})", debug)
    return FAULT


def _interrupted(error: BaseException, debug: bool) -> int:
    # CPython under `-m` ends by a signal, whatever the exit code, if the last `exec` of a text was
    # interrupted (dataclasses and libraries call it): one that is not makes it forget that.
    exec("")
    if debug:
        traceback.print_exception(error)
    if not isinstance(error, Interrupted):
        console.make(stderr=True).print("interrupted")
    return INTERRUPTED


def _place(error: BaseException) -> str:
    """What an error is about that does not say so itself."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is not None and last.tb_frame.f_globals.get("__name__") == "rich.console":
        return "standard output: "
    try:
        os.getcwd()
    except OSError:
        return "the current folder has been removed: "
    return ""


def _turn_away() -> None:
    """Where standard output cannot be written, what is still to come goes nowhere."""
    try:
        _flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(error: BaseException, line: str, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    console.make(stderr=True).print(Text.assemble(("Error:", "red"), f" {line}"), soft_wrap=True)


def _open_closed_streams() -> None:
    """Closed standard streams go nowhere, or files would get their numbers; odd characters are escaped."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, or a replacement without it
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _flush() -> None:
    with suppress(AttributeError, ValueError):
        sys.stdout.flush()
