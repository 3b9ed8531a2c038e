"""Workers: the same numbers as in one process; a death costs one try, and only its own cell."""

import multiprocessing

import pytest
from tiny_cells import tiny, untimed

from safebench.runs import checkpoint
from safebench.runs.events import Folders
from safebench.runs.paths import path_of
from safebench.runs.train import run
from safebench.runs.workers import workers

MASKED, DEADLY = tiny("ray-mask"), tiny("boundary-projection")


def process_of(cell):
    (process,) = [found for found in multiprocessing.active_children() if found.name == cell.title]
    return process


@pytest.mark.slow
def test_workers_compute_the_same_and_a_killed_one_is_replaced(tmp_path):
    seen = []

    def handle(event):
        seen.append(event)
        first = [other.state for other in seen if other.cell == event.cell].count("training") == 1
        if event.cell == DEADLY and event.state == "compiling":
            process_of(DEADLY).kill()
        if event.cell == MASKED and event.state == "training" and first:
            process_of(MASKED).kill()

    cells = [DEADLY, MASKED]
    folders = {cell: path_of(cell, tmp_path).with_suffix(".checkpoint") for cell in cells}
    workers(2)({cell: Folders(folder) for cell, folder in folders.items()}, handle)
    assert not multiprocessing.active_children()

    states = {cell: [event.state for event in seen if event.cell == cell] for cell in cells}
    assert states[DEADLY] == ["compiling", "retrying", "compiling", "retrying", "compiling", "failed"]
    assert "died 3 times (killed by SIGKILL" in next(e.problem for e in seen if e.state == "failed")
    # The other's deaths, all before this one trained, did nothing to it: it began anew once, after its own.
    assert states[MASKED][:2] == ["compiling", "training"]
    assert states[MASKED].count("compiling") == 2
    assert states[MASKED].count("retrying") == 1
    (found,) = [event.result for event in seen if event.state == "done"]
    assert untimed(found) == untimed(run(MASKED))  # in this process
    assert checkpoint.belongs(folders[MASKED], MASKED, found)


def test_an_exception_in_a_worker_is_no_death(tmp_path):
    seen = []
    broken = tiny(task="./absent.py")
    workers(1)({broken: Folders(tmp_path / "checkpoint", tmp_path / "state")}, seen.append)
    assert [event.state for event in seen] == ["compiling", "failed"]
    assert "no plug-in file 'absent.py'" in seen[-1].problem
    assert "Traceback" in seen[-1].details


def test_at_least_one_worker():
    with pytest.raises(ValueError, match="not 0"):
        workers(0)
