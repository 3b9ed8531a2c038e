"""Suites: every cell names what exists, and parts of a suite are cells of it."""

import pytest

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
    cells = suites.cells(suite)
    assert len({cell.title for cell in cells}) == len(cells) > 0
    for cell in cells:
        assert cell.safeguard in presets.names()
        assert len(set(cell.seeds)) == len(cell.seeds)
