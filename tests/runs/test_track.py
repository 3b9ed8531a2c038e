"""Trackers: what they write is what was evaluated."""

import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_cells import result_of, snapshot, tiny

from safebench.runs import track
from safebench.runs.events import Event

CELL = tiny()


def scalars(folder):
    """The scalars in TensorBoard's event files, oldest file first: [(step, name, value)], and purges."""
    from tensorboardX.proto.event_pb2 import Event as Record

    found, purged = [], []
    for path in sorted(folder.glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:  # length, its checksum, record, its checksum
            (length,) = struct.unpack("<Q", data[:8])
            record = Record.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            found += [(record.step, value.tag, value.simple_value) for value in record.summary.value]
            if record.HasField("session_log"):
                purged.append(record.step)
    return found, purged


def train(handle, *done):
    handle(Event(CELL, "compiling"))
    for steps in (0, *done):
        handle(Event(CELL, "training", snapshot(steps, mean=-100.0 / max(steps, 1))))


def test_tensorboard_holds_every_figure_of_every_evaluation(tmp_path):
    with track.tracking(["tensorboard"], tmp_path) as handle:
        train(handle, 50, 100)
        handle(Event(CELL, "done", result=result_of(CELL)))
    folder = tmp_path / "tracking" / "tensorboard" / "pendulum" / "ray-mask--shac"
    found, _ = scalars(folder)
    values = {(step, name): value for step, name, value in found}
    assert values[50, "return/mean"] == -2
    assert values[100, "return/mean"] == -1
    assert values[100, "return/reference"] == 0
    assert values[100, "loss/policy"] == 0.5
    assert values[100, "loss/value"] == 0.25
    assert values[100, "training/interventions"] == 50
    assert values[50, "evaluation/violations"] == 0
    assert values[50, "training/worst_margin"] == -0.25
    assert {step for step, _ in values} == {50, 100}
    assert len(values) == len(found) == 2 * len(track.figures(snapshot(50).evaluated))


def test_a_cell_begun_anew_hides_what_came_before(tmp_path):
    with track.tracking(["tensorboard"], tmp_path) as handle:
        train(handle, 50)
        handle(Event(CELL, "retrying"))
        train(handle, 50, 100)
    _, purged = scalars(tmp_path / "tracking" / "tensorboard" / "pendulum" / "ray-mask--shac")
    assert purged[-1] == 0


def test_goals_are_among_the_figures_where_a_task_has_one():
    named = track.figures(snapshot(50, success=0.5, time_to_goal=2.5, violated=0.25).evaluated)
    assert (named["goal/success"], named["goal/seconds"], named["violated_episodes"]) == (0.5, 2.5, 0.25)
    without = track.figures(snapshot(50, violated=0.0).evaluated)
    assert not {"goal/success", "goal/seconds"} & set(without)
    assert without["violated_episodes"] == 0


def test_figures_that_are_not_finite_are_left_out():
    evaluated = snapshot(50, reference_return=float("nan"), value_loss=float("inf")).evaluated
    evaluated = evaluated._replace(training=track.dataclasses.replace(evaluated.training, correction=None))
    named = track.figures(evaluated)
    assert not {"return/reference", "loss/value", "training/correction"} & set(named)
    assert {"return/mean", "loss/policy", "evaluation/correction"} <= set(named)


@pytest.mark.parametrize(("name", "package"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_package_names_the_extra(tmp_path, monkeypatch, name, package):
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)

    class Refuse:
        def find_spec(self, name, *_):
            if name.split(".")[0] == package:
                raise ImportError(name)

    monkeypatch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])
    with pytest.raises(ValueError, match=rf"safebench\[{name}\]"), track.tracking([name], tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_an_unknown_tracker_names_those_there_are(tmp_path):
    with pytest.raises(LookupError, match="tensorboard, wandb"), track.tracking(["mlflow"], tmp_path):
        pass


@pytest.mark.parametrize(("environment", "mode"), [({}, "offline"), ({"WANDB_MODE": "online"}, None)])
def test_weights_and_biases_stay_offline_unless_the_user_says_otherwise(
    tmp_path, monkeypatch, environment, mode
):
    """Against a double of the package, which is 100 MB with what it needs."""
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made, logged, ended = [], [], []

    def init(**options):
        made.append(options)
        return SimpleNamespace(
            log=lambda named, step: logged.append((step, named)), finish=lambda: ended.append(options["name"])
        )

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Settings=lambda **options: options))
    with track.tracking(["wandb"], tmp_path) as handle:
        train(handle, 50, 100)
        assert not ended
    assert ended == ["pendulum/ray-mask--shac"]
    assert [(options["mode"], options["group"]) for options in made] == [(mode, "custom")]
    assert made[0]["config"]["interactions"] == CELL.interactions
    assert Path(made[0]["dir"]).is_dir()
    assert [(step, named["return/mean"]) for step, named in logged] == [(50, -2.0), (100, -1.0)]
