"""A cell of the benchmark: a task, a safeguard, a learner, and all else that decides the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safebench.plugin import name_of
from safebench.record.result import EVALUATION_POINTS, EVALUATION_STARTS


@dataclass(frozen=True)
class Cell:
    """Everything that decides a result, beside the versions of the code.

    interactions: training steps of each seed. changes: `--set` assignments by owner.
    evaluations: how many, evenly spread over training. evaluation_starts: episodes of each, beside the one
    from the paper's start. evaluation_horizon: steps of each episode; None for the task's horizon.
    """

    suite: str
    task: str
    safeguard: str
    learner: str
    seeds: tuple[int, ...]
    interactions: int
    physics: str = "mjx"
    precision: str = "float64"
    learner_changes: tuple[tuple[str, str], ...] = ()
    safeguard_changes: tuple[tuple[str, str], ...] = ()
    task_changes: tuple[tuple[str, str], ...] = ()
    evaluations: int = EVALUATION_POINTS
    evaluation_starts: int = EVALUATION_STARTS
    evaluation_horizon: int | None = None

    @property
    def title(self) -> str:
        """task/safeguard--learner; of one given by a file the stem."""
        task, safeguard, learner = map(name_of, (self.task, self.safeguard, self.learner))
        return f"{task}/{safeguard}--{learner}"


def spelt_out(config: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """A recorded config as changes of a cell, every setting spelt out: later defaults change nothing."""
    return tuple((name, value if isinstance(value, str) else repr(value)) for name, value in config.items())
