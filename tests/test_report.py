import csv
import dataclasses
import io
import json
import re
import shutil
import subprocess

import matplotlib.colors
import numpy as np
import pytest
from rich.console import Console
from synthetic_results import make

from safebench import (
    improvement,
    plots,
    reference,
    report,
    result,
    result_file,
    stats,
    summary,
    table_text,
    tables,
)
from safebench.stats import Estimate
from safebench.tables import Table

SMALL = {"points": 4, "seeds": 4}


def cells():
    """A small grid: two tasks, two learners, and the centres of the ray mask."""
    made = [
        make(task=task, safeguard=safeguard, learner=learner, final=factor * final, **SMALL)
        for task, final in (("pendulum", -8.4), ("quadrotor", -150.0))
        for learner in ("ppo", "shac")
        for safeguard, factor in (("none", 1.1), ("boundary-projection", 1.05), ("ray-mask", 1.0))
    ]
    orthogonal = make(safeguard="ray-mask+orthogonal", seconds=45.0, **SMALL)
    config = {**orthogonal.safeguard.config, "centre": "orthogonal"}
    return [
        *made,
        dataclasses.replace(orthogonal, safeguard=dataclasses.replace(orthogonal.safeguard, config=config)),
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for cell in cells():
        path = result_file.cell_path(folder, cell.task.name, cell.safeguard.name, cell.learner.name)
        result_file.write(cell, path)
    return folder, report.write(folder)


def test_the_report_has_seven_tables_and_four_figures(written):
    folder, made = written
    names = {path.name for path in made.written}
    for table in ("unguarded", "guarded", "stuck", "centres", "run-time", "contest", "improvement"):
        assert {f"{table}.tex", f"{table}.csv"} <= names
    for figure in ("learning-curves", "return-interventions", "performance-profile", "run-time"):
        assert {f"{figure}.png", f"{figure}.svg", f"{figure}.pdf"} <= names
    assert all(path.stat().st_size > 100 for path in made.written)
    text = (folder / "report" / "tables.md").read_text()
    assert len(re.findall("^## ", text, re.MULTILINE)) == 7
    assert "arXiv 2506.01665" in text


def test_improvement_is_the_share_of_pairs_won():
    def cell(safeguard, task, shift):
        made = make(task=task, safeguard=safeguard, learner="shac", final=-100.0 + shift, **SMALL)
        return made, [(r.curve.reference_return or r.curve.return_mean)[-1] for r in made.runs]

    built = [cell("none", "pendulum", 0), cell("ray-mask", "pendulum", 0), cell("ray-mask", "cartpole", 5)]
    (row,) = improvement.improvement([made for made, _ in built], reference.load()).rows
    pairs = [(a > b) + 0.5 * (a == b) for a in built[1][1] for b in built[0][1]]
    assert row[:3] == ("shac", "ray-mask", "pendulum")  # no unguarded cartpole: it does not enter
    assert row[3].value == pytest.approx(np.mean(pairs))
    assert row[3].low <= row[3].value <= row[3].high
    assert 0 <= row[4].value <= 1
    always = cell("ray-mask", "pendulum", 500)[0]
    (row,) = improvement.improvement([built[0][0], always], reference.load()).rows
    assert tuple(row[3]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-8.234, "-8.23"),
        (-123.44, "-123.4"),
        (25131.4, "25,131"),
        (-1574305738.0, "-1.57e9"),
        (2.5e12, "2.50e12"),
        (-np.inf, "diverged"),
        (np.nan, "diverged"),
    ],
)
def test_numbers_are_short(value, text):
    assert summary.number(value) == text


def test_what_no_result_covers_is_said(written):
    lines = "\n".join(written[1].left_out)
    assert "table 'Learners with a safeguard': no result for" in lines
    assert "energy/" in lines or "e.g. " in lines


def test_a_single_cell_beside_a_damaged_file_reports_what_it_can(tmp_path):
    result_file.write(make(safeguard="ray-mask", **SMALL), tmp_path / "pendulum" / "ray-mask--shac.json")
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


def test_a_cell_in_two_suites_is_shown_once():
    kept, lines = report.one_per_cell([make(seeds=2, suite="quick"), make(seeds=3, suite="paper")])
    assert [cell.suite for cell in kept] == ["paper"]
    assert lines == ["pendulum/ray-mask--shac of suite quick: shown from suite paper"]


def test_svg_figures_are_the_same_every_time(tmp_path):
    """Figures are committed: drawing them again must not change them."""
    first = plots.save(plots.learning_curves(cells()[:3]), tmp_path / "a")
    second = plots.save(plots.learning_curves(cells()[:3]), tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_unguarded_table_has_our_figures_beside_the_papers():
    paper = reference.load()
    table = tables.unguarded(cells(), paper)
    (row,) = [row for row in table.rows if row[:2] == ("pendulum", "shac")]
    cell = cells()[3]
    assert cell.title == "pendulum/none--shac"
    assert row[2] == stats.iqm_interval([run.final.reference_return for run in cell.runs])
    archive = paper.cell("pendulum", "none", "shac")
    assert row[3] == stats.iqm_interval(archive.returns)
    assert row[3].value == pytest.approx(-8.79, abs=0.01)
    assert row[6] == pytest.approx(20.0)  # 0.02 violations a step


def test_guarded_table_counts_interventions_of_all_steps():
    cell = make(safeguard="ray-mask", **SMALL)
    (row,) = tables.guarded([cell], reference.load()).rows
    run = cell.runs[0]
    changed = run.training.interventions + run.evaluation.interventions
    assert row[7] == pytest.approx(100 * changed / (run.training.steps + run.evaluation.steps))
    assert row[8] == 0


def test_centres_are_compared_only_where_there_are_two():
    rows = tables.centres(cells(), reference.load()).rows
    assert [row[:4] for row in rows] == [
        ("pendulum", "shac", "ray-mask", "certificate"),
        ("pendulum", "shac", "ray-mask", "orthogonal"),
    ]


def test_overhead_is_relative_to_no_safeguard_on_the_same_device():
    unguarded, guarded = make(safeguard="none", seconds=20.0), make(safeguard="ray-mask", seconds=24.0)
    assert tables.overhead(guarded, [unguarded, guarded]) == pytest.approx(1.2)
    elsewhere = dataclasses.replace(unguarded.provenance, device="another machine")
    moved = dataclasses.replace(unguarded, provenance=elsewhere)
    assert tables.overhead(guarded, [moved, guarded]) is None
    assert tables.overhead(guarded, [make(safeguard="none", learner="ppo"), guarded]) is None


def test_stuck_runs():
    assert tables.count_stuck([-8.0, -8.1, -8.2, -400.0], first=-500.0) == 1
    assert tables.count_stuck([-8.0, -8.1, -8.2, None], first=-500.0) == 1
    assert tables.count_stuck([-8.0, -8.1, -8.2, -200.0], first=-500.0) == 0
    assert tables.count_stuck([-1000.0, -900.0], first=-20.0) == 2  # collapsed
    assert tables.count_stuck([None, None], first=-20.0) == 2
    # The archive: SAC with boundary projection on the pendulum unlearned in every run.
    paper = reference.load()
    collapsed = paper.cell("pendulum", "boundary-projection", "sac")
    assert tables.count_stuck(collapsed.returns, collapsed.first_return) == 10


def test_the_papers_figures_are_whole():
    paper = reference.load()
    assert len(paper.cells) == 45
    for cell in paper.cells:
        assert cell.runs == 10
        assert len(cell.returns) == len(cell.interactions_to_95) == cell.runs - cell.stuck
    assert paper.seconds("quadrotor", "ray-mask", "shac") == 12939
    assert len(paper.start_states["pendulum"]) == 2


def test_another_file_of_reference_figures(tmp_path):
    data = json.loads(reference.FILE.read_text())
    data["cells"] = data["cells"][:1]
    (tmp_path / "mine.json").write_text(json.dumps(data))
    assert len(reference.load(tmp_path / "mine.json").cells) == 1
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ValueError, match=r"bad\.json: no file of reference figures"):
        reference.load(tmp_path / "bad.json")


TABLE = Table(
    "odd",
    "Odd & 100 % names",
    ("name", "return", "paper", "n"),
    (("a_b", Estimate(-1.5, -2.0, -1.0), None, 3), ("c", Estimate(-np.inf, -np.inf, 2.0), 1234.5, 4)),
    "Note $x$",
)


def test_markdown_table():
    lines = table_text.markdown(TABLE).splitlines()
    assert lines[3] == "|---|--:|--:|--:|"
    assert lines[4] == "| a_b | -1.50 [-2.00, -1.00] | - | 3 |"
    assert lines[5] == "| c | diverged [diverged, 2.00] | 1,234 | 4 |"


def test_latex_escapes():
    text = table_text.latex(TABLE)
    assert r"\caption{Odd \& 100 \% names. Note \$x\$}" in text
    assert r"a\_b & $-$1.50 [$-$2.00, $-$1.00] & -- & 3 \\" in text
    assert r"\begin{tabular}{lrrr}" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(tmp_path):
    body = "".join(table_text.latex(table) for table in tables.all_tables(cells(), reference.load()))
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    (tmp_path / "t.tex").write_text(document)
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_csv_keeps_every_digit():
    rows = list(csv.reader(io.StringIO(table_text.comma_separated(TABLE))))
    assert rows[0] == ["name", "return", "return low", "return high", "return (paper)", "n"]
    assert rows[1] == ["a_b", "-1.5", "-2.0", "-1.0", "", "3"]
    third = Estimate(1 / 3, 0.1 + 0.2, 1.0)
    (_, row) = csv.reader(
        io.StringIO(table_text.comma_separated(TABLE._replace(rows=(("x", third, None, 1),))))
    )
    assert [float(value) for value in row[1:4]] == list(third)


def test_summary_shows_all_and_reddens_broken_promises():
    unsafe = make(safeguard="ray-mask", **SMALL)
    runs = make(safeguard="none", **SMALL).runs
    unsafe = dataclasses.replace(unsafe, runs=runs)
    console = Console(
        width=160, record=True, force_terminal=True, color_system="standard", file=io.StringIO()
    )
    summary.show([make(safeguard="none", **SMALL), unsafe], console)
    text = console.export_text(styles=True)
    red = [line for line in text.splitlines() if "\x1b[1;31m" in line]
    assert len(red) == 1
    assert "ray-mask" in red[0]
    assert summary.broken_promise(unsafe)
    assert not summary.broken_promise(make(safeguard="none", **SMALL))


def test_summary_fits_a_narrow_terminal():
    console = Console(width=80, file=io.StringIO())
    summary.show([make(safeguard="ray-mask-hyperbolic+regularised", final=-123456.0, **SMALL)], console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text
    assert "…" not in text


def test_summary_markdown_has_a_row_for_each_result():
    lines = summary.markdown(cells()).splitlines()
    assert len(lines) == 2 + len(cells())
    assert {line.count("|") for line in lines} == {len(summary.HEADER) + 2}
    order = [line.split(" | ")[1] for line in lines[2:5]]
    assert order == ["none", "boundary-projection", "ray-mask"]


def test_changed_and_diverged_results_are_marked():
    cell = make(settings=result.Settings(False, ("learner.gamma",)), non_finite_seeds=(1,), **SMALL)
    assert summary.texts(summary.row(cell))[0] == "ray-mask (changed) (1 diverged)"


def test_every_preset_looks_different():
    names = [
        *(
            "none",
            "boundary-projection",
            "boundary-projection+regularised",
            "ray-mask",
            "ray-mask+regularised",
        ),
        *("ray-mask+passthrough", "ray-mask+orthogonal", "ray-mask-hyperbolic"),
        *("ray-mask-hyperbolic+regularised", "replacement", "cbf-qp"),
    ]
    looks = {(plots.colour(name), str(plots.dashes(name))) for name in names}
    assert len(looks) == len(names)
    assert plots.colour("ray-mask+passthrough") == plots.colour("ray-mask")


def test_colours_are_told_apart_with_every_common_colour_vision():
    """CIE76 distance of every pair of safeguard colours, as seen and after simulated dichromacy."""
    # Vienot, Brettel and Mollon (1999): linear RGB seen by protanopes and deuteranopes.
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    colours = np.array([matplotlib.colors.to_rgb(colour) for colour in plots.COLOURS.values()])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for vision in (np.eye(3), protan, deutan):
        lab = _lab(np.clip(linear @ vision.T, 0, 1))
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert distances[np.triu_indices(len(lab), 1)].min() > 12
    red_and_green = np.array([[0.35, 0.1, 0.0], [0.1, 0.2, 0.0]])  # the control: a pair that deutans confuse
    seen = _lab(red_and_green @ deutan.T)
    assert np.linalg.norm(seen[0] - seen[1]) < 12


def _lab(linear):
    xyz = linear @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def test_normalised_scores_use_the_tasks_that_all_have():
    scores = plots.normalised_scores([cell for cell in cells() if cell.learner.name == "shac"])
    assert {name: len(tasks) for name, tasks in scores.items()} == {  # the pendulum alone has all four
        "none": 1,
        "boundary-projection": 1,
        "ray-mask": 1,
        "ray-mask+orthogonal": 1,
    }
    by_name = plots.normalised_scores(
        [make(safeguard=name, final=final, **SMALL) for name, final in (("none", -9.0), ("ray-mask", -8.0))]
    )
    assert float(stats.iqm(by_name["ray-mask"][0])) == pytest.approx(1.0)
    assert float(stats.iqm(by_name["none"][0])) == pytest.approx(0.0)


def test_a_diverged_seed_does_not_break_a_figure(tmp_path):
    cell = make(safeguard="ray-mask", **SMALL)
    curves = [
        dataclasses.replace(run.curve, return_mean=(*run.curve.return_mean[:-1], None)) for run in cell.runs
    ]
    runs = tuple(result.make_run(run.seed, curve) for run, curve in zip(cell.runs, curves, strict=True))
    diverged = dataclasses.replace(cell, runs=runs, non_finite_seeds=cell.seeds)
    both = [diverged, make(safeguard="none", **SMALL)]
    for draw in (
        plots.learning_curves,
        plots.return_and_interventions,
        plots.performance_profile,
        plots.run_time_overhead,
    ):
        figure = draw(both)
        if figure is not None:
            plots.save(figure, tmp_path / draw.__name__)
    assert table_text.markdown(tables.guarded(both, reference.load())).count("diverged") == 0
    assert summary.markdown(both).count("diverged") >= 2
