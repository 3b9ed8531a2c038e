"""A report: every table and figure that the results can fill, and a line for what they cannot."""

import re

import pytest
from synthetic_results import SMALL, grid, make

from safebench.record import files
from safebench.report import report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for cell in grid():
        path = files.cell_path(folder, cell.task.name, cell.safeguard.name, cell.learner.name)
        files.write(cell, path)
    return folder, report.write(folder)


def test_the_report_has_seven_tables_and_four_figures(written):
    folder, made = written
    names = {path.name for path in made.written}
    for name in ("unguarded", "guarded", "stuck", "centres", "run-time", "contest", "improvement"):
        assert {f"{name}.tex", f"{name}.csv"} <= names
    for name in ("learning-curves", "return-interventions", "performance-profile", "run-time"):
        assert {f"{name}.png", f"{name}.svg", f"{name}.pdf"} <= names
    assert all(path.stat().st_size > 100 for path in made.written)
    text = (folder / "report" / "tables.md").read_text()
    assert len(re.findall("^## ", text, re.MULTILINE)) == 7
    assert "arXiv 2506.01665" in text


def test_what_no_result_covers_is_said(written):
    lines = "\n".join(written[1].left_out)
    assert "table 'Learners with a safeguard': no result for" in lines
    assert "energy/" in lines or "e.g. " in lines


def test_a_single_cell_beside_a_damaged_file_reports_what_it_can(tmp_path):
    files.write(make(safeguard="ray-mask", **SMALL), tmp_path / "pendulum" / "ray-mask--shac.json")
    (tmp_path / "pendulum" / "none--shac.json").write_text('{"schema_version": 1')
    made = report.write(tmp_path, tmp_path / "elsewhere")
    lines = "\n".join(made.left_out)
    assert "none--shac.json: not valid JSON" in lines
    assert "table 'Learners without a safeguard': no result covers it" in lines
    assert "figure performance-profile: the results have nothing to compare" in lines
    assert "figure run-time" in lines
    assert (tmp_path / "elsewhere" / "learning-curves.png").exists()
    assert not (tmp_path / "elsewhere" / "unguarded.csv").exists()


def test_nothing_to_report_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="no results to report"):
        report.write(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        report.write(tmp_path / "absent")
