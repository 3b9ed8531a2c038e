"""One environment for MuJoCo Playground and its trainers."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from flax import struct
from jaxtyping import Array, Float, PRNGKeyArray

from safebench import registry
from safebench.adapters import programs
from safebench.env.environment import Env, Episode
from safebench.physics.quiet import quiet

with quiet():  # MJX and Warp say what they find
    import mujoco
    from brax.envs.base import State as BraxState
    from ml_collections import ConfigDict
    from mujoco import mjx
    from mujoco_playground import MjxEnv, State, dm_control_suite


@struct.dataclass
class Data:
    """The whole state of one environment, with the names that Playground's pictures ask for.

    The episode is here and not in `info`, since Playground's automatic reset puts back this and the
    observation alone.
    """

    episode: Episode

    @property
    def qpos(self) -> Float[Array, "*batch joints"]:
        """Positions of the model's joints."""
        return self.episode.x[..., : self.episode.x.shape[-1] // 2]

    @property
    def qvel(self) -> Float[Array, "*batch joints"]:
        """Their velocities."""
        return self.episode.x[..., self.episode.x.shape[-1] // 2 :]

    @property
    def mocap_pos(self) -> Float[np.ndarray, "0 3"]:
        """There are no mocap bodies."""
        return np.zeros((0, 3))

    @property
    def mocap_quat(self) -> Float[np.ndarray, "0 4"]:
        """There are no mocap bodies."""
        return np.zeros((0, 4))

    @property
    def xfrc_applied(self) -> Float[np.ndarray, "1 6"]:
        """No forces are drawn."""
        return np.zeros((1, 6))


class PlaygroundEnvironment(MjxEnv):
    """A task under a safeguard, as `MjxEnv`: `info["cost"]` and the safety counters in `metrics`, as brax's.

    An episode never terminates; its length is `config.episode_length`, which trainers hand to their wrappers.
    The certificate is of one model at one control period: neither can be changed here, nor randomised.
    """

    def __init__(
        self,
        task: str,
        safeguard: str,
        config: ConfigDict,
        config_overrides: dict[str, Any] | None = None,
    ):
        """config: as `default_config`.

        Raises:
            LookupError, ValueError: as `safebench.make`; or for another control period or another engine.
        """
        super().__init__(config, config_overrides)
        self._task_name = task
        self._env: Env = programs.named(task, safeguard, self._config.physics).env
        period = self._env.task.control_period
        if (self._config.ctrl_dt, self._config.sim_dt) != (period, period):
            found = (self._config.ctrl_dt, self._config.sim_dt)
            raise ValueError(f"ctrl_dt and sim_dt are {found}: the certificate of {task!r} is for {period} s")
        if self._config.impl != "jax":
            raise ValueError(f"impl is {self._config.impl!r}: safebench differentiates, with 'jax' alone")

    def reset(self, rng: PRNGKeyArray) -> State:
        """A fresh episode."""
        return _state(self._env.reset(rng))

    def step(self, state: State, action: Float[Array, " m"]) -> State:
        """One guarded step."""
        before = BraxState(state.data.episode, state.obs, state.reward, state.done, state.metrics, state.info)
        return _state(self._env.step(before, action))

    @property
    def action_size(self) -> int:
        """Number of actions, normalised to [-1, 1]."""
        return self._env.action_size

    @property
    def mj_model(self) -> mujoco.MjModel:
        """The task's model.

        Raises:
            ValueError: if it has none.
        """
        model = self._env.task.dynamics.model
        if model is None:
            raise ValueError(f"the task {self._task_name!r} has no MJCF: its dynamics are linear")
        return model

    @property
    def mjx_model(self) -> mjx.Model:
        """The task's model for MJX."""
        return mjx.put_model(self.mj_model, impl="jax")

    @property
    def xml_path(self) -> str:
        """The MJCF beside the task's file, which its model is made from.

        Raises:
            ValueError: if there is none.
        """
        file = Path(str(registry.load("task", self._task_name).__file__))
        path = file.parent / "assets" / f"{file.stem}.xml"
        if not path.is_file():
            raise ValueError(f"the task {self._task_name!r} has no MJCF beside its file")
        return str(path)

    @property
    def _mjx_model(self) -> mjx.Model:
        return self.mjx_model

    @_mjx_model.setter
    def _mjx_model(self, model: mjx.Model) -> None:
        # Playground's domain randomisation sets it; a certificate speaks of one model.
        raise ValueError(f"domain randomisation would leave the model that {self._task_name!r} is proven for")


def _state(state: BraxState) -> State:
    return State(
        Data(state.pipeline_state), state.obs, state.reward, state.done, state.metrics, dict(state.info)
    )


def default_config(task: str, safeguard: str) -> ConfigDict:
    """physics: "mjx" or "compiled". episode_length: the task's horizon. ctrl_dt and sim_dt: its period."""
    made = programs.named(task, safeguard, "mjx").env.task
    config = ConfigDict()
    config.physics = "mjx"
    config.impl = "jax"
    config.episode_length = made.horizon
    config.action_repeat = 1
    config.ctrl_dt = config.sim_dt = made.control_period
    return config


def register_in_playground(name: str, task: str, safeguard: str) -> None:
    """Under `name`, in the suite of Playground that takes others' environments."""
    dm_control_suite.register_environment(
        name,
        functools.partial(PlaygroundEnvironment, task, safeguard),
        functools.partial(default_config, task, safeguard),
    )
