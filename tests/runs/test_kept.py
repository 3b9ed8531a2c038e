"""Kept states: an interrupted training goes on with the bits of one that was not; others begin anew."""

import contextlib
import dataclasses
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from tiny_cells import tiny, untimed

from safebench.record import files
from safebench.runs import here, kept, runner, train
from safebench.runs.paths import path_of
from safebench.runs.prepare import prepare

CELL = tiny()
RUN = {"interactions": 32, "seeds": [0, 1]}


class Stopped(BaseException):
    """Somebody's Ctrl-C."""


@pytest.fixture(scope="module")
def whole():
    """The result of a training that was not interrupted."""
    return train.run(CELL)


@pytest.fixture
def always(monkeypatch):
    """Every evaluation is kept: tiny cells take milliseconds."""
    monkeypatch.setattr(kept, "EVERY", 0.0)


def stopping(evaluations):
    """A tracker that stops the run after so many evaluations, and what it has seen: interactions done."""
    seen = []

    def track(event):
        if event.snapshot is not None:
            seen.append(event.snapshot.interactions)
            if len(seen) == evaluations + 1:
                raise Stopped

    return track, seen


def execute(folder, track=None, cell=CELL, force=False):
    console = Console(record=True, width=200, file=io.StringIO(), markup=False)
    outcome = runner.execute([cell], folder, force, console, track=track)
    return outcome, console.export_text()


def interrupt(folder, evaluations):
    track, seen = stopping(evaluations)
    with pytest.raises(Stopped):
        execute(folder, track)
    return seen


@pytest.mark.slow
def test_an_interrupted_training_goes_on_with_the_same_bits_and_its_result_is_written_or_kept(
    whole, always, tmp_path, monkeypatch
):
    path = path_of(CELL, tmp_path)
    assert interrupt(tmp_path, 2) == [0, 8, 16]
    assert [kept_.name for kept_ in kept.beside(path).iterdir()] == ["000002"]

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "write", full)
        track, seen = stopping(99)
        outcome, said = execute(tmp_path, track)
    assert seen == [16, 24, 32]
    assert "goes on after 2 of 4 evaluations" in said
    assert outcome.failed == {CELL: f"{path}: cannot be written: No space left on device"}
    assert not path.exists()

    track, seen = stopping(99)
    outcome, said = execute(tmp_path, track)
    assert seen == [32]  # nothing is trained again
    assert "goes on after 4 of 4 evaluations" in said
    assert not outcome.failed
    assert untimed(files.load(path)) == untimed(whole)
    seconds = outcome.results[0].runs[0].curve.seconds
    assert list(seconds) == sorted(seconds)
    assert sorted(found.name for found in path.parent.iterdir()) == [path.name]  # nothing is left


@pytest.mark.slow
def test_a_resumed_training_depends_on_what_was_kept(whole, always, tmp_path, monkeypatch):
    """The negative control: from another state it gives another result."""
    state = tmp_path / "x.state"

    def stop(snapshot):
        if snapshot.interactions == 16:
            raise Stopped

    with pytest.raises(Stopped):
        train.run(CELL, stop, state=state)
    load = kept.load

    def altered(*arguments):
        found = load(*arguments)
        leaves, structure = jax.tree.flatten(found.tree)
        large = next(
            index for index, leaf in enumerate(leaves) if leaf.ndim == 3 and leaf.dtype == np.float32
        )
        leaves[large] = np.nextafter(leaves[large], np.float32(9))
        return found._replace(tree=jax.tree.unflatten(structure, leaves))

    monkeypatch.setattr(kept, "load", altered)
    found = train.run(CELL, state=state)
    assert found.runs[0].curve.return_mean[:2] == whole.runs[0].curve.return_mean[:2]
    assert found.runs[0].curve.return_mean[2:] != whole.runs[0].curve.return_mean[2:]


@pytest.mark.slow
def test_a_state_that_cannot_be_kept_ends_no_training(whole, always, tmp_path):
    (tmp_path / "file").touch()
    said = []
    found = train.run(CELL, state=tmp_path / "file" / "x.state", remark=said.append)
    assert untimed(found) == untimed(whole)
    (line,) = said  # once, not at every evaluation
    assert re.search(r"x\.state: cannot be written: .*the training goes on", line)


@pytest.mark.slow
def test_a_state_of_another_training_is_named_and_not_used(whole, always, tmp_path):
    path = path_of(CELL, tmp_path)
    other = {**kept.identity(prepare(CELL)), "version.jax": "0.0.1"}
    kept.save(kept.beside(path), 2, other, [np.ones(3)])
    track, seen = stopping(99)
    _, said = execute(tmp_path, track)
    assert seen == [0, 8, 16, 24, 32]
    assert 'is of another training (version.jax was "0.0.1", is ' in said
    assert "the training begins anew" in said
    assert untimed(files.load(path)) == untimed(whole)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.slow
def test_a_slip_in_the_options_does_not_replace_what_is_kept(whole, always, tmp_path):
    console = Console(quiet=True)
    track, _ = stopping(2)
    with pytest.raises(Stopped):
        runner.execute([CELL], tmp_path, False, console, track=track)
    state = kept.beside(path_of(CELL, tmp_path))
    before = sorted(path.name for path in state.iterdir())
    other = dataclasses.replace(CELL, interactions=40)
    with pytest.raises(ValueError, match=r"interrupted training .*interactions was 32, is 40.*--force"):
        runner.execute([other], tmp_path, False, console)
    assert sorted(path.name for path in state.iterdir()) == before
    (found,) = runner.execute([CELL], tmp_path, False, console).results  # the control
    assert untimed(found) == untimed(whole)


@pytest.mark.slow
def test_short_trainings_keep_nothing(tmp_path):
    state = tmp_path / "x.state"
    assert kept.EVERY == 1.0
    train.run(CELL, state=state)
    assert not state.exists()


def pretended(monkeypatch, ran):
    """Nothing is trained, but what would have been is told."""
    monkeypatch.setattr(
        here, "run", lambda cell, report, checkpoint, state, remark: ran.append(state) or 1 / 0
    )


def test_force_discards_what_is_kept_and_a_failure_does_not(tmp_path, monkeypatch):
    state = kept.beside(path_of(CELL, tmp_path))
    kept.save(state, 2, RUN, [np.ones(3)])
    ran = []
    pretended(monkeypatch, ran)
    execute(tmp_path)
    assert (state / "000002").exists()
    execute(tmp_path, force=True)
    assert not state.exists()
    assert ran == [state.absolute()] * 2


def test_what_a_kill_leaves_of_a_finished_cell_is_removed(whole, tmp_path):
    path = path_of(CELL, tmp_path)
    files.write(whole, path)
    kept.save(kept.beside(path), 2, RUN, [np.ones(3)])
    execute(tmp_path)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["ray-mask--shac.json", "ray-mask--shac.checkpoint", "ray-mask--shac.state"])
def test_what_is_in_the_way_of_a_result_is_named_before_training(name, tmp_path, monkeypatch):
    pretended(monkeypatch, [])
    taken = tmp_path / "pendulum" / name
    taken.parent.mkdir()
    taken.mkdir() if name.endswith("json") else taken.touch()
    with pytest.raises(ValueError, match=f"{name}: is in the way"):
        execute(tmp_path, force=True)


KEYS = jax.random.split(jax.random.key(7), 3)
TREE = {
    "keys": KEYS,
    "others": jax.random.split(jax.random.key(7, impl="rbg"), 2),
    "empty": jnp.zeros((2, 0)),
    "flag": jnp.array([True, False]),
    "half": jnp.ones(3, jnp.bfloat16),
    "numbers": np.array([0.1, -0.0, np.nan, np.inf]),
    "count": np.array(2**40),
}


def bits(tree):
    named = [(name, tree[name]) for name in sorted(tree)]
    raw = [(jax.random.key_data(leaf) if name in ("keys", "others") else leaf) for name, leaf in named]
    return [(leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in map(np.asarray, raw)]


def test_every_bit_comes_back(tmp_path):
    kept.save(tmp_path / "x.state", 3, RUN, TREE)
    found = kept.load(tmp_path / "x.state", RUN, lambda points: TREE)
    assert found.points == 3
    assert bits(found.tree) == bits(TREE)
    assert found.tree["others"].dtype == TREE["others"].dtype != KEYS.dtype
    assert kept.load(tmp_path / "absent.state", RUN, lambda points: TREE) is None


def test_one_state_is_kept_and_a_kill_leaves_a_whole_one(tmp_path, monkeypatch):
    state = tmp_path / "x.state"
    kept.save(state, 1, RUN, [np.ones(1)])

    def killed(*arguments):
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(kept, "_checkpointer", killed)
        with pytest.raises(Stopped):
            kept.save(state, 2, RUN, [np.ones(2)])
    assert kept.load(state, RUN, lambda points: [np.zeros(points)]).points == 1
    (state / ".000002.abc.part").mkdir()  # where a kill -9 was in the middle of it
    kept.save(state, 3, RUN, [np.ones(3)])
    assert [path.name for path in state.iterdir()] == ["000003"]


DAMAGE = ["no arrays", "half of every file", "one bit", "no run", "half a run", "other run", "other shapes"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_not_used_and_the_one_before_it_is(damage, tmp_path):
    state = tmp_path / "x.state"
    kept.save(state, 1, RUN, [np.arange(1000.0)])
    shutil.copytree(state / "000001", tmp_path / "000001")
    kept.save(state, 2, RUN, [np.arange(1000.0)])
    newest, wanted = state / "000002", [np.zeros(1000)]
    text = (newest / kept.RUN).read_text()
    if damage == "no arrays":
        shutil.rmtree(newest / kept.ARRAYS)
    elif damage == "half of every file":
        for path in (found for found in (newest / kept.ARRAYS).rglob("*") if found.is_file()):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "one bit":
        (newest / kept.RUN).write_text(re.sub('"digest": "..', '"digest": "zz', text))
    elif damage == "no run":
        (newest / kept.RUN).unlink()
    elif damage == "half a run":
        (newest / kept.RUN).write_text(text[: len(text) // 2])
    elif damage == "other run":
        (newest / kept.RUN).write_text("[]")
    else:
        wanted = [np.zeros(999)]
    with pytest.raises(ValueError, match=r"x\.state/000002: (is damaged|holds)") as raised:
        kept.load(state, RUN, lambda points: wanted)
    assert "\n" not in str(raised.value)
    shutil.copytree(tmp_path / "000001", state / "000001")
    found = kept.load(state, RUN, lambda points: [np.zeros(1000)] if points == 1 else wanted)
    assert found.points == 1


def without(cell, **changes):
    return dataclasses.replace(cell, **changes)


OTHERS = {
    "interactions": tiny(interactions=24),
    "seeds": tiny(seeds=3),
    "safeguard.name": tiny("none"),
    "evaluation.episodes": without(CELL, evaluation_starts=5),
    "evaluation.horizon": without(CELL, evaluation_horizon=15),
    "evaluation.points": without(CELL, evaluations=3),
    "learner.config.discount": without(CELL, learner_changes=(*CELL.learner_changes, ("discount", "0.9"))),
    "safeguard.config.centre": without(CELL, safeguard_changes=(("centre", "orthogonal"),)),
}


@pytest.mark.slow
def test_everything_that_decides_the_bits_is_compared(monkeypatch):
    first = kept.identity(prepare(CELL))
    assert json.loads(json.dumps(first)) == first
    assert kept.difference(first, kept.identity(prepare(CELL))) is None
    for name, cell in OTHERS.items():
        assert kept.difference(first, kept.identity(prepare(cell))).startswith(name)
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_enable_fast_math=true")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    assert kept.difference(first, kept.identity(prepare(CELL))).startswith("environment.XLA_FLAGS")
    monkeypatch.undo()
    monkeypatch.setattr(kept, "_code", lambda: "0" * 64)
    assert kept.difference(first, kept.identity(prepare(CELL))) == "code of safebench differs"


def test_nothing_of_orbax_is_imported_until_a_state_is_kept():
    code = "import sys; from safebench.runs import train, runner; sys.exit('orbax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


LONG = ["-t", "pendulum", "-l", "shac", "--physics", "compiled", "--seeds", "2", "-n", "32000"]
LONG += ["--set", "evaluation.horizon=60", "--set", "evaluation.starts=32"]


def command(folder, *options):
    names = ("ray-mask", "none")
    words = [sys.executable, "-m", "safebench", "run", *LONG, "--out", str(folder), *options]
    return [*words, *(word for name in names for word in ("-g", name))]


def curves(folder):
    """What must not depend on interruptions."""
    return {path.name: untimed(files.load(path)) for path in folder.rglob("*--*.json")}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    subprocess.run(command(folder), check=True, capture_output=True)
    return curves(folder)


def standing(folder):
    """What is finished, and how far the others have come."""
    return {str(path) for name in ("*/*--*.json", "*/*.state/0*") for path in folder.glob(name)}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "how",
    ["workers", *(pytest.param(how, marks=pytest.mark.weekly) for how in ("alone", "the workers alone"))],
)
def test_kill_9_at_random_points_changes_no_bit(how, uninterrupted, tmp_path):
    chance = random.Random(how)
    options = () if how == "alone" else ("--workers", "2")
    kills = 0
    process = None
    while kills < 3:
        before = standing(tmp_path)
        process, log = started(tmp_path, options, process)
        while standing(tmp_path) == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 1.5))
        if process.poll() is not None:
            break
        for victim in children(process.pid) if how == "the workers alone" else [process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        if how != "the workers alone":
            process.wait()
        kills += 1
        if how == "the workers alone" and kills == 2:
            break  # a third death of the same cell would be its end
    process, log = started(tmp_path, options, process)
    process.wait(timeout=600)
    said = log.read_text()
    assert process.returncode == 0, said
    assert "goes on after" in said
    assert "begins anew" not in said
    assert "Traceback" not in said
    assert curves(tmp_path) == uninterrupted
    assert not list(tmp_path.rglob("*.state"))


def started(folder, options, process):
    """The process, or where it is gone another one, and what all of them have said."""
    log = folder / "log"
    if process is None or process.poll() not in (None, 0):
        with log.open("a") as file:
            process = subprocess.Popen(command(folder, *options), stdout=file, stderr=file)
    return process, log


def children(pid):
    found = [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text().split()
    ]
    return [child for child in found if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
