"""Suites: every cell names what exists, and parts of a suite are cells of it."""

import pytest

from safebench import registry
from safebench.runs import presets, suites


def test_part_of_a_suite_is_those_of_its_cells_that_were_named():
    chosen = suites.part("paper", ["energy", "pendulum"], ["none"], ["ppo", "shac"])
    assert [cell.title for cell in chosen] == [
        "pendulum/none--shac",
        "pendulum/none--ppo",
        "energy/none--shac",
        "energy/none--ppo",
    ]
    assert set(chosen) < set(suites.cells("paper"))
    assert suites.part("quick", None, None, []) == suites.cells("quick")


@pytest.mark.parametrize("suite", suites.SUITES)
def test_every_suite_names_what_exists(suite):
    cells, known = suites.cells(suite), set(presets.names())
    assert len({cell.title for cell in cells}) == len(cells) > 0
    for cell in cells:
        assert cell.safeguard in known
        assert len(set(cell.seeds)) == len(cell.seeds)


def test_dimensions_has_everything_beyond_the_papers_tasks_and_navigation():
    named = {cell.task for cell in suites.cells("dimensions")}
    elsewhere = {cell.task for suite in ("paper", "navigation") for cell in suites.cells(suite)}
    others = {
        "cartpole",
        "crowd-8",
        "crowd-16",
    }  # older than the paper's extension, and more bodies of a crowd
    assert named - {"energy-heating"} == set(registry.names("task")) - elsewhere - others
    assert "energy-heating" in named
