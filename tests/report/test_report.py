"""A report: every table and figure that the results can fill, and a line for what they cannot."""

import dataclasses
import re

import pytest
from synthetic_results import SMALL, grid, make

from safebench.record import files, result
from safebench.report import report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for cell in grid():
        path = files.cell_path(folder, cell.task.name, cell.safeguard.name, cell.learner.name)
        files.write(cell, path)
    return folder, report.write(folder)


def test_the_report_has_ten_tables_and_four_figures(written):
    folder, made = written
    names = {path.name for path in made.written}
    asked = ("unguarded", "guarded", "stuck", "centres", "run-time", "contest", "improvement")
    for name in (*asked, "paper-level", "cost", "discrimination"):
        assert {f"{name}.tex", f"{name}.csv"} <= names
    for name in ("learning-curves", "return-interventions", "performance-profile", "run-time"):
        assert {f"{name}.png", f"{name}.svg", f"{name}.pdf"} <= names
    assert all(path.stat().st_size > 100 for path in made.written)
    text = (folder / "report" / "tables.md").read_text()
    assert len(re.findall("^## ", text, re.MULTILINE)) == 10
    assert "arXiv 2506.01665" in text


def test_what_no_result_covers_is_said(written):
    made = written[1]
    (remark,) = (
        line for line in made.remarks if line.startswith("table 'Learners with a safeguard' is written")
    )
    assert re.search(r"of the paper's cells \d+ have no result here, e\.g\. \w+/[\w+-]+--\w+$", remark)
    assert made.left_out == []


def test_a_single_cell_beside_a_damaged_file_reports_what_it_can(tmp_path):
    files.write(make(safeguard="ray-mask", **SMALL), tmp_path / "pendulum" / "ray-mask--shac.json")
    (tmp_path / "pendulum" / "none--shac.json").write_text('{"schema_version": 1')
    made = report.write(tmp_path, tmp_path / "elsewhere")
    lines = "\n".join(made.left_out)
    assert "none--shac.json: not valid JSON" in lines
    assert "tables: no result covers it: table 'Learners without a safeguard', table" in lines
    assert (
        "2 figures: the results have nothing to compare: figure performance-profile, figure run-time" in lines
    )
    assert (tmp_path / "elsewhere" / "learning-curves.png").exists()
    assert not (tmp_path / "elsewhere" / "unguarded.csv").exists()


def test_goals_have_a_table_and_a_figure_where_a_task_has_one(tmp_path, monkeypatch):
    monkeypatch.setattr(report.plots, "save", lambda figure, path: [path.with_suffix(".svg")])  # in no time
    for success, expected in ((None, False), (0.75, True)):
        folder = tmp_path / str(expected)
        files.write(make(success=success, **SMALL), folder / "pendulum" / "ray-mask--shac.json")
        made = report.write(folder)
        names = {path.name for path in made.written}
        assert ({"goals.tex", "goals.csv", "success.svg"} <= names) == expected
        assert not any("goal" in line or "success" in line for line in made.left_out)
        assert ("## Reaching the goal" in (folder / "report" / "tables.md").read_text()) == expected
    header, row = (folder / "report" / "goals.csv").read_text().splitlines()
    found = dict(zip(header.split(","), row.split(","), strict=True))
    assert (found["success %"], found["time to the goal s"], found["violated %"]) == ("75.0", "6.5", "0.0")
    assert float(found["switches per 1000 steps"]) == pytest.approx(400)
    assert r"success \%" in (folder / "report" / "goals.tex").read_text()


def test_a_cell_with_two_physics_is_shown_once_and_has_a_table_of_both(tmp_path, monkeypatch):
    monkeypatch.setattr(report.plots, "save", lambda figure, path: [path.with_suffix(".svg")])  # in no time
    equal = result.Equality(40, 0.25, 0.5)
    for physics, suite, equality in (("mjx", "analytic", None), ("compiled", "paper", equal)):
        cell = make(physics=physics, suite=suite, equality=equality, **SMALL)
        files.write(cell, tmp_path / suite / "pendulum" / "ray-mask--shac.json")
        made = report.write(tmp_path)
        expected = suite == "paper"  # the second
        assert ((tmp_path / "report" / "physics.csv") in made.written) == expected, made.left_out
    assert (tmp_path / "report" / "guarded.csv").read_text().count("ray-mask") == 1
    assert "compiled, mjx" in (tmp_path / "report" / "physics.csv").read_text()


def test_nothing_to_report_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="no results to report"):
        report.write(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        report.write(tmp_path / "absent")


def test_a_folder_of_nothing_readable_names_what_it_holds(tmp_path):
    (tmp_path / "pendulum").mkdir()
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no results to report: none of its files is named .*notes\.json"):
        report.write(tmp_path)
    (tmp_path / "pendulum" / "none--shac.json").write_text("{")
    (tmp_path / "pendulum" / "none--ppo.json.damaged").write_text("{")
    with pytest.raises(ValueError, match="no results to report: 2 files cannot be read: ") as caught:
        report.write(tmp_path)
    assert "none--shac.json: not valid JSON" in str(caught.value)
    assert "none--ppo.json.damaged: a damaged result" in str(caught.value)
    assert not (tmp_path / "report").exists()


def test_results_that_learnt_nothing_are_named_below_the_tables(tmp_path):
    cell = make(safeguard="ray-mask", **SMALL)
    runs = tuple(
        result.make_run(run.seed, dataclasses.replace(run.curve, skipped=run.curve.updates))
        for run in cell.runs
    )
    failed = dataclasses.replace(cell, runs=runs)
    files.write(failed, tmp_path / "pendulum" / "ray-mask--shac.json")
    report.write(tmp_path)
    text = (tmp_path / "report" / "tables.md").read_text()
    assert text.count("Failed, every update of a seed skipped: pendulum/ray-mask--shac.") == len(
        re.findall("^## ", text, re.MULTILINE)
    )
    assert "ray-mask (failed)" in text


def test_foreign_settings_of_a_safeguard_break_no_file(tmp_path):
    """The table of centres shows what the file says of a setting."""
    for name, centre in (("ray-mask", "certificate"), ("ray-mask+mine", "=a|b\n<img> \ud800\x1b[2J")):
        cell = make(safeguard=name, **SMALL)
        config = {"gradient": "exact", "centre": centre}
        cell = dataclasses.replace(cell, safeguard=dataclasses.replace(cell.safeguard, config=config))
        files.write(cell, files.cell_path(tmp_path, "pendulum", name, "shac"))
    report.write(tmp_path)
    for kind in ("tables.md", "centres.tex", "centres.csv"):
        text = (tmp_path / "report" / kind).read_text()
        assert "\x1b" not in text
        assert "|b\n" not in text
    assert "'=a|b" in (tmp_path / "report" / "centres.csv").read_text()
