"""Which cells the options of a command name."""

import importlib
import io
import sys

import pytest
from rich.console import Console

from safebench.commands import choice
from safebench.commands.choice import usable
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


@pytest.mark.slow
def test_a_suite_goes_on_without_a_broken_plugin(tmp_path, monkeypatch):
    package = tmp_path / "wanderer"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rover.py").write_text("import no_such_package")
    info = tmp_path / "wanderer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wanderer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[safebench.tasks]\nrover = wanderer.rover\n")
    whole = suites.cells("full")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert any(cell.task == "rover" for cell in suites.cells("full"))
    console = Console(record=True, width=1000, file=io.StringIO())
    assert usable(suites.cells("full"), console) == whole
    (line,) = console.export_text().strip().splitlines()
    assert line.startswith("left out task rover: ")
    assert "no_such_package" in line
    (package / "rover.py").write_text("from safebench.tasks.pendulum import *")  # the control
    importlib.invalidate_caches()
    assert len(usable(suites.cells("full"), console)) > len(whole)
    for name in ("wanderer", "wanderer.rover"):
        sys.modules.pop(name, None)
