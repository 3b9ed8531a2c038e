"""A table as markdown, LaTeX and CSV."""

import csv
import io
import shutil
import subprocess

import numpy as np
import pytest
from synthetic_results import grid

from safebench.report import paper, tables
from safebench.report.stats import Estimate
from safebench.report.table import Table, comma_separated, latex, markdown

TABLE = Table(
    "odd",
    "Odd & 100 % names",
    ("name", "return", "paper", "n"),
    (("a_b", Estimate(-1.5, -2.0, -1.0), None, 3), ("c", Estimate(-np.inf, -np.inf, 2.0), 1234.5, 4)),
    "Note $x$",
)


def test_markdown_table():
    lines = markdown(TABLE).splitlines()
    assert lines[3] == "|---|--:|--:|--:|"
    assert lines[4] == "| a_b | -1.50 [-2.00, -1.00] | - | 3 |"
    assert lines[5] == "| c | diverged [diverged, 2.00] | 1,234 | 4 |"


def test_latex_escapes():
    text = latex(TABLE)
    assert r"\caption{Odd \& 100 \% names. Note \$x\$}" in text
    assert r"a\_b & $-$1.50 [$-$2.00, $-$1.00] & -- & 3 \\" in text
    assert r"\begin{tabular}{lrrr}" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(tmp_path):
    body = "".join(latex(table) for table in tables.all_tables(grid(), paper.load()))
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    (tmp_path / "t.tex").write_text(document)
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_csv_keeps_every_digit():
    rows = list(csv.reader(io.StringIO(comma_separated(TABLE))))
    assert rows[0] == ["name", "return", "return low", "return high", "return (paper)", "n"]
    assert rows[1] == ["a_b", "-1.5", "-2.0", "-1.0", "", "3"]
    third = Estimate(1 / 3, 0.1 + 0.2, 1.0)
    (_, row) = csv.reader(io.StringIO(comma_separated(TABLE._replace(rows=(("x", third, None, 1),)))))
    assert [float(value) for value in row[1:4]] == list(third)
