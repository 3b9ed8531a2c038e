"""Runs stopped in the middle: what is finished is kept and not repeated, and no process stays behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from tiny_cells import ARGUMENTS, tiny

from safebench.record import files
from safebench.runs import runner
from safebench.runs.paths import path_of

NAMES = ("ray-mask", "none", "boundary-projection")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def command(folder, names, *options):
    """The command line that runs tiny cells, and where their results will be."""
    words = [sys.executable, "-m", "safebench", "run", *ARGUMENTS, "--out", str(folder), *options]
    words += [word for name in names for word in ("-g", name)]
    return words, [path_of(tiny(name), folder) for name in names]


# A shell starts its background jobs, perhaps these tests, deaf to SIGINT, and children inherit that.
# A function run between fork and exec could mend it too, but JAX forbids forks of a program with threads.
HEED_INTERRUPTS = ("env", "--default-signal=INT")


@contextlib.contextmanager
def until_the_first_result(words, paths, log):
    """A run of its own process group, when the first of its results has been written."""
    process = subprocess.Popen([*HEED_INTERRUPTS, *words], stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while not any(path.exists() for path in paths):
            assert time.monotonic() < deadline
            assert process.poll() is None, Path(log.name).read_text()
            time.sleep(0.02)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def descendants(pid):
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *descendants(child)]
    return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def seconds_until_gone(process, children):
    started = time.monotonic()
    process.wait(timeout=60)
    while any(map(alive, children)):
        assert time.monotonic() - started < 60
        time.sleep(0.02)
    return time.monotonic() - started


def written(path):
    """Which file it is, and when it was written."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


@pytest.mark.slow
def test_a_killed_run_is_resumed_without_losing_or_repeating_a_cell(tmp_path):
    words, (first, second) = command(tmp_path, NAMES[:2])
    with (tmp_path / "log").open("w") as log, until_the_first_result(words, [first], log) as process:
        process.kill()
        process.wait()
    assert not second.exists()
    before = written(first)
    cells = [tiny(name) for name in NAMES[:2]]
    touched = []
    outcome = runner.execute(
        cells, tmp_path, False, Console(quiet=True), track=lambda event: touched.append(event.cell)
    )
    assert not outcome.failed
    assert written(first) == before
    assert set(touched) == {cells[1]}
    assert [found.title for found in outcome.results] == [cell.title for cell in cells]
    assert files.load(second).runs == outcome.results[1].runs
    assert outcome.results[1].runs[0].training.steps == 32


@pytest.mark.slow
@pytest.mark.parametrize("how", ["workers: Ctrl-C", "workers: kill -9", "ray: Ctrl-C"])
def test_a_stopped_run_keeps_what_is_finished_and_leaves_no_process(tmp_path, how):
    """Ctrl-C goes to every process of the terminal's group; kill -9 to the first alone."""
    options = ("--workers", "2") if how.startswith("workers") else ("--on", "ray", "--workers", "2")
    words, paths = command(tmp_path, NAMES, *options)
    with (tmp_path / "log").open("w") as log, until_the_first_result(words, paths, log) as process:
        children = descendants(process.pid)
        assert len(children) >= 2
        if how.endswith("Ctrl-C"):
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.kill()
        seconds = seconds_until_gone(process, children)
    assert seconds < 15
    kept = {path: written(path) for path in paths if path.exists()}
    assert 1 <= len(kept) < len(paths)
    for path in kept:
        assert files.load(path).interactions == 32
    if how.endswith("Ctrl-C"):
        output = (tmp_path / "log").read_text()
        assert process.returncode == 130, output
        assert "finished cells are kept" in output
        assert "Traceback" not in output
    words, _ = command(tmp_path, NAMES, "--workers", "2")
    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{len(kept)} of {len(paths)} cells were finished before" in again.stdout
    assert {path: written(path) for path in kept} == kept
    assert all(path.exists() for path in paths)
