"""Sweeps: the grid, its cells and their folders, and bad settings."""

import io
from pathlib import Path

import pytest
import synthetic_results
from rich.console import Console

from safebench.runs import sweep
from safebench.runs.cell import Cell

BASE = Cell("custom", "pendulum", "ray-mask", "shac", (0, 1), 1000, learner_changes=(("window", "4"),))


def test_values_are_separated_by_commas_outside_brackets():
    assert sweep.parse(["learner.discount=0.9, 0.95", "learner.policy_hidden=(64,64),[128, 128],(8,)"]) == {
        "learner.discount": ("0.9", "0.95"),
        "learner.policy_hidden": ("(64,64)", "[128, 128]", "(8,)"),
    }


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["discount=0.9"], "--over wants"),
        (["task.horizon=3"], "--over wants"),
        (["learner.discount"], "--over wants"),
        (["learner.discount=0.9,,0.95"], "--over wants"),
        (["learner.discount=0.9,0.9"], "a value twice"),
        (["learner.discount=0.9", "learner.discount=0.95"], "twice"),
        ([], "what to sweep"),
    ],
)
def test_what_is_no_grid_is_refused(over, message):
    with pytest.raises(ValueError, match=message):
        sweep.parse(over)


def test_every_combination_is_a_cell_in_a_folder_of_its_own():
    grid = sweep.parse(["learner.discount=0.9,0.95", "learner.policy_hidden=(64, 64),(8,)"])
    cells = sweep.cells(BASE, sweep.every(grid))
    assert list(cells) == [
        "learner.discount=0.9,learner.policy_hidden=64x64",
        "learner.discount=0.9,learner.policy_hidden=8",
        "learner.discount=0.95,learner.policy_hidden=64x64",
        "learner.discount=0.95,learner.policy_hidden=8",
    ]
    last = cells["learner.discount=0.95,learner.policy_hidden=8"]
    assert dict(last.learner_changes) == {"window": "4", "discount": "0.95", "policy_hidden": "(8,)"}
    assert last.safeguard_changes == ()
    assert len(set(cells.values())) == 4


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r"learner\.window is both set"):
        sweep.cells(BASE, sweep.every(sweep.parse(["learner.window=8,16"])))
    with pytest.raises(ValueError, match="share the folder"):
        sweep.cells(BASE, sweep.every(sweep.parse(["learner.policy_hidden=(8,8),[8,8]"])))


def test_bad_settings_stop_a_sweep_before_its_first_cell():
    ran, tried = [], []

    def prepare(cell):
        tried.append(cell)
        if dict(cell.learner_changes)["discount"] == "x":
            raise ValueError("learner.discount wants a float")

    grid = sweep.parse(["learner.discount=0.9,x"])
    with pytest.raises(ValueError, match="wants a float"):
        sweep.run(
            [BASE], sweep.every(grid), None, prepare, lambda cells, folder: ran.append(cells) or [], Console()
        )
    assert len(tried) == 2
    assert not ran


def test_every_base_cell_is_run_with_every_combination_in_the_order_of_the_grid():
    other = Cell("custom", "pendulum", "none", "shac", (0, 1), 1000)
    ran = []

    def execute(cells, folder):
        ran.append((folder, [(cell.safeguard, dict(cell.learner_changes)["discount"]) for cell in cells]))
        return [synthetic_results.make(safeguard=cell.safeguard) for cell in cells]

    grid = sweep.parse(["learner.discount=0.9,0.8"])
    console = Console(file=io.StringIO())
    done = sweep.run([BASE, other], sweep.every(grid), Path("out"), lambda cell: None, execute, console)
    assert ran == [
        (Path("out") / f"learner.discount={value}", [("ray-mask", value), ("none", value)])
        for value in ("0.9", "0.8")
    ]
    assert [(combination["learner.discount"], found.safeguard.name) for combination, found in done] == [
        (value, name) for value in ("0.9", "0.8") for name in ("ray-mask", "none")
    ]
    assert "2 of 2: learner.discount=0.8" in console.file.getvalue()


def test_a_grid_without_end_is_refused_before_it_is_made():
    digits = ",".join(f"0.{digit}" for digit in range(1, 10))
    fields = ("discount", "trace", "target_retention", "policy_rate")
    over = [f"learner.{field}={digits}" for field in fields]
    assert len(sweep.every(sweep.parse(over))) == 6561
    with pytest.raises(ValueError, match="asks for 59049 combinations, at most 10000"):
        sweep.parse([*over, f"learner.value_rate={digits}"])
