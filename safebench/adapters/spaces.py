"""What Gymnasium's environments are told and tell: spaces, actions, no pictures."""

from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float

from safebench.env.environment import Env


def observation_space(env: Env) -> gymnasium.spaces.Box:
    """Without bounds, in float32.

    A safe set bounds the state and not what a task shows of it; unguarded nothing is bounded. The networks
    of the libraries that read this compute in float32.
    """
    return gymnasium.spaces.Box(-np.inf, np.inf, (env.observation_size,), np.float32)


def action_space(env: Env) -> gymnasium.spaces.Box:
    """Normalised actions."""
    return gymnasium.spaces.Box(-1.0, 1.0, (env.action_size,), np.float32)


def proposed(action: Any, shape: tuple[int, ...] | None) -> Float[np.ndarray, "..."]:
    """The action that was asked for, not rounded to the space's float32.

    Raises:
        ValueError: if it is of another shape.
    """
    action = np.asarray(action, float)
    if action.shape != shape:
        raise ValueError(f"the action has shape {action.shape}: expected {shape}")
    return action


def refuse_rendering(render_mode: str | None) -> None:
    """Nothing is rendered here.

    Raises:
        TypeError: for any render mode: what Stable-Baselines3's `make_vec_env` tries again without.
    """
    if render_mode is not None:
        raise TypeError(f"render_mode {render_mode!r}: nothing is rendered; `safebench play` draws episodes")
