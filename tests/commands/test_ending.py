"""How commands end: exit codes, one line for every error, tracebacks only with --debug."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest
import typer

from safebench import cli
from safebench.commands import ending, listing

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
"""As the command line has it, where jax has not set it before."""


def ended(capsys, error, *arguments):
    """(exit code, standard error) of a command that raises."""

    def command(_):
        if error is not None:
            raise error

    code = ending.run(command, arguments)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 0, ""),
        (typer.Exit(1), 1, ""),
        (ValueError("a bad\n  value [/red]"), 2, "Error: a bad value [/red]"),
        (LookupError("unknown task 'x'"), 2, "Error: unknown task 'x'"),
        (OSError(28, "No space left on device", "a.json"), 2, "Error: a.json: No space left on device"),
        (OSError("a.json: cannot be written"), 2, "Error: a.json: cannot be written"),
        (ValueError(), 2, "Error: ValueError"),
        (typer.BadParameter("[/x] is no number"), 2, "Error: Invalid value: [/x] is no number"),
        (KeyError("foo"), 3, "Error: KeyError: foo (a fault"),
        (IndexError("list index out of range"), 3, "Error: IndexError: list index out of range (a fault"),
        (TypeError("wrong"), 3, "Error: TypeError: wrong (a fault"),
        (AssertionError(), 3, "Error: AssertionError (a fault"),
        (SystemExit("from a plug-in"), 3, "Error: SystemExit: from a plug-in (a fault"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ending.Interrupted(), 130, ""),
        (typer.Abort(), 130, "interrupted"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
    ],
)
def test_every_end_has_its_code_and_at_most_one_line(error, code, said, capsys):
    found, printed = ended(capsys, error)
    assert found == code
    assert printed.count("\n") == bool(said)
    assert printed.startswith(said)
    assert ("--debug" in printed) == (code == 3)


@pytest.mark.parametrize("error", [ValueError("bad"), LookupError("bad"), OSError("bad"), TypeError("bad")])
def test_debug_shows_the_traceback_of_expected_errors_too(error, capsys):
    _, printed = ended(capsys, error, "list", ending.DEBUG)
    assert "Traceback (most recent call last)" in printed
    assert printed.splitlines()[-1].startswith("Error: ")
    _, printed = ended(capsys, error, "list")
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("given", "left", "debug"),
    [
        (["--debug", "list"], ["list"], True),
        (["list", "tasks", "--debug"], ["list", "tasks"], True),
        (["list"], ["list"], False),
        (["report", "--", "--debug"], ["report", "--", "--debug"], False),
    ],
)
def test_debug_may_stand_anywhere_but_after_two_hyphens(given, left, debug):
    assert ending.without_debug(given) == (left, debug)


def test_debug_reaches_the_command_line(safebench):
    for arguments in (("--debug", "certify", "pendulm"), ("certify", "pendulm", "--debug")):
        code, _, error = safebench(*arguments)
        assert code == 2
        assert "Traceback" in error
        assert "Did you mean 'pendulum'" in error.splitlines()[-1]


def test_the_help_names_debug_and_every_exit_code(safebench):
    _, output, _ = safebench("--help")
    assert "--debug" in output
    for code in (0, 1, 2, 3, 130, 141):
        assert f" {code} " in output
        assert f"{code}: " in cli.main.__doc__


@pytest.mark.parametrize("command", ["list", "certify", "bench", "draw"])
def test_ctrl_c_is_one_line_in_every_command(command, safebench, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_start_jax", stop)
    code, output, error = safebench(command, *(("-t", "quadrotor") if command == "draw" else ()))
    assert (code, output, error) == (130, "", "interrupted\n")


class Deaf:
    """Raises where Python only reports exceptions, as in jax's callback of the garbage collector."""

    def __init__(self, error):
        self.error = error

    def __del__(self):
        raise self.error


def wait(_=None):
    Deaf(KeyboardInterrupt())
    for _ in range(200):
        time.sleep(0.1)


def test_ctrl_c_is_not_lost_where_exceptions_are(capsys):
    begun = time.monotonic()
    assert ending.run(wait, []) == 130
    assert time.monotonic() - begun < 10
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(("press", "code"), [(True, 130), (False, 3)])
def test_what_a_library_leaves_that_swallowed_ctrl_c_is_not_called_a_fault(press, code, capsys):
    def imports(_):
        try:
            if press:
                signal.raise_signal(signal.SIGINT)
        except:  # noqa: E722
            pass
        raise NameError("half made")

    assert ending.run(imports, []) == code
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    error = capsys.readouterr().err
    assert (error == "interrupted\n") == press


INSIDE = """
import signal, sys
from safebench.commands import ending
def inside(_):
    exec("signal.raise_signal(signal.SIGINT)")
"""
BY_US = "sys.exit(ending.run(inside, []))"
BY_PYTHON = """
try:
    inside(0)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(("ends", "code"), [(BY_US, 130), (BY_PYTHON, -signal.SIGINT)])
def test_ctrl_c_inside_of_exec_keeps_the_exit_code(ends, code, tmp_path):
    """Under `python -m`; by itself Python does not keep it, which is the control."""
    (tmp_path / "inside.py").write_text(INSIDE + ends)
    command = [sys.executable, "-m", "inside"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == code


def test_other_exceptions_are_reported_there_as_ever(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: seen.append(lost.exc_type))
    assert ending.run(lambda _: Deaf(KeyError()) and None, []) == 0
    assert seen == [KeyError]
    Deaf(KeyboardInterrupt())  # the control: outside of a command it is lost
    assert seen == [KeyError, KeyboardInterrupt]


@pytest.mark.slow
def test_ctrl_c_in_a_real_shell():
    command = [sys.executable, "-m", "safebench", "bench", "filter"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **QUIET}
    ) as process:
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == b"interrupted\n"


def shell(command, **environment):
    """(exit code, standard error) of a line of bash; $S is the command line."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env={**os.environ, **QUIET, "S": f"{sys.executable} -m safebench", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_reader_that_leaves_ends_it_quietly():
    code, error = shell("$S --help | head -c 1")
    assert error == ""
    assert code in (0, 141)  # 0: it had said everything before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        pytest.param("$S list | head -c 1", 141, "", marks=pytest.mark.weekly),  # it proves every set first
        ("$S list suites >&-", 0, ""),
        ("$S list suites >&- 2>&- <&-", 0, ""),
        ("$S list suites > /dev/full", 2, "Error: standard output: No space left on device\n"),
        ("PYTHONIOENCODING=ascii LANG=C $S certify pendulum", 0, ""),
        ("COLUMNS=0 LINES=0 TERM=dumb NO_COLOR=1 $S list suites", 0, ""),
    ],
)
def test_odd_streams_are_no_traceback(command, code, said):
    assert shell(command) == (code, said)


def test_characters_that_the_terminal_cannot_show_are_escaped(monkeypatch):
    seen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(seen, encoding="ascii", write_through=True))

    def command(_):
        print("± 1")

    assert ending.run(command, ()) == 0
    assert seen.getvalue() == b"\\xb1 1\n"


def test_a_fault_in_a_command_is_one_line(safebench, monkeypatch):
    def fault(*_):
        raise KeyError("foo")

    monkeypatch.setattr(listing, "show", fault)
    code, _, error = safebench("list")
    assert code == 3
    assert error.startswith("Error: KeyError: foo (a fault of safebench or of a plug-in; run again with")
    assert error.count("\n") == 1
