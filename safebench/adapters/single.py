"""One environment for Gymnasium."""

from typing import Any

import gymnasium
import numpy as np

from safebench.adapters import programs
from safebench.adapters.spaces import action_space, observation_space, proposed, refuse_rendering
from safebench.env.environment import Env
from safebench.env.safeguard import Safeguard
from safebench.env.task import Task
from safebench.physics.dynamics import Physics


class Environment(gymnasium.Env):
    """A task under a safeguard, as `gymnasium.Env`.

    An episode is truncated at the task's horizon and never terminates. Physics and safety are computed in
    float64 (see `safebench.configure`); what is observed is rounded to float32.

    `info` holds, after a reset and after every step: `cost`, 1.0 if the step violated the constraints and
    else 0.0; the counters of the step (see `safebench.env.safety.Safety`); `applied`, the action after the
    safeguard; and where the task has goals `reached`, which of them the state has reached, and `success`,
    1.0 if all.

    An action outside of [-1, 1] is no error: every safeguard answers inside, and the step counts as an
    intervention. One that holds a NaN or an infinity is not applied: the centre of the safe actions is, and
    the step counts in `non_finite`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 -- as Gymnasium has it

    def __init__(
        self,
        task: str | Task,
        safeguard: str | Safeguard,
        *,
        physics: Physics = "mjx",
        render_mode: str | None = None,
    ):
        """What `safebench.make` takes. Nothing is rendered; see `safebench play`.

        Raises:
            LookupError, ValueError: as `safebench.make`. TypeError: for a render mode.
        """
        refuse_rendering(render_mode)
        self._programs = programs.named(task, safeguard, physics)
        self._episode: Any = None
        self.observation_space = observation_space(self.env)
        self.action_space = action_space(self.env)

    @property
    def env(self) -> Env:
        """The environment beneath: `env.task` is its task."""
        return self._programs.env

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A fresh episode; which one follows from the seed of this reset or of an earlier one alone."""
        super().reset(seed=seed)
        self._episode, report = self._programs.begin(programs.next_seed(self.np_random))
        report = programs.unpack(report, self._programs.like)
        return report.observation, self._info(report)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step of the control period.

        Raises:
            ValueError: if the action is of another shape. gymnasium.error.ResetNeeded: before any reset.
        """
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("reset the environment before its first step")
        action = proposed(action, self.action_space.shape)
        self._episode, report = self._programs.step(self._episode, action)
        report = programs.unpack(report, self._programs.like)
        return report.observation, float(report.reward), False, bool(report.truncated), self._info(report)

    def _info(self, report: programs.Report) -> dict[str, Any]:
        # numpy's scalars: a float64 is a float, and TorchRL asks every entry for its dtype.
        return {name: value if value.ndim else value[()] for name, value in programs.info(report).items()}
