"""The cells that the documentation trains: their settings checked, and what makes them small."""

import tiny_cells

from safebench import registry
from safebench.runs import bounds, prepare, presets, settings, task_options
from safebench.runs.cell import Cell

SHAC = dict(setting.split("=") for setting in (*tiny_cells.LEARNER, "value_batches=1"))
WIDTHS = {"policy_hidden": "(8,)", "value_hidden": "(8,)"}
PPO = {"environments": "2", "window": "4", "fits": "1", "batches": "1"} | WIDTHS
SAC = {"environments": "2", "steps": "4", "batch": "4", "buffer": "64", "starts": "8"} | WIDTHS
LEARNERS = {"shac": SHAC, "shac-lagrangian": SHAC, "ppo": PPO, "ppo-lagrangian": PPO, "sac": SAC}
"""Settings of a learner, so that it takes the least to compile and to run."""
EVALUATION = {"starts": 2, "horizon": 8, "points": 1}
INTERACTIONS = tiny_cells.INTERACTIONS


def check(cell: Cell) -> None:
    """What `safebench.runs.prepare` asks of names and settings before it builds anything.

    Raises:
        ValueError, LookupError: in its words.
    """
    bounds.check(cell)
    task, learner = registry.find("task", cell.task), registry.find("learner", cell.learner)
    settings.with_options(presets.resolved(cell.safeguard)[1], dict(cell.safeguard_changes), "safeguard")
    settings.with_options(prepare.tuned(learner, task.name), dict(cell.learner_changes), "learner")
    task_options.given(task, dict(cell.task_changes))
