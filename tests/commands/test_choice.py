"""Which cells the options of a command name."""

import pytest

from safebench.commands import choice
from safebench.runs import suites


def made(**changes):
    options = {
        "tasks": ["pendulum"],
        "safeguards": None,
        "learners": ["shac"],
        "seeds": None,
        "interactions": None,
        "physics": "compiled",
        "precision": "float64",
        "assignments": (),
    }
    return choice.Choice(**(options | changes))


def test_options_choose_cells_and_change_them():
    cells = made(safeguards=["none", "ray-mask"], seeds=3, assignments=["learner.window=4"]).product()
    assert [cell.title for cell in cells] == ["pendulum/none--shac", "pendulum/ray-mask--shac"]
    for cell in cells:
        assert (cell.seeds, cell.physics) == ((0, 1, 2), "compiled")
        assert cell.learner_changes == (("window", "4"),)
        assert cell.interactions == suites.budget("pendulum")
    part = choice.to_run(made(), "quick")
    assert [cell.safeguard for cell in part] == ["none", "boundary-projection", "ray-mask"]
    assert {cell.physics for cell in part} == {"compiled"}
    assert str(choice.folder_of("quick")) == "runs/quick"
    assert str(choice.folder_of(None)) == "runs/custom"


def test_a_choice_of_nothing_is_refused():
    nothing = made(tasks=None, learners=None)
    with pytest.raises(ValueError, match="say what to run"):
        choice.to_run(nothing, None)
    with pytest.raises(ValueError, match="-t, -g, -l missing"):
        nothing.product()
    with pytest.raises(LookupError, match="Did you mean 'quick'"):
        choice.to_run(nothing, "quik")
