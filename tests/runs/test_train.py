"""Cells that train: the result, its reproduction, resuming, interruption, and changed settings."""

import dataclasses
import json

import jax
import pytest
from rich.console import Console
from tiny_cells import tiny, untimed

from safebench.record import files, submission
from safebench.runs import here, reproduce, runner
from safebench.runs.paths import path_of
from safebench.runs.prepare import prepare
from safebench.runs.train import run


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
    assert {"seeds", "interactions", "learner.window"} <= set(found.settings.changed)
    assert "physics" not in found.settings.changed
    assert 0 < max(found.equality.compiled, found.equality.mjx) <= 1
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
    monkeypatch.setattr(here, "run", lambda cell, *others: ran.append(cell) or found)
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

    def interrupted(cell, *others):
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


@pytest.mark.slow
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


def test_results_are_plain_json(folder, cells):
    data = json.loads(path_of(cells[0], folder).read_text())
    assert data["task"]["name"] == "pendulum"


@pytest.mark.slow
def test_a_seed_names_the_same_numbers_whatever_jax_is_set_to(folder, cells):
    first = files.load(path_of(cells[0], folder))
    with jax.default_prng_impl("rbg"), jax.threefry_partitionable(False):
        assert jax.random.key(0).dtype != jax.random.key(0, impl="threefry2x32").dtype  # it would matter
        again = run(cells[0])
    assert untimed(again) == untimed(first)
