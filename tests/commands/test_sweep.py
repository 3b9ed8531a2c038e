"""`safebench sweep`: its ranking, its files, resuming, and bad input."""

import csv
import dataclasses
import io

import pytest
import synthetic_results
from rich.console import Console
from true_settings import with_settings_of

from safebench.commands import sweep
from safebench.record import files
from safebench.report import summary
from safebench.runs import here
from safebench.runs.prepare import prepare


def test_the_best_return_comes_first_and_what_diverged_last():
    results = [synthetic_results.make(final=final) for final in (-20.0, -8.0, -12.0)]
    nothing = dataclasses.replace(results[0].runs[0].final, return_mean=None)
    runs = tuple(dataclasses.replace(run, final=nothing) for run in results[0].runs)
    diverged = dataclasses.replace(results[0], runs=runs)
    done = [({"learner.discount": str(i)}, found) for i, found in enumerate([diverged, *results])]
    order = [combination["learner.discount"] for combination, _ in sweep.ranked(done)]
    assert order == ["2", "3", "1", "0"]


def test_the_table_has_the_fields_the_returns_and_the_violations(tmp_path):
    good = synthetic_results.make(final=-8.0)
    bad = synthetic_results.make(safeguard="none", final=-30.0)
    done = sweep.ranked([({"learner.window": "4"}, bad), ({"learner.window": "8"}, good)])
    markdown, listed = sweep.write(sweep.table(done), tmp_path)
    with listed.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["learner.window"] for row in rows] == ["8", "4"]
    assert float(rows[0]["return IQM [95 %]"]) == summary.row(good).returns.value
    assert int(rows[0]["violations"]) == 0 < int(rows[1]["violations"])
    assert "| 8 |" in markdown.read_text()
    console = Console(record=True, width=160, file=io.StringIO())
    sweep.show(sweep.table(done), console)
    assert "learner.window" in console.export_text()


def pretend(cell, *_):
    """What a cell might have given, with its true settings."""
    prepared = prepare(cell)
    final = -float(prepared.learner_config.window)
    return with_settings_of(synthetic_results.make(seeds=len(cell.seeds), final=final), prepared)


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_sweep_from_the_command_line_runs_once_and_is_marked(real, tmp_path, safebench, monkeypatch):
    if not real:
        monkeypatch.setattr(here, "run", pretend)
    tiny = "environments=2 policy_hidden=(8,) value_hidden=(8,) value_fits=1".split()
    command = ["sweep", "-t", "pendulum", "-g", "ray-mask", "-l", "shac", "--physics", "compiled"]
    command += [word for name in tiny for word in ("--set", f"learner.{name}")]
    command += ["--over", "learner.window=8,4", "--seeds", "1", "-n", "32", "--out", str(tmp_path)]
    code, output, error = safebench(*command)
    assert code == 0, error
    folders = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert folders == ["learner.window=4", "learner.window=8"]
    windows = {}
    for name in folders:
        found = files.load(tmp_path / name / "pendulum" / "ray-mask--shac.json")
        assert not found.settings.standard
        assert "learner.window" in found.settings.changed
        windows[name] = found.learner.config["window"]
    assert windows == {"learner.window=4": 4, "learner.window=8": 8}
    with (tmp_path / "sweep.csv").open(newline="") as file:
        values = [float(row["return IQM [95 %]"]) for row in csv.DictReader(file)]
    assert values == sorted(values, reverse=True)
    assert len(values) == 2
    assert "sweep.md" in output

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*--*.json")}
    code, output, _ = safebench(*command)
    assert code == 0
    assert output.count("finished before") == 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*--*.json")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--over", "learner.windo=4"), "Did you mean 'window'"),
        (("--over", "learner.window=4,x"), "wants a whole number, not"),
        (("--over", "window=4"), "--over wants"),
        ((), "--over"),
    ],
)
def test_bad_sweeps_give_one_clear_line_and_exit_code_2(arguments, message, safebench, tmp_path):
    base = ("sweep", "-t", "pendulum", "-g", "none", "-l", "shac", "--physics", "compiled")
    code, _, error = safebench(*base, "--out", str(tmp_path / "out"), *arguments)
    assert code == 2
    assert message in error
    assert not (tmp_path / "out").exists()
