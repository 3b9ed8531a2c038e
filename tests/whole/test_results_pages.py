"""The tables beside the committed results are made from them, and what the pages say of them is so."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import results_pages
from results_pages import ROOT, committed

from safebench.record.result import Result
from safebench.report import stats, summary
from safebench.report.comparisons import contest
from safebench.report.cost import difference
from safebench.report.discrimination import discrimination, disjoint
from safebench.report.paper import load
from safebench.report.paper_level import paper_level
from safebench.report.physics import physics
from safebench.report.tables import count_stuck, returns_at
from safebench.report.tuning import tunings
from safebench.runs import suites

BOTH = ("boundary-projection", "ray-mask")
"""The safeguards that all learners were run with."""
PROJECTIONS = ("boundary-projection", "cbf-qp")


def cells(suite: str) -> dict[tuple[str, str, str], Result]:
    """By task, safeguard and learner."""
    found = committed(ROOT / "results" / suite)
    return {(cell.task.name, cell.safeguard.name, cell.learner.name): cell for cell in found}


@pytest.fixture(scope="module")
def paper() -> dict[tuple[str, str, str], Result]:
    return cells("paper")


def ended(cell: Result) -> stats.Estimate:
    return stats.iqm_interval(returns_at(cell, -1))


@pytest.mark.parametrize("page", results_pages.pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_tables_are_those_of_the_committed_files(page):
    assert results_pages.BLOCK.search(page.read_text())
    assert results_pages.filled(page) == page.read_text(), "run tests/helpers/results_pages.py"


def test_a_table_that_is_out_of_date_and_one_that_there_is_not_are_seen(tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text("<!-- stuck: begin -->\n| old |\n<!-- stuck: end -->\n")
    monkeypatch.setattr(results_pages, "committed", lambda folder: cells("quick").values())
    filled = results_pages.filled(page)
    assert "| old |" not in filled
    assert "| pendulum | shac | ray-mask | 5 | 0 |" in filled
    page.write_text("<!-- luck: begin -->\n<!-- luck: end -->\n")
    with pytest.raises(LookupError, match="no table 'luck'; choose from"):
        results_pages.filled(page)


def test_the_leaderboard_is_that_of_the_committed_files(tmp_path):
    for made in results_pages.ranked(tmp_path):
        committed_one = ROOT / "results" / made.name
        assert committed_one.read_text() == made.read_text(), "run tests/helpers/results_pages.py"


@pytest.mark.parametrize("suite", ["analytic", "paper", "navigation"])
def test_all_cells_have_ten_seeds_and_keep_their_promise(suite):
    for (_, safeguard, _), cell in cells(suite).items():
        assert len(cell.runs) == 10
        # Before version 6 compiled physics was a change: files do not say how it compared with MJX.
        older = cell.schema_version < 6
        assert cell.settings.standard or suite == "navigation"
        assert cell.settings.changed in ((), ("physics",))
        assert cell.settings.standard or older
        assert not (cell.settings.standard and older and cell.physics == "compiled")
        assert cell.certified == (safeguard != "none")
        assert not cell.broken_promise


def test_the_readmes_table_has_at_most_twenty_lines():
    (_, table) = results_pages.README.read_text().split("<!-- results/paper: begin -->\n")
    assert len(table.split("<!-- results/paper: end -->")[0].splitlines()) <= 20
    assert f"all {len(cells('paper'))} cells" in results_pages.README.read_text()


def test_shac_keeps_its_lead_where_the_page_says_so(paper):
    overlapping = {
        (task, safeguard, learner)
        for (task, safeguard, learner), cell in paper.items()
        if learner != "shac" and not ended(cell).high < ended(paper[task, safeguard, "shac"]).low
    }
    assert not overlapping
    levels = {tuple(row[:3]): row[6] for row in contest(committed(ROOT / "results" / "paper"), load()).rows}
    for (task, safeguard, learner), steps in levels.items():
        if learner != "shac" and steps is not None:
            assert levels[task, safeguard, "shac"] < steps
    assert {name for name, steps in levels.items() if name[2] == "ppo" and steps is not None} == {
        ("pendulum", safeguard, "ppo") for safeguard in BOTH
    }
    assert {safeguard for _, safeguard, learner in paper if learner != "shac"} == {"none", *BOTH}


def test_safeguards_cost_what_the_page_says(paper):
    def gains(task: str, learner: str) -> dict[str, stats.Estimate]:
        return {
            guard: difference(cell, paper[task, "none", learner])
            for (of, guard, by), cell in paper.items()
            if (of, by) == (task, learner) and guard != "none"
        }

    for task in ("pendulum", "quadrotor"):
        assert all(gain.low <= 0 <= gain.high for gain in gains(task, "shac").values())
        ends = [ended(paper[task, guard, "shac"]) for guard in gains(task, "shac")]
        assert not any(disjoint(*pair) for pair in product(ends, ends))
        for guard in gains(task, "shac"):
            share = paper[task, guard, "shac"].intervened
            assert share > 0.99 if "hyperbolic" in guard else 0.00075 < share < 0.0295
    for task, learner in (("pendulum", "ppo"), ("quadrotor", "sac")):
        assert all(gain.low > 0 for gain in gains(task, learner).values())
    energy = gains("energy", "shac")
    assert all(gain.high < 0 for gain in energy.values())
    order = sorted(energy, key=lambda guard: energy[guard].value)
    assert order[:2] == ["ray-mask+passthrough", "ray-mask-hyperbolic"]
    assert order[-1] == "boundary-projection+regularised"


def test_tasks_tell_safeguards_apart_as_the_page_of_results_says():
    found = [cell for suite in ("paper", "navigation") for cell in committed(ROOT / "results" / suite)]
    rows = {row[0]: row for row in discrimination(found).rows if row[1] == "shac"}
    assert {task for task, row in rows.items() if row[-1] == "yes"} == {
        *("energy", "seeker", "quadrotor-obstacles", "seeker-blind", "crowd")
    }
    assert {task for task, row in rows.items() if row[3] == 0} == {"pendulum", "quadrotor"}


def test_presets_change_what_the_page_says(paper):
    for guard in (*BOTH, "ray-mask-hyperbolic"):
        plain, regularised = (paper["energy", f"{guard}{option}", "shac"] for option in ("", "+regularised"))
        assert ended(regularised).low > ended(plain).high
        if guard in BOTH:  # the hyperbolic map changes every action
            assert regularised.intervened < plain.intervened
    assert (
        ended(paper["energy", "ray-mask-hyperbolic", "shac"]).high
        < ended(paper["energy", "ray-mask", "shac"]).low
    )
    for task in ("pendulum", "quadrotor", "energy"):
        central, orthogonal = (paper[task, f"ray-mask{centre}", "shac"] for centre in ("", "+orthogonal"))
        assert (ended(orthogonal).low > ended(central).high) == (task == "energy")
        if task != "energy":  # its cells were run at different times, beside other work
            seconds = [cell.timing.seconds_per_1000_interactions for cell in (central, orthogonal)]
            assert seconds == sorted(seconds)
    orthogonal, central = (
        stats.iqm([run.final.interactions_to_95 for run in paper["energy", guard, "shac"].runs])
        for guard in ("ray-mask+orthogonal", "ray-mask")
    )
    assert orthogonal < central / 4
    for (task, guard, learner), cell in paper.items():
        if learner == "shac":
            expected = 7 if (task, guard) == ("energy", "ray-mask+passthrough") else 0
            first = float(np.median(stats.scores(returns_at(cell, 0))))
            assert count_stuck(returns_at(cell, -1), first) == expected


def test_mjx_itself_ends_at_the_returns_of_compiled_physics():
    mjx = committed(ROOT / "results" / "analytic")
    assert {cell.physics for cell in mjx} == {"mjx"}
    rows = physics([*committed(ROOT / "results" / "paper"), *mjx]).rows
    assert len(rows) == len(mjx) == 12
    for cell in mjx:
        first = float(np.median(stats.scores(returns_at(cell, 0))))
        assert count_stuck(returns_at(cell, -1), first) == 0
    assert {row[-1] for row in rows} == {"yes"}


def test_the_papers_return_is_reached_as_the_page_says():
    rows = paper_level(committed(ROOT / "results" / "paper"), load()).rows
    assert len(rows) == 30
    for task, learner, safeguard, _, share, steps, theirs, _ in rows:
        assert share == (90 if (task, learner, safeguard) == ("pendulum", "sac", "none") else 100)
        if task == "quadrotor" or learner == "ppo":
            assert steps < theirs
        elif learner == "shac":
            sooner = any(name in safeguard for name in ("hyperbolic", "orthogonal", "passthrough"))
            assert (steps < theirs) == sooner
            assert steps < (2.2 if safeguard == "none" else 1.5) * theirs
        else:
            assert steps < 4.4 * theirs if safeguard == "none" else steps == 4992


def test_a_safeguard_makes_a_learner_easier_to_tune():
    rows = {row[:3]: row for row in tunings(results_pages.tunings()).rows}
    learners = {(task, learner) for task, learner, _ in rows}
    assert learners == {("pendulum", learner) for learner in ("apg", "ppo", "shac")}
    for names in learners:
        alone, guarded = (rows[(*names, safeguard)] for safeguard in ("none", "boundary-projection"))
        assert guarded[-2] > alone[-2]
        assert guarded[-1] > alone[-1]


GOALS = {"seeker": 0.95, "quadrotor-obstacles": 0.95, "crowd": 0.9, "seeker-blind": 0.0}
"""The least share of episodes at the goal under a certified safeguard; seeker-blind is an open challenge."""


def test_goals_are_reached_under_every_safeguard_and_unguarded_at_the_cost_of_violations():
    for (task, safeguard, _), cell in cells("navigation").items():
        if safeguard == "none":
            assert summary.row(cell).violated.value >= 0.99
        else:
            assert summary.row(cell).success.value >= GOALS[task]


@pytest.fixture(scope="module")
def navigation() -> dict[tuple[str, str, str], Result]:
    return cells("navigation")


def by_safeguard(found: dict[tuple[str, str, str], Result], task: str, learner: str) -> dict[str, Result]:
    return {guard: cell for (of, guard, by), cell in found.items() if (of, by) == (task, learner)}


def test_every_cell_of_the_suite_has_been_run(navigation):
    expected = {(cell.task, cell.safeguard, cell.learner) for cell in suites.navigation()}
    assert navigation.keys() == expected


def test_without_the_way_in_sight_projections_block_what_other_safeguards_let_learn(navigation):
    rows = {
        guard: summary.row(cell) for guard, cell in by_safeguard(navigation, "seeker-blind", "shac").items()
    }
    for blocked in PROJECTIONS:
        for other in ("ray-mask", "ray-mask-hyperbolic", "replacement"):
            assert rows[blocked].success.high < rows[other].success.low
    ends = {guard: ended(cell) for guard, cell in by_safeguard(navigation, "seeker-blind", "ppo").items()}
    guarded = sorted(ends.keys() - {"none"}, key=lambda guard: ends[guard].value)
    assert set(guarded[:2]) == set(PROJECTIONS)
    assert guarded[-1] == "replacement"
    assert all(ends[blocked].high < ends["replacement"].low for blocked in PROJECTIONS)


def test_shac_is_ahead_of_ppo_everywhere_but_under_replacement_on_the_seeker(navigation):
    def ahead(task: str, guard: str, value: Callable[[Result], stats.Estimate]) -> bool:
        shac, ppo = (value(navigation[task, guard, learner]) for learner in ("shac", "ppo"))
        return shac.low > ppo.high

    for guard in by_safeguard(navigation, "seeker", "shac"):
        assert ahead("quadrotor-obstacles", guard, ended)
        assert ahead("crowd", guard, ended)
        assert ahead("seeker", guard, ended) == (guard != "replacement")
        assert ahead("seeker-blind", guard, lambda cell: summary.row(cell).success)
    learnt, sampled = (ended(navigation["seeker", "replacement", learner]) for learner in ("shac", "ppo"))
    assert learnt.high < sampled.low


@pytest.mark.parametrize("learner", ["shac", "ppo"])
@pytest.mark.parametrize("task", ["seeker", "quadrotor-obstacles", "crowd"])
def test_the_projection_returns_most_and_replacement_least(navigation, task, learner):
    ends = {guard: ended(cell) for guard, cell in by_safeguard(navigation, task, learner).items()}
    guarded = sorted(ends.keys() - {"none"}, key=lambda guard: ends[guard].value)
    assert (guarded[0], guarded[-1]) == ("replacement", "boundary-projection")
    assert disjoint(ends["replacement"], ends["boundary-projection"])
