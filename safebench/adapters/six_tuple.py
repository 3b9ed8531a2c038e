"""Safety-Gymnasium's interface: the cost of a step beside its reward, and not in `info`."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode


class SixTuple(gymnasium.Wrapper):
    """`step` gives (observation, reward, cost, terminated, truncated, info), as safety_gymnasium's does.

    It wraps any environment whose `info` has a `cost`, and comes last: Gymnasium's own wrappers expect five.
    """

    def step(self, action: Any) -> Any:
        """One step; cost is 1.0 if it violated the constraints, else 0.0."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, info["cost"], terminated, truncated, info


class VectorSixTuple(gymnasium.vector.VectorWrapper):
    """The same of a vector environment: cost is of shape (num_envs,)."""

    def step(self, actions: Any) -> Any:
        """One step. Where it also began a fresh episode, the cost is that of the episode that ended."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        return observations, rewards, self._costs(info), terminated, truncated, info

    def _costs(self, info: dict[str, Any]) -> np.ndarray:
        if self.env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP and "final_info" in info:
            return np.where(info["_final_info"], info["final_info"]["cost"], info["cost"])
        return info["cost"]
