"""Workers: the same numbers as in one process; a death costs one try; a stopped run leaves no worker."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_cells import ARGUMENTS, tiny, untimed

from safebench import checkpoint, result, runner
from safebench.run import run
from safebench.workers import cores, limits, workers

MASKED, NONE, DEADLY = tiny("ray-mask"), tiny("none"), tiny("boundary-projection")


def process_of(cell):
    (process,) = [found for found in multiprocessing.active_children() if found.name == cell.title]
    return process


def test_workers_compute_the_same_and_a_killed_one_is_replaced(tmp_path):
    seen = []

    def handle(event):
        seen.append(event)
        first = [other.state for other in seen if other.cell == event.cell].count("training") == 1
        if event.cell == DEADLY and event.state == "compiling":
            process_of(DEADLY).kill()
        if event.cell == MASKED and event.state == "training" and first:
            process_of(MASKED).kill()

    cells = [DEADLY, MASKED, NONE]
    folders = {cell: runner.path_of(cell, tmp_path).with_suffix(".checkpoint") for cell in cells}
    workers(2)(folders, handle)
    assert not multiprocessing.active_children()

    states = {cell: [event.state for event in seen if event.cell == cell] for cell in cells}
    assert states[DEADLY] == ["compiling", "retrying", "compiling", "retrying", "compiling", "failed"]
    assert "died 3 times (killed by SIGKILL" in next(e.problem for e in seen if e.state == "failed")
    assert states[MASKED].count("retrying") == 1
    assert states[MASKED].count("compiling") == 2
    assert states[NONE][0] == "compiling"
    assert states[NONE].count("compiling") == 1
    results = {event.cell: event.result for event in seen if event.state == "done"}
    assert set(results) == {MASKED, NONE}
    assert untimed(results[MASKED]) == untimed(run(MASKED))  # in this process
    for cell, found in results.items():
        assert checkpoint.belongs(folders[cell], cell, found)


def test_an_exception_in_a_worker_is_no_death(tmp_path):
    seen = []
    broken = tiny(task="./absent.py")
    workers(1)({broken: tmp_path / "checkpoint"}, seen.append)
    assert [event.state for event in seen] == ["compiling", "failed"]
    assert "no plug-in file 'absent.py'" in seen[-1].problem
    assert "Traceback" in seen[-1].details


def test_at_least_one_worker():
    with pytest.raises(ValueError, match="not 0"):
        workers(0)


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert limits(3)["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in limits(3)
    assert cores() >= 1


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


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stopped_run_keeps_what_is_finished_and_leaves_no_worker(tmp_path, how):
    """Ctrl-C goes to every process of the terminal's group; kill -9 to the first alone."""
    command = [sys.executable, "-m", "safebench", "run", *ARGUMENTS, "--out", str(tmp_path), "--workers", "2"]
    command += ["-g", "ray-mask", "-g", "none", "-g", "boundary-projection", "-g", "replacement"]
    cells = [tiny(name) for name in ("ray-mask", "none", "boundary-projection", "replacement")]
    paths = [runner.path_of(cell, tmp_path) for cell in cells]
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 200
        while not any(path.exists() for path in paths):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        children = descendants(process.pid)
        assert len(children) >= 2
        stopped = time.monotonic()
        if how == signal.SIGINT:
            os.killpg(process.pid, how)
        else:
            os.kill(process.pid, how)
        process.wait(timeout=30)
        while any(map(alive, children)):
            assert time.monotonic() - stopped < 10
            time.sleep(0.05)
        log.seek(0)
        output = log.read()
    assert time.monotonic() - stopped < 10
    finished = [path for path in paths if path.exists()]
    assert 1 <= len(finished) < 4
    for path in finished:
        assert result.load(path).interactions == 32
    if how == signal.SIGINT:
        assert process.returncode == 130, output
        assert "finished cells are kept" in output
        assert "Traceback" not in output
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{len(finished)} of 4 cells were finished before" in again.stdout
