"""Ray: the same numbers as here; a killed worker's cell is run again; nothing else is lost."""

import os
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console
from tiny_cells import tiny, untimed

from safebench.runs import checkpoint, cluster, runner
from safebench.runs.events import Event, Folders
from safebench.runs.paths import path_of
from safebench.runs.train import run

MASKED, NONE = tiny("ray-mask"), tiny("none")

DEADLY = """
import dataclasses, os, signal
from pathlib import Path
from safebench.tasks import pendulum

synthesise = pendulum.synthesise

def make(physics):
    deaths = Path(__file__).with_suffix(".deaths")
    died = int(deaths.read_text()) if deaths.exists() else 0
    if os.getpid() != {driver} and died < {deaths}:
        deaths.write_text(str(died + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    task, name = pendulum.make(physics), "dies-{deaths}"
    certificate = dataclasses.replace(task.certificate, task=name)
    return dataclasses.replace(task, name=name, certificate=certificate)
"""


def deadly(folder, deaths):
    """A pendulum that kills its worker so many times."""
    path = folder / f"dies_{deaths}.py"
    path.write_text(DEADLY.format(driver=os.getpid(), deaths=deaths))
    return tiny("ray-mask", task=str(path))


@pytest.mark.parametrize(
    ("nodes", "most", "expected"),
    [
        ([(8, 0)], 4, (2, 0)),
        ([(8, 0)], 100, (1, 0)),
        ([(16, 0), (4, 0)], 2, (4, 0)),  # no more than the smaller machine has
        ([(1, 0), (1, 0)], 2, (1, 0)),
        ([(16, 2)], 3, (5, 1)),
        ([(0, 0), (4, 0)], 1, (4, 0)),  # a head that takes no work
    ],
)
def test_cells_share_the_cluster(nodes, most, expected):
    listed = [{"Alive": True, "Resources": {"CPU": float(c), "GPU": float(g)}} for c, g in nodes]
    listed.append({"Alive": False, "Resources": {"CPU": 1.0, "GPU": 8.0}})
    assert cluster.share(listed, most) == expected


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"safebench\[ray\]"):
        cluster.on_ray(None)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_without_a_cluster_is_one_line_at_once(tmp_path, address):
    place = cluster.on_ray(address)
    with pytest.raises(OSError, match=f"no Ray cluster at '{address}'") as caught:
        place({MASKED: Folders()}, print)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_travels_whole(tmp_path):
    source, target = tmp_path / "source", tmp_path / "deep" / "cell.checkpoint"
    (source / "policy").mkdir(parents=True)
    (source / "policy" / "data").write_bytes(b"\1\2")
    for _ in range(2):  # an older one is replaced
        cluster._unpack(cluster._packed(source), target)
        assert (target / "policy" / "data").read_bytes() == b"\1\2"
        assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.fixture(scope="module")
def two_workers():
    """A cluster of two machines with one core each, on this one."""
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    started.add_node(num_cpus=1)
    yield SimpleNamespace(address=started.address)
    started.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")  # by Ray, as it starts machines
def test_a_cluster_computes_the_same_and_replaces_killed_workers(tmp_path, two_workers):
    once, always = deadly(tmp_path, 1), deadly(tmp_path, 99)
    cells = [always, once, MASKED, NONE]
    seen = []
    place = cluster.on_ray(two_workers.address)
    outcome = runner.execute(
        cells, tmp_path / "out", False, Console(quiet=True), place, seen.append, checkpoints=True
    )
    assert list(outcome.failed) == [always]
    assert "died 3 times" in outcome.failed[always]
    assert [found.title for found in outcome.results] == [
        "dies-1/ray-mask--shac",
        "pendulum/ray-mask--shac",
        "pendulum/none--shac",
    ]
    for cell, found in zip((MASKED, NONE), outcome.results[1:], strict=True):
        assert untimed(found) == untimed(run(cell))
        assert checkpoint.belongs(checkpoint.beside(path_of(cell, tmp_path / "out")), cell, found)
    states = [event.state for event in seen if event.cell == once]
    assert states.count("compiling") == 2
    assert states[-1] == "done"
    assert states.count("training") == 5  # compiled, and four evaluations
    assert (tmp_path / "dies_99.deaths").read_text() == "3"


def test_a_state_is_kept_where_the_same_folder_can_be_reached_and_nowhere_else(tmp_path):
    results, other = tmp_path / "results", tmp_path / "other"
    results.mkdir()
    other.mkdir()
    shared = cluster.Shared.of(results / "x.state")
    assert shared.here() == results / "x.state"
    assert cluster.Shared.of(None).here() is None
    results.rename(tmp_path / "moved")
    assert shared.here() is None  # absent on this machine
    other.rename(results)
    assert shared.here() is None  # another machine's folder of the same name


def test_a_checkpoint_that_cannot_be_written_is_a_failed_cell(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    returned = cluster.Returned(Event(MASKED, "done"), cluster._packed(tmp_path))
    monkeypatch.setattr(cluster, "_ray", lambda: SimpleNamespace(get=lambda reference: returned))
    event = cluster._result(None, MASKED, tmp_path / "file" / "x.checkpoint")
    assert event.state == "failed"
    assert "x.checkpoint: cannot be written" in event.problem
