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


def test_diverged_is_explained_below_the_table_where_it_occurs():
    whole = TABLE._replace(rows=TABLE.rows[:1])
    for write in (markdown, latex):
        assert (
            "Diverged: the return of at least one seed"
            in write(TABLE).split("diverged]")[-1].split("2.00]")[-1]
        )
        assert "iverged" not in write(whole)


NASTY = Table(
    "nasty", "Foreign", ("name", "n"), (("=1+1", 1), ("a|b<img>`x`[y](z)", 2), ("x\ny\x1b[31m\ud800", 3)), ""
)


def test_foreign_text_stays_one_literal_entry():
    lines = markdown(NASTY).splitlines()[4:7]
    assert lines[1] == r"| a\|b\<img\>\`x\`\[y\](z) | 2 |"
    assert len(lines[2].split(" | ")) == 2
    assert "\x1b" not in lines[2]
    markdown(NASTY).encode()
    text = latex(NASTY)
    assert r"a\textbar{}b\textless{}img\textgreater{}`x`[y](z) & 2 \\" in text
    assert "\x1b" not in text


def test_csv_is_no_formula():
    rows = list(csv.reader(io.StringIO(comma_separated(NASTY))))
    assert [row[0] for row in rows[1:3]] == ["'=1+1", "a|b<img>`x`[y](z)"]
    assert len(rows) == 4
    comma_separated(NASTY).encode()
    (_, kept) = csv.reader(io.StringIO(comma_separated(NASTY._replace(rows=(("-0.5", 1),)))))
    assert kept == ["-0.5", "1"]  # a number that a sweep was given


def test_csv_keeps_every_digit():
    rows = list(csv.reader(io.StringIO(comma_separated(TABLE))))
    assert rows[0] == ["name", "return", "return low", "return high", "return (paper)", "n"]
    assert rows[1] == ["a_b", "-1.5", "-2.0", "-1.0", "", "3"]
    third = Estimate(1 / 3, 0.1 + 0.2, 1.0)
    (_, row) = csv.reader(io.StringIO(comma_separated(TABLE._replace(rows=(("x", third, None, 1),)))))
    assert [float(value) for value in row[1:4]] == list(third)
