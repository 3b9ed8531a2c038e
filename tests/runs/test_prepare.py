"""Cells made concrete: a task may be a file."""

import dataclasses

import numpy as np
from tiny_cells import tiny

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
