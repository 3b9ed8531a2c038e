"""Cells made concrete: a task may be a file, a learner a variant of another."""

import dataclasses

import numpy as np
import pytest
from tiny_cells import tiny

from safebench.runs.cell import spelt_out
from safebench.runs.paths import path_of
from safebench.runs.prepare import prepare


def test_a_file_is_a_task_too(tmp_path, task_of):
    from importlib import resources

    source = (resources.files("safebench.tasks") / "pendulum.py").read_text()
    source = source.replace('name="pendulum"', 'name="my-pendulum"').replace("(__file__", '("pendulum"')
    (tmp_path / "my_pendulum.py").write_text(source)
    cell = dataclasses.replace(tiny(), task=str(tmp_path / "my_pendulum.py"))
    assert path_of(cell, tmp_path).parent.name == "my-pendulum"
    np.testing.assert_array_equal(prepare(cell).task.constraints.upper, task_of("pendulum").constraints.upper)


def soft(**changes):
    """The smallest cell of shac-lagrangian, with some of its settings changed."""
    cell = dataclasses.replace(tiny("none"), learner="shac-lagrangian")
    return dataclasses.replace(cell, learner_changes=(*cell.learner_changes, *changes.items()))


def test_a_variant_of_a_learner_has_its_own_settings_and_those_that_are_set():
    prepared = prepare(soft())
    assert prepared.learner_record.name == "shac-lagrangian"
    assert prepared.learner_record.config["cost_limit"] == prepared.learner_config.cost_limit == 0.001
    assert prepared.learner_config.window == 4
    assert prepare(soft(cost_limit="0.025")).learner_config.cost_limit == 0.025
    assert prepare(soft(cost_limit="none")).learner_config.cost_limit is None
    assert prepare(tiny("none")).learner_record.config["cost_limit"] is None
    again = dataclasses.replace(soft(), learner_changes=spelt_out(prepared.learner_record.config))
    assert prepare(again).learner_config == prepared.learner_config


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"cost_limit": "-1"}, r"learner.cost_limit must be a number between 0 and 1, not -1.0"),
        ({"cost_limit": "25"}, r"learner.cost_limit must be a number between 0 and 1, not 25.0"),
        ({"cost_limit": "nan"}, r"learner.cost_limit wants a number or none, not 'nan'"),
        ({"multiplier_gains": "(1, 1)"}, r"learner.multiplier_gains wants 3 numbers in brackets like .*"),
        ({"multiplier_gains": "(1, -1, 0)"}, r"learner.multiplier_gains must be a number between 0 and .*"),
        ({"multiplier_gains": "none"}, r"learner.multiplier_gains must be three numbers >= 0, .* not None"),
        ({"cost_margin": "none"}, r"learner.cost_margin must be .* with a cost_limit, not None"),
        ({"cost_limits": "1"}, r"learner has no setting 'cost_limits'. Did you mean 'cost_limit'\? .*"),
    ],
)
def test_a_bad_constraint_is_refused_in_one_line(changes, line):
    with pytest.raises(ValueError, match=rf"^{line}$"):
        prepare(soft(**changes))
