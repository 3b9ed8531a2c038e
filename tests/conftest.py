"""All tests run in float64 with the compilation cache on; tasks are built once."""

import functools
import os
import sys
from pathlib import Path

import compiling
import jax
import pytest

from safebench import cli, registry
from safebench.commands import console
from safebench.runs.precision import start

start()


def compile_hastily():
    """Compiling takes most of the tests' time: XLA optimises less here, unless its flags are set.

    It reads its flags once; they are taken back, so that no process that a test starts inherits them.
    """
    if not os.environ.get("XLA_FLAGS"):
        os.environ["XLA_FLAGS"] = " ".join(
            f"--{name}={value}".lower() for name, value in compiling.HASTY.items()
        )
        jax.devices()
        del os.environ["XLA_FLAGS"]


compile_hastily()

MOST_MAPPINGS = 16_000
"""Of a process, after which compiled programs are dropped: each of XLA's for the CPU is mapped into memory by
itself, Linux allows 65530 mappings, and the compiler ends the process where it gets no more."""


LIBRARIES = Path(__file__).parent / "libraries"


def pytest_ignore_collect(collection_path, config):
    """What needs torch or Playground is run where it is asked for: `make test-libraries`."""
    if collection_path == LIBRARIES:
        asked = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
        return True if not any(path.is_relative_to(LIBRARIES) for path in asked) else None
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What is weekly is slow too. Under `--dist loadgroup` the tests of a task share a worker."""
    tasks = set(registry.names("task"))
    for item in items:
        if item.get_closest_marker("weekly"):
            item.add_marker(pytest.mark.slow)
        call = getattr(item, "callspec", None)  # of a test with parameters
        values = call.params.values() if call else ()
        found = sorted(tasks.intersection(value for value in values if isinstance(value, str)))
        if found:
            item.add_marker(pytest.mark.xdist_group(found[0]))


def pytest_runtest_teardown(item, nextitem):
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()


@functools.cache
def _build(name, physics):
    return registry.make_task(name, physics)


@pytest.fixture(scope="session")
def task_of():
    """(name, physics) -> the task, built once per session."""
    return lambda name, physics="mjx": _build(name, physics)


@pytest.fixture
def single_precision():
    """Arrays are float32. What was traced in the other precision would be taken for it, before and after."""
    jax.clear_caches()
    with jax.enable_x64(False):
        yield
    jax.clear_caches()


@pytest.fixture
def safebench(monkeypatch, capsys):
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["safebench", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("MPLBACKEND", "agg")  # the command line sets it; it ends with the test
        monkeypatch.setattr(cli, "console", console.make())  # it takes its width when it is made
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def safebench_command(safebench):
    """The command line, for tests that import the package under its own name."""
    return safebench
