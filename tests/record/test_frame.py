"""Results as one table: a row per seed and evaluation, NaN for null, a warning for what cannot be read."""

import dataclasses
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from synthetic_results import curve, make, of_version_2

from safebench.record import files, result
from safebench.record.frame import COLUMNS, load_results


def write(cell, folder):
    path = files.cell_path(folder, cell.task.name, cell.safeguard.name, cell.learner.name)
    files.write(cell, path)
    return path


@pytest.fixture
def folder(tmp_path):
    write(make(safeguard="none", seeds=2, points=4, suite="quick"), tmp_path / "quick")
    settings = result.Settings(False, ("physics",))
    write(
        make(seeds=3, points=5, suite="paper", physics="plain", settings=settings), tmp_path / "deep" / "er"
    )
    return tmp_path


def test_a_row_for_every_seed_and_evaluation(folder):
    frame = load_results(folder)
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 2 * 4 + 3 * 5
    assert list(frame.index) == list(range(len(frame)))
    assert frame.groupby(["suite", "safeguard", "seed"]).size().to_dict() == {
        **{("quick", "none", seed): 4 for seed in range(2)},
        **{("paper", "ray-mask", seed): 5 for seed in range(3)},
    }


def test_every_number_is_that_of_its_file(folder):
    frame = load_results(folder)
    (cell,) = (cell for cell in files.load_folder(folder)[0] if cell.suite == "quick")
    for run in cell.runs:
        rows = frame[(frame.suite == "quick") & (frame.seed == run.seed)]
        for name in ("interactions", "return_mean", "reference_return", "seconds"):
            assert tuple(rows[name]) == getattr(run.curve, name)
        assert rows["loss"].isna().all()  # null as a whole: nothing is reported
        for group in ("training", "evaluation"):
            for field in dataclasses.fields(result.CounterColumns):
                column = getattr(getattr(run.curve, group), field.name)
                expected = [np.nan if value is None else value for value in column]
                np.testing.assert_array_equal(rows[f"{group}_{field.name}"], expected)
        assert (rows["task"] == "pendulum").all()
        assert (rows["learner"] == "shac").all()
    assert frame.groupby("suite")["training_violations"].max().to_dict() == {"paper": 0, "quick": 2000}


def test_cells_say_what_they_are(folder):
    kinds = load_results(folder).groupby("suite")[["certified", "standard", "physics", "precision"]].first()
    assert kinds.loc["quick"].tolist() == [False, True, "mjx", "float64"]
    assert kinds.loc["paper"].tolist() == [True, False, "plain", "float64"]


def test_null_is_not_a_number(tmp_path):
    cell = make(seeds=1, points=3)
    points = dataclasses.replace(curve(0, points=3), return_mean=(-3.0, None, -1.0), reference_return=None)
    write(dataclasses.replace(cell, runs=(result.make_run(0, points),)), tmp_path)
    frame = load_results(tmp_path)
    assert frame["return_mean"].isna().tolist() == [False, True, False]
    assert frame["reference_return"].isna().all()
    assert frame["training_worst_margin"].isna().tolist() == [True, False, False]  # no step yet


def test_what_only_some_tasks_or_versions_have_is_nan_elsewhere(tmp_path):
    with_goal, without = make(seeds=1, points=3, success=0.5), make(safeguard="none", seeds=1, points=3)
    write(with_goal, tmp_path)
    write(without, tmp_path)
    write(of_version_2(make(safeguard="cbf-qp", seeds=1, points=3)), tmp_path)
    frame = load_results(tmp_path).set_index("safeguard")
    assert frame.loc["ray-mask", "success"].tolist() == [0, 0.25, 0.5]
    assert frame.loc["ray-mask", "time_to_goal"].isna().tolist() == [True, False, False]
    assert frame.loc["ray-mask", "training_switches"].tolist() == [0, 20_000, 40_000]
    assert frame.loc["none", ["success", "time_to_goal"]].isna().all(axis=None)
    assert (frame.loc["none", "violated"] > 0).all()
    assert frame.loc["cbf-qp", ["violated", "evaluation_switches"]].isna().all(axis=None)


def test_columns_have_the_same_kinds_with_and_without_results(folder, tmp_path_factory):
    frame, empty = load_results(folder), load_results(tmp_path_factory.mktemp("empty"))
    assert len(empty) == 0
    assert list(empty.columns) == list(COLUMNS)
    assert (empty.dtypes == frame.dtypes).all()
    kinds = frame.dtypes[["training_violations", "return_mean", "certified"]]
    assert [str(kind) for kind in kinds] == ["int64", "float64", "bool"]
    pd.testing.assert_frame_equal(pd.concat([empty, frame], ignore_index=True), frame)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        load_results(tmp_path / "absent")


def test_good_files_give_no_warning(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_results(folder))


def test_a_damaged_file_is_left_out_and_named(folder):
    whole = load_results(folder)
    path = folder / "quick" / "pendulum" / "ray-mask--ppo.json"
    path.write_text('{"schema_version": 1')
    with pytest.warns(UserWarning, match=re.escape(f"{path}: not valid JSON")) as caught:
        frame = load_results(folder)
    assert [warning.filename for warning in caught] == [__file__]  # it points at the call
    pd.testing.assert_frame_equal(frame, whole)


def test_every_damaged_file_has_its_own_warning(tmp_path):
    for name in ("none--shac.json", "ray-mask--shac.json"):
        (tmp_path / name).write_text("{")
    with pytest.warns(UserWarning, match="not valid JSON") as caught:
        assert len(load_results(tmp_path)) == 0
    assert len(caught) == 2


def uneven(cell):
    short = dataclasses.replace(cell.runs[1].curve, return_mean=cell.runs[1].curve.return_mean[:-1])
    return dataclasses.replace(cell, runs=(cell.runs[0], dataclasses.replace(cell.runs[1], curve=short)))


def uncountable(cell):
    training = cell.runs[1].curve.training
    training = dataclasses.replace(training, violations=(*training.violations[:-1], 10**30))
    curve = dataclasses.replace(cell.runs[1].curve, training=training)
    return dataclasses.replace(cell, runs=(cell.runs[0], dataclasses.replace(cell.runs[1], curve=curve)))


@pytest.mark.parametrize("damage", [uneven, uncountable])
def test_a_result_that_contradicts_itself_is_left_out_and_named(tmp_path, damage):
    write(make(safeguard="none", seeds=1, points=3), tmp_path)
    write(damage(make(seeds=2, points=3)), tmp_path)
    with pytest.warns(UserWarning, match=r"pendulum/ray-mask--shac \(quick\): cannot be a table: "):
        frame = load_results(tmp_path)
    assert set(frame["safeguard"]) == {"none"}


def test_reading_results_imports_no_jax(folder):
    code = f"""
import sys
from safebench.record.frame import load_results
print(len(load_results({str(folder)!r})), "jax" in sys.modules, "mujoco" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["23", "False", "False"], done.stderr
