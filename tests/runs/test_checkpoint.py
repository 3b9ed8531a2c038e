"""Checkpoints: the policies that were evaluated come back; damage and strangers are refused."""

import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console
from tiny_cells import tiny

from safebench.commands import player
from safebench.env.evaluate import evaluate
from safebench.record import files
from safebench.runs import checkpoint, devices, runner
from safebench.runs.paths import path_of
from safebench.runs.prepare import prepare
from safebench.runs.train import run

CELL = dataclasses.replace(tiny(), seeds=(3, 5))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(folder, result) of a tiny cell."""
    folder = tmp_path_factory.mktemp("results") / "ray-mask--shac.checkpoint"
    return folder, run(CELL, checkpoint=folder)


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / saved[0].name)


def policies_of(folder, cell=CELL):
    learner = prepare(cell).learner
    keys = jax.vmap(jax.random.key)(np.array(cell.seeds, np.uint32))
    like = jax.eval_shape(jax.vmap(lambda key: learner.policy(learner.initialise(key))), keys)
    return checkpoint.restore(folder, like)


@pytest.mark.slow
def test_restored_policies_reach_the_returns_of_the_result(saved):
    folder, found = saved
    prepared = prepare(checkpoint.cell_of(checkpoint.load(folder)))

    def again(policy):
        protocol = {"starts": CELL.evaluation_starts, "horizon": CELL.evaluation_horizon}
        return evaluate(prepared.env, lambda seen: prepared.learner.act(policy, seen), **protocol).returns

    returns = jax.jit(jax.vmap(again))(policies_of(folder)).mean(axis=1)
    expected = [one.final.return_mean for one in found.runs]
    np.testing.assert_allclose(returns, expected, rtol=1e-5)
    assert abs(expected[0] - expected[1]) > 1e-3 * abs(expected[0])  # the seeds could be told apart


@pytest.mark.slow
def test_the_cell_is_rebuilt_with_every_setting_spelt_out(saved):
    description = checkpoint.load(saved[0])
    rebuilt = prepare(checkpoint.cell_of(description))
    original = prepare(CELL)
    assert rebuilt.learner_config == original.learner_config
    assert rebuilt.safeguard_config == original.safeguard_config
    assert description.seeds == (3, 5)
    assert description.learner_config["window"] == 4
    assert "discount" in dict(checkpoint.cell_of(description).learner_changes)


def test_a_checkpoint_belongs_to_one_result_only(saved, copy):
    folder, found = saved
    assert checkpoint.belongs(folder, CELL, found)
    final = dataclasses.replace(found.runs[0].final, return_mean=-1.0)
    other = dataclasses.replace(
        found, runs=(dataclasses.replace(found.runs[0], final=final), *found.runs[1:])
    )
    assert not checkpoint.belongs(folder, CELL, other)
    assert not checkpoint.belongs(folder, dataclasses.replace(CELL, seeds=(3, 6)), found)
    assert not checkpoint.belongs(folder.parent / "absent.checkpoint", CELL, found)
    (copy / checkpoint.CELL).write_text("{")
    assert not checkpoint.belongs(copy, CELL, found)


def test_saving_again_replaces_and_leaves_nothing_behind(saved, copy):
    folder, found = saved
    policies = jax.tree.map(np.ones_like, policies_of(folder))
    checkpoint.save(copy, checkpoint.describe(CELL, found), policies)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert sorted(path.name for path in copy.iterdir()) == [checkpoint.CELL, checkpoint.POLICY]
    assert all((leaf == 1).all() for leaf in jax.tree.leaves(policies_of(copy)))


def test_an_interrupted_save_keeps_the_old_checkpoint(saved, copy, monkeypatch):
    folder, found = saved

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "_checkpointer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(copy, checkpoint.describe(CELL, found), {"weights": np.zeros(3)})
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    monkeypatch.undo()
    for old, new in zip(
        jax.tree.leaves(policies_of(folder)), jax.tree.leaves(policies_of(copy)), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_a_finished_cell_without_the_checkpoint_asked_for_is_run_again(saved, tmp_path):
    folder, found = saved
    path = path_of(CELL, tmp_path)
    files.write(found, path)
    asked = []

    def execute(checkpoints):
        console = Console(record=True, width=200, quiet=False, file=io.StringIO())
        place = lambda cells, handle: asked.append(cells)  # noqa: E731
        runner.execute([CELL], tmp_path, False, console, place, checkpoints=checkpoints)
        return console.export_text()

    assert "skipped" in execute(False)
    assert "without the checkpoint asked for" in execute(True)
    assert [place[CELL].checkpoint for place in asked] == [checkpoint.beside(path)]
    with pytest.raises(ValueError, match="no checkpoint beside it"):
        checkpoint.find(path)
    shutil.copytree(folder, checkpoint.beside(path))
    assert "skipped" in execute(True)
    assert len(asked) == 1
    assert checkpoint.find(path) == checkpoint.beside(path)


def test_a_checkpoint_of_another_run_is_not_found(saved, copy):
    path = copy.with_suffix(".json")
    files.write(saved[1], path)
    assert checkpoint.find(path) == copy
    data = json.loads((copy / checkpoint.CELL).read_text())
    (copy / checkpoint.CELL).write_text(json.dumps(data | {"returns": [-1.0, -2.0]}))
    with pytest.raises(ValueError, match="of another run"):
        checkpoint.find(path)


@pytest.mark.parametrize("damage", ["no policy", "truncated array", "other nets", "other field", "absent"])
def test_damage_is_named_in_one_line(copy, damage):
    cell = CELL
    if damage == "no policy":
        shutil.rmtree(copy / checkpoint.POLICY)
    elif damage == "truncated array":
        for path in (copy / checkpoint.POLICY).rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "other nets":
        changes = dict(CELL.learner_changes) | {"policy_hidden": "(9,)"}
        cell = dataclasses.replace(CELL, learner_changes=tuple(changes.items()))
    elif damage == "other field":
        data = json.loads((copy / checkpoint.CELL).read_text())
        (copy / checkpoint.CELL).write_text(json.dumps(data | {"code": "import os"}))
    else:
        shutil.rmtree(copy)

    def read():
        checkpoint.load(copy)
        policies_of(copy, cell)

    with pytest.raises(ValueError, match=r"checkpoint/(policy|cell\.json): ") as raised:
        read()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("seeds", "present", "expected"), [(4, 2, 2), (3, 2, 1), (6, 4, 3), (1, 8, 1)])
def test_seeds_share_devices_evenly(seeds, present, expected, monkeypatch):
    monkeypatch.setattr(jax, "local_device_count", lambda: present)
    assert devices.used(seeds) == expected


PROGRAM = textwrap.dedent(
    """
    import json
    from safebench.runs.precision import start

    start()
    import jax
    from safebench.runs import devices
    from safebench.runs.train import run
    from tiny_cells import tiny

    found = run(tiny(seeds=4))
    print(json.dumps([devices.used(4), [one.curve.return_mean for one in found.runs],
                      [one.training.correction for one in found.runs]]))
    """
)


def on_devices(count):
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1] / "helpers")
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_devices_give_the_results_of_one():
    """Two seeds on each: XLA rounds a batch of one seed differently (measured 1e-10 in these returns)."""
    (one, *alone), (two, *shared) = on_devices(1), on_devices(2)
    assert (one, two) == (1, 2)
    np.testing.assert_allclose(shared[0], alone[0], rtol=1e-12)
    np.testing.assert_allclose(shared[1], alone[1], rtol=1e-12)


def test_a_checkpoint_that_cannot_be_written_is_one_line(tmp_path, saved, monkeypatch):
    library = (
        'RESOURCE_EXHAUSTED: Error writing "0/0.0": "/x/d": No space left on device [os_error_code=\'28\']'
    )

    def full(*arguments):
        raise ValueError(library)

    monkeypatch.setattr(checkpoint, "_checkpointer", full)
    with pytest.raises(OSError, match=r"x\.checkpoint: cannot be written: No space left on device$"):
        checkpoint.save(tmp_path / "x.checkpoint", checkpoint.describe(CELL, saved[1]), {"a": np.zeros(3)})
    assert not (tmp_path / "x.checkpoint").exists()


def test_a_checkpoint_of_a_file_that_has_changed_is_not_played(copy):
    assert player.trained(copy, 3, ()).safeguards == ("ray-mask",)  # the control
    described = json.loads((copy / "cell.json").read_text())
    assert described["sources"] is None
    described["sources"] = {"safeguard": "ab" * 32}
    (copy / "cell.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="the file of its safeguard has changed since it was trained"):
        player.trained(copy, 3, ())
    del described["sources"]  # as checkpoints were before files were recorded
    (copy / "cell.json").write_text(json.dumps(described))
    assert player.trained(copy, 3, ()).safeguards == ("ray-mask",)
