"""Running cells: the result, resuming, interruption, changed settings, bad input, exit codes."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console
from tiny_cells import tiny

from safebench.record import files, submission
from safebench.runs import here, presets, reproduce, runner, settings, suites
from safebench.runs.paths import path_of
from safebench.runs.train import prepare, run


@pytest.fixture(scope="module")
def cells():
    return [tiny("ray-mask"), tiny("none")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("results")
    runner.execute(cells, folder, force=False, console=Console(quiet=True))
    return folder


def test_a_result_tells_what_was_run(folder, cells):
    found = files.load(path_of(cells[0], folder))
    assert found.seeds == (0, 1)
    assert found.interactions == 32
    assert found.physics == "compiled"
    assert found.certified
    assert not found.settings.standard
    assert {"physics", "seeds", "interactions", "learner.window"} <= set(found.settings.changed)
    assert {"evaluation_starts", "evaluation_horizon"} <= set(found.settings.changed)
    assert not list(submission.consistency(found))
    assert found.learner.config["window"] == 4
    assert found.runs[0].training.steps == 32
    assert found.runs[0].curve.interactions == (8, 16, 24, 32)
    assert found.runs[0].curve.reference_return is not None
    assert found.runs[0].evaluation.steps == 4 * 5 * 16
    assert found.provenance.packages["jax"]


def test_a_result_is_reproduced_and_an_edited_one_is_not(folder, cells):
    found = files.load(path_of(cells[0], folder))
    again = run(cells[0]).runs[0]
    assert not list(reproduce.differences(found.runs[0], again))
    curve = again.curve
    returns = (*curve.return_mean[:3], 0.9999 * curve.return_mean[3])
    edited = dataclasses.replace(again, curve=dataclasses.replace(curve, return_mean=returns))
    (line,) = reproduce.differences(edited, again)
    assert "return after 32 interactions" in line
    unsafe = dataclasses.replace(again, training=dataclasses.replace(again.training, violations=3))
    (line,) = reproduce.differences(again, unsafe)
    assert "violations were 0, are 3" in line
    lost = dataclasses.replace(again, training=dataclasses.replace(again.training, non_finite=1))
    (line,) = reproduce.differences(again, lost)
    assert "non_finite were 0, are 1" in line
    with pytest.raises(ValueError, match="only a result with standard settings"):
        list(reproduce.rerun(found, 0))
    with pytest.raises(LookupError, match="no seed 7"):
        list(reproduce.rerun(found, 7))


def test_only_the_guarded_cell_is_safe(folder, cells):
    guarded, unguarded = (files.load(path_of(cell, folder)) for cell in cells)
    for run_ in guarded.runs:
        for counters in (run_.training, run_.evaluation):
            assert (
                counters.violations == counters.departures == counters.infeasible == counters.last_line == 0
            )
        assert run_.evaluation.worst_margin < 0
    assert sum(run_.evaluation.violations for run_ in unguarded.runs) > 0
    assert not unguarded.certified


def test_finished_cells_are_skipped_and_force_redoes_them(folder, cells, monkeypatch):
    ran = []
    monkeypatch.setattr(here, "run", lambda cell, report, checkpoint: ran.append(cell) or found)
    found = files.load(path_of(cells[0], folder))
    runner.execute(cells, folder, force=False, console=Console(quiet=True))
    assert ran == []
    path_of(cells[1], folder).rename(folder / "kept")
    runner.execute(cells, folder, force=False, console=Console(quiet=True))
    assert ran == [cells[1]]
    (folder / "kept").rename(path_of(cells[1], folder))
    runner.execute(cells[:1], folder, force=True, console=Console(quiet=True))
    assert ran == [cells[1], cells[0]]


def test_an_interruption_keeps_what_is_finished(folder, cells, tmp_path, monkeypatch):
    found = files.load(path_of(cells[0], folder))

    def interrupted(cell, report, checkpoint):
        if cell == cells[1]:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(here, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.execute(cells, tmp_path, force=False, console=Console(quiet=True))
    assert files.load(path_of(cells[0], tmp_path)) == found
    assert not path_of(cells[1], tmp_path).exists()


def test_other_settings_in_the_way_are_not_overwritten(folder, cells):
    other = dataclasses.replace(cells[0], learner_changes=(*cells[0].learner_changes, ("discount", "0.9")))
    before = path_of(cells[0], folder).read_bytes()
    with pytest.raises(ValueError, match="other settings"):
        runner.execute([other], folder, force=False, console=Console(quiet=True))
    assert path_of(cells[0], folder).read_bytes() == before


def test_the_same_seed_gives_the_same_result(folder, cells):
    first = files.load(path_of(cells[0], folder))
    again = run(cells[0])
    assert again.runs[0].final == first.runs[0].final
    assert again.runs[1].training == first.runs[1].training
    assert first.runs[0].final != first.runs[1].final


def test_a_certificate_that_does_not_prove_its_set_stops_the_run(monkeypatch):
    from safebench.runs import train as running

    prepared = prepare(tiny())
    wrong = dataclasses.replace(prepared.task.certificate, offsets=1.02 * prepared.task.certificate.offsets)
    broken = prepared._replace(task=dataclasses.replace(prepared.task, certificate=wrong))
    monkeypatch.setattr(running, "prepare", lambda cell: broken)
    with pytest.raises(ValueError, match="does not prove its set"):
        run(tiny())


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_resolves(name):
    _, module, config = presets.resolve(name)
    assert callable(module.make(config))


def test_part_of_a_suite_is_those_of_its_cells_that_were_named():
    chosen = suites.part("paper", ["energy", "pendulum"], ["none"], ["ppo", "shac"])
    assert [cell.title for cell in chosen] == [
        "pendulum/none--shac",
        "pendulum/none--ppo",
        "energy/none--shac",
        "energy/none--ppo",
    ]
    assert set(chosen) < set(suites.cells("paper"))
    assert suites.part("quick", None, None, []) == suites.cells("quick")


@pytest.mark.parametrize("suite", suites.SUITES)
def test_every_suite_names_what_exists(suite):
    cells = suites.cells(suite)
    assert len({cell.title for cell in cells}) == len(cells) > 0
    for cell in cells:
        assert cell.safeguard in presets.names()
        assert len(set(cell.seeds)) == len(cell.seeds)


def test_settings_keep_their_types():
    from safebench.baselines.shac import Config

    changed = settings.with_options(Config(), {"discount": "1", "value_hidden": "[8, 8]"}, "learner")
    assert changed.discount == 1.0
    assert changed.value_hidden == (8, 8)
    for name, value in (("window", "2.5"), ("normalise", "1"), ("value_hidden", "(8, 'x')"), ("window", "x")):
        with pytest.raises(ValueError, match=name):
            settings.with_options(Config(), {name: value}, "learner")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "-t", "pendulm", "-g", "none", "-l", "shac"), "Did you mean 'pendulum'"),
        (("run", "-t", "pendulum", "-g", "raymask", "-l", "shac"), "Did you mean 'ray-mask'"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shak"), "Did you mean 'shac'"),
        (("run", "--suite", "quik"), "Did you mean 'quick'"),
        (("run", "--suite", "paper", "-t", "cartpole"), "suite 'paper': unknown task 'cartpole'"),
        (("run", "--suite", "quick", "-l", "ppo"), "Known: shac"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "-n", "-5"), "not -5"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "-n", "5"), "less than one update"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "--seeds", "0"), "not 0"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "--set", "learner.discont=1"), "'discount'"),
        (("run", "-t", "pendulum", "-g", "none", "-l", "shac", "--out", "/proc/nowhere"), "/proc/nowhere"),
        (("run", "-t", "./absent.py", "-g", "none", "-l", "shac"), "absent.py"),
        (("run",), "--suite"),
        (("report", "/nowhere"), "/nowhere"),
        (("certify", "pendulm"), "Did you mean 'pendulum'"),
    ],
)
def test_bad_input_gives_one_clear_line_and_exit_code_2(arguments, message, safebench):
    code, _, error = safebench(*arguments)
    assert code == 2, error
    assert message in error
    assert "Traceback" not in error


def test_bad_input_from_a_real_shell():
    command = [sys.executable, "-m", "safebench", "run", "-t", "pendulm", "-g", "none", "-l", "shac"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Did you mean 'pendulum'" in done.stderr


def test_certify_proves_the_pendulum_and_refuses_a_corrupted_file(tmp_path, task_of, safebench):
    from safebench.sets import certificate

    assert safebench("certify", "pendulum")[0] == 0
    proven = task_of("pendulum").certificate
    certificate.save(dataclasses.replace(proven, offsets=1.02 * proven.offsets), tmp_path / "wrong.npz")
    good = tmp_path / "good.npz"
    certificate.save(proven, good)
    whole = good.read_bytes()
    (tmp_path / "damaged.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("wrong", "damaged"):
        code, output, _ = safebench("certify", "pendulum", "--certificate", str(tmp_path / f"{name}.npz"))
        assert code == 1, output
        assert "NOT PROVEN" in output
    assert safebench("certify", "pendulum", "--certificate", str(good))[0] == 0


def test_a_file_is_a_task_too(tmp_path, task_of):
    from importlib import resources

    source = (resources.files("safebench.tasks") / "pendulum.py").read_text()
    (tmp_path / "my_pendulum.py").write_text(source)
    cell = dataclasses.replace(tiny(), task=str(tmp_path / "my_pendulum.py"))
    assert path_of(cell, tmp_path).parent.name == "my-pendulum"
    np.testing.assert_array_equal(prepare(cell).task.constraints.upper, task_of("pendulum").constraints.upper)


def test_results_are_plain_json(folder, cells):
    data = json.loads(path_of(cells[0], folder).read_text())
    assert data["task"]["name"] == "pendulum"
