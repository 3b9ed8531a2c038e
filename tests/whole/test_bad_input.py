"""Every kind of bad input gets the exit code and the one line that docs/bad-input.md says."""

import os
import shlex
import subprocess
import sys

import bad_input
import pytest
from bad_input import CASES, Case

import safebench as package
from safebench.runs import train


def title(case):
    return f"{case.what}: {case.command}"[:100]


def prepare(case, folder, monkeypatch):
    """Write the case's files and go there; training is a fault from here on."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content() if callable(content) else content
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))


def check(case, code, out, error):
    printed = [line for line in (out + error).splitlines() if line.strip()]
    assert code == case.exit, printed
    assert any(case.matches(line) for line in printed), printed
    assert "Traceback" not in out + error
    if code == 2:
        assert len(error.splitlines()) == 1, error
        assert out == ""


@pytest.fixture
def untrained(monkeypatch):
    """No case may get as far as a training program."""

    def begun(*arguments):
        raise AssertionError("training began")

    monkeypatch.setattr(train, "begun", begun)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.exit is not None and not case.environment], ids=title
)
def test_a_bad_command_gets_its_exit_code_and_one_line(case, tmp_path, monkeypatch, safebench, untrained):
    prepare(case, tmp_path, monkeypatch)
    program, *arguments = shlex.split(case.command)
    assert program == "safebench"
    before = sorted(tmp_path.rglob("*"))
    check(case, *safebench(*arguments))
    after = [path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts]
    assert sorted(after) == before


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case.environment], ids=title)
def test_a_bad_environment_gets_its_exit_code_and_one_line(case, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(case.command)],
        cwd=tmp_path,
        env=os.environ | case.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    check(case, done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("case", [case for case in CASES if case.exit is None], ids=title)
def test_a_bad_call_raises_one_line(case, untrained):
    with pytest.raises((ValueError, LookupError, OSError)) as caught:
        eval(case.command, {"safebench": package})
    assert case.matches(str(caught.value.args[0]))


def test_the_page_is_what_the_cases_say():
    assert bad_input.PAGE.read_text() == bad_input.page(), f"write it again: {bad_input.COMMAND}"


def test_another_line_is_not_the_one_expected():
    """The control: a case tells its line from others."""
    case = Case("", "", "Error: one ... three")
    assert case.matches("Error: one two three")
    for other in ("Error: one two three four", "one two three", "Error: one two", ""):
        assert not case.matches(other)
    with pytest.raises(AssertionError):
        check(case, 2, "", "Error: two\n")
    with pytest.raises(AssertionError):
        check(case, 1, "", "Error: one two three\n")
    with pytest.raises(AssertionError):
        check(case, 2, "", "Traceback\nError: one two three\n")
    check(case, 2, "", "Error: one two three\n")
