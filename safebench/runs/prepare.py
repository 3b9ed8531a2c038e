"""A cell made concrete: its task, safeguard and learner, built and checked before anything is compiled."""

from typing import Any, NamedTuple

from safebench import registry
from safebench.env.environment import Env
from safebench.env.task import Task
from safebench.learning.learner import Learner
from safebench.record.result import Evaluation
from safebench.runs import presets, settings
from safebench.runs.cell import Cell


class Prepared(NamedTuple):
    """The parts of a cell."""

    cell: Cell
    task: Task
    env: Env
    learner: Learner
    safeguard_name: str
    certified: bool
    safeguard_config: Any
    learner_config: Any


def prepare(cell: Cell) -> Prepared:
    """Build a cell's task, safeguard and learner.

    Raises:
        LookupError: for an unknown name. ValueError: for a bad setting.
    """
    if cell.interactions < 1:
        raise ValueError(f"interactions must be at least 1, not {cell.interactions}")
    if not cell.seeds:
        raise ValueError("at least one seed is needed")
    name, safeguard_module, safeguard_config = presets.resolve(cell.safeguard)
    safeguard_config = settings.with_options(safeguard_config, dict(cell.safeguard_changes), "safeguard")
    learner_module = registry.load("learner", cell.learner)
    learner_config = learner_module.SETTINGS.get(cell.task, learner_module.Config())
    learner_config = settings.with_options(learner_config, dict(cell.learner_changes), "learner")
    task = registry.make_task(cell.task, cell.physics)
    _check_evaluation(cell, task.horizon)
    env = Env(task, safeguard_module.make(safeguard_config), safeguard_config.regularisation)
    learner = learner_module.make(env, learner_config, cell.interactions)
    return Prepared(
        cell, task, env, learner, name, safeguard_module.CERTIFIED, safeguard_config, learner_config
    )


def _check_evaluation(cell: Cell, longest: int) -> None:
    for name in ("evaluations", "evaluation_starts"):
        if getattr(cell, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(cell, name)}")
    horizon = cell.evaluation_horizon
    if horizon is not None and not 1 <= horizon <= longest:
        raise ValueError(f"evaluation_horizon must be between 1 and the task's {longest}, not {horizon}")


def evaluation_of(prepared: Prepared) -> Evaluation:
    """How the cell is evaluated, as its result records it."""
    horizon = prepared.cell.evaluation_horizon
    steps = prepared.task.horizon if horizon is None else horizon
    return Evaluation(prepared.cell.evaluation_starts, steps, prepared.cell.evaluations)
