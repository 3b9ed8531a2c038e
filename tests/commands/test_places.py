"""The command line in odd places: a notebook's variables, no home folder, a folder that is gone."""

import os
import shutil
import subprocess
import sys

import pytest

HELP_THEN_PLOTS = """
import sys
from safebench import cli
sys.argv = ["safebench", "--help"]
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code
import safebench.report.plots, matplotlib
print("drawn with", matplotlib.get_backend())
"""
WITHOUT_A_NAME = """
import os, sys
os.getuid = lambda: 54321
from safebench.cli import main
main()
"""
NOTEBOOK = "inline_of_another_environment"
"""What a notebook leaves in the environment of its commands, whose own environment lacks it."""


def python(code, *arguments, without=(), cwd=None, **environment):
    kept = {name: value for name, value in os.environ.items() if name not in without}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**kept, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_backend_of_a_notebook_stops_no_command():
    done = python(HELP_THEN_PLOTS, MPLBACKEND=NOTEBOOK)
    assert done.returncode == 0, done.stderr
    assert "drawn with agg" in done.stdout.lower()


@pytest.mark.slow
def test_the_backend_of_a_notebook_would_stop_them():
    """The control."""
    done = python("import safebench.report.plots", MPLBACKEND=NOTEBOOK)
    assert done.returncode == 1
    assert "backend" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("list", "suites"), ("certify", "pendulum"), ("draw", "-t", "pendulum", "--out", "x.png")]
)
def test_no_home_and_a_user_without_a_name_are_no_traceback(command, tmp_path):
    nameless = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "SAFEBENCH_CACHE", "MPLCONFIGDIR")
    done = python(WITHOUT_A_NAME, *command, without=nameless, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "compiled programs are not kept" in done.stderr.splitlines()[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("JAX_PLATFORMS", "mars", "JAX_PLATFORMS='mars': no such device can be used here, only: cpu"),
        ("JAX_ENABLE_X64", "maybe", "'JAX_ENABLE_X64'"),
        ("JAX_DEFAULT_PRNG_IMPL", "dice", "jax_default_prng_impl"),
        ("XLA_FLAGS", "--nonsense=1", "XLA_FLAGS='--nonsense=1': Unknown flag in XLA_FLAGS: --nonsense=1"),
    ],
)
def test_variables_that_jax_cannot_use_are_one_line(variable, value, said):
    done = python(
        "from safebench.cli import main; main()",
        "list",
        "suites",
        without=("JAX_PLATFORMS",),
        **{variable: value},
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_current_folder_that_is_gone_is_named(tmp_path, safebench, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    code, _, error = safebench("draw", "-t", "pendulum", "--out", "x.png")
    monkeypatch.chdir(tmp_path)
    assert code == 2
    assert error.startswith("Error: the current folder has been removed: x.png: cannot be written: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("draw", "-t", "pendulum", "--out", "{}.png"),
        ("play", "-t", "pendulum", "-g", "none", "--out", "{}.gif"),
        ("bench", "filter", "-t", "pendulum", "-g", "none", "--out", "{}.json"),
        ("certify", "pendulum", "--attack", "--out", "{}.json"),
        ("sweep", "-t", "pendulum", "-g", "none", "-l", "shac", "--over", "learner.window=4", "--out", "{}"),
    ],
    ids=lambda command: command[0],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(command, tmp_path, safebench):
    (tmp_path / "file").write_text("")
    place = f"{tmp_path}/file/below"
    code, output, error = safebench(*(word.format(place) for word in command))
    assert code == 2, error
    assert output == ""
    assert f"{place}" in error
    assert f"{tmp_path}/file is not a folder" in error
    assert error.count("\n") == 1
