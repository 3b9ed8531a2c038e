"""`safebench sweep --draw`: its record, its choice, resuming, and bad input."""

import dataclasses

import pytest
import synthetic_results
from true_settings import with_settings_of

from safebench.record import tuning
from safebench.runs import here
from safebench.runs import tuning as searches
from safebench.runs.prepare import prepare

BASE = ("sweep", "-t", "pendulum", "-l", "apg", "--physics", "compiled", "-n", "2048")


def pretend(cell, *_):
    """The wider its window, the better an unguarded one; a guarded one does not care."""
    prepared = prepare(cell)
    window = float(prepared.learner_config.window) if cell.safeguard == "none" else 0.0
    made = synthetic_results.make(safeguard=cell.safeguard, seeds=len(cell.seeds), final=window - 100)
    runs = (dataclasses.replace(run, seed=seed) for run, seed in zip(made.runs, cell.seeds, strict=True))
    return with_settings_of(dataclasses.replace(made, runs=tuple(runs)), prepared)


def test_tuning_from_the_command_line_records_every_try(tmp_path, safebench, monkeypatch):
    monkeypatch.setattr(here, "run", pretend)
    command = (*BASE, "--draw", "2", "--out", str(tmp_path), "--set", "evaluation.starts=4")
    code, output, error = safebench(*command)
    assert code == 0, error
    found = tuning.load(tmp_path / "pendulum" / "apg.json")
    assert (found.task, found.learner, found.seeds) == ("pendulum", "apg", searches.SEEDS)
    assert found.interactions == 2048
    assert [{each.safeguard for each in one.reached} for one in found.tries] == [{*searches.SAFEGUARDS}] * 2
    assert all(len(each.final_return) == 3 for one in found.tries for each in one.reached)
    assert f"(try {found.chosen + 1} of 2)" in output
    windows = [one.settings["window"] for one in found.tries]
    assert windows[found.chosen] == max(windows) > min(windows)
    assert (tmp_path / "pendulum" / "apg" / "sweep.md").is_file()

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*--*.json")}
    assert len(before) == 4
    code, output, _ = safebench(*command)
    assert code == 0
    assert "finished before" in output
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*--*.json")} == before


def test_a_try_is_evaluated_once_unless_said_otherwise(tmp_path, safebench, monkeypatch):
    seen = []
    monkeypatch.setattr(here, "run", lambda cell, *_: seen.append(cell.evaluations) or pretend(cell))
    for name, said in (("once", ()), ("more", ("--set", "evaluation.points=3"))):
        code, _, error = safebench(*BASE, "--draw", "1", "--out", str(tmp_path / name), *said)
        assert code == 0, error
    assert seen == [1, 1, 3, 3]


@pytest.mark.parametrize("safeguards", [("ray-mask",), ("none", "ray-mask")])
def test_it_ends_with_what_the_tries_reached_of_however_many_safeguards(
    safeguards, tmp_path, safebench, monkeypatch
):
    """Also where no column of the table varies."""
    monkeypatch.setattr(here, "run", pretend)
    named = [word for safeguard in safeguards for word in ("-g", safeguard)]
    code, output, error = safebench(*BASE, "--draw", "1", *named, "--out", str(tmp_path))
    assert code == 0, error
    table = output.partition("Chosen for")[2]
    assert all(word in table for word in ("best", "median", "close", *safeguards))


@pytest.mark.slow
def test_one_try_that_is_trained(tmp_path, safebench):
    options = ("--draw", "1", "-g", "ray-mask", "--seeds", "1", "--set", "evaluation.starts=4")
    code, _, error = safebench(*BASE, *options, "--out", str(tmp_path))
    assert code == 0, error
    found = tuning.load(tmp_path / "pendulum" / "apg.json")
    ((reached,),) = (one.reached for one in found.tries)
    assert (found.chosen, found.seeds, reached.safeguard, reached.violations) == (0, (1000,), "ray-mask", 0)
    assert len(reached.final_return) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--draw", "2", "--over", "learner.window=4,8"), "leave out --over"),
        (("--draw", "2", "--seeds", "4"), "there are 3 tuning seeds, --seeds wants 4"),
        (("--draw", "0"), "should be greater than or equal to 1, not '0'"),
        (("--draw", "2", "--set", "learner.window=4"), "learner.window is both set (--set) and swept"),
    ],
)
def test_bad_tuning_gives_one_clear_line_and_exit_code_2(arguments, message, safebench, tmp_path):
    code, _, error = safebench(*BASE, "--out", str(tmp_path / "out"), *arguments)
    assert code == 2
    assert message in error
    assert not (tmp_path / "out").exists()
