"""Many environments of one kind for Gymnasium, stepped by one compiled program."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, Bool, Float, Int

from safebench.adapters import programs
from safebench.adapters.programs import Programs
from safebench.adapters.spaces import action_space, observation_space, proposed, refuse_rendering
from safebench.env.environment import Env, Episode
from safebench.env.pieces import mapped
from safebench.env.safeguard import Safeguard
from safebench.env.task import Task
from safebench.physics.dynamics import Physics


class Stepped(NamedTuple):
    """What came of a step of many, in packed reports. kept: after the fresh episodes began. left: before."""

    episodes: Episode
    kept: Float[Array, "envs k"]
    left: Float[Array, "envs k"]


@functools.lru_cache(programs.KEPT)
def _batched(of: Programs) -> tuple[Callable, Callable]:
    """`begin` and `step` of many; `step` also begins the episodes that are marked, if any are."""
    begin, step = jax.vmap(of.begin), mapped(of.step)

    def advance(
        episodes: Episode,
        actions: Float[Array, "envs m"],
        fresh: Bool[Array, " envs"],
        seeds: Int[Array, " envs"],
    ) -> Stepped:
        stepped = step(episodes, actions)
        # A beginning may cost more than a step; a branch of the whole batch is taken only when it is needed.
        following, kept = jax.lax.cond(
            jnp.any(fresh), lambda: _choose(fresh, begin(seeds), stepped), lambda: stepped
        )
        return Stepped(following, kept, left=stepped[1])

    return jax.jit(begin), jax.jit(advance)


def _choose(first: Bool[Array, " envs"], these: Any, those: Any) -> Any:
    """Of every environment what is in `these` where `first` says so, else what is in `those`."""
    return jax.vmap(lambda take, a, b: jax.tree.map(lambda a, b: jnp.where(take, a, b), a, b))(
        first, these, those
    )


def _mode(asked: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(asked)
    except ValueError:
        choices = ", ".join(repr(mode.value) for mode in AutoresetMode)
        raise ValueError(f"autoreset_mode must be one of {choices}, not {asked!r}") from None


class VectorEnvironment(gymnasium.vector.VectorEnv):
    """`num_envs` environments of a task under a safeguard: one program, one call of the device a step.

    They are those of `Environment`, each with a generator of its own: environment i of a batch reset with
    seed s is the one reset with seed s + i. Entries of `info` have one more axis, and beside each `NAME`
    there is `_NAME`, which environments it is of: all.

    autoreset_mode: what happens at the horizon, as Gymnasium defines it (also in `metadata`).
        NEXT_STEP: the next step ignores its action, begins a fresh episode and gives a reward of 0.
        SAME_STEP: the same step gives the fresh episode's observation and `info`; those of the episode's end,
        its cost among them, are in `info["final_obs"]` and `info["final_info"]`.
        DISABLED: nothing; `reset(options={"reset_mask": ...})` begins those that are marked.
    """

    def __init__(
        self,
        task: str | Task,
        safeguard: str | Safeguard,
        num_envs: int = 1,
        *,
        physics: Physics = "mjx",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ):
        """As `Environment`.

        Raises:
            LookupError, ValueError: as `safebench.make`; or for no environments or another autoreset mode.
            TypeError: for a render mode.
        """
        refuse_rendering(render_mode)
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        self.autoreset_mode = _mode(autoreset_mode)
        self._programs = programs.named(task, safeguard, physics)
        self._begin, self._advance = _batched(self._programs)
        self._episodes: Any = None
        self._generators: list[np.random.Generator] = []
        self._ages = np.zeros(num_envs, int)
        self._observations: np.ndarray = np.zeros((num_envs, self.env.observation_size), np.float32)
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.single_observation_space = observation_space(self.env)
        self.single_action_space = action_space(self.env)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def env(self) -> Env:
        """The environment beneath: `env.task` is its task."""
        return self._programs.env

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Fresh episodes; of those alone that the mask `options["reset_mask"]` marks, if there is one.

        seed: s, for s, s + 1, ... of the environments, or a list of their seeds.

        Raises:
            ValueError: for another number of seeds; for a mask that is no array of `num_envs` booleans, or
                that comes before the first reset.
        """
        mask = self._mask(options)
        self._seed(seed, mask)
        episodes, report = self._begin(self._seeds(mask))
        if not mask.all():
            # What is not begun again shows its last observation, as Gymnasium's own vector environments do.
            episodes = _choose(jnp.asarray(mask), episodes, self._episodes)
        report = programs.unpack(report, self._programs.like)
        self._episodes, self._ages[mask] = episodes, 0
        self._observations = np.where(mask[:, None], report.observation, self._observations)
        return self._observations.copy(), _with_masks(programs.info(report), mask)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all.

        Raises:
            ValueError: if the actions are of another shape. gymnasium.error.ResetNeeded: before any reset, or
                beyond the horizon where nothing is reset.
        """
        if self._episodes is None:
            raise gymnasium.error.ResetNeeded("reset the environments before their first step")
        actions = proposed(actions, self.action_space.shape)
        over = self._ages >= self.env.task.horizon
        if self.autoreset_mode is AutoresetMode.DISABLED and over.any():
            raise gymnasium.error.ResetNeeded(f"reset environments {np.flatnonzero(over).tolist()} first")
        # Only the horizon ends an episode, so who begins a fresh one is known before the step.
        same = self.autoreset_mode is AutoresetMode.SAME_STEP
        fresh = self._ages + 1 >= self.env.task.horizon if same else over
        stepped = self._advance(self._episodes, actions, fresh, self._seeds(fresh))
        self._episodes, self._ages = stepped.episodes, np.where(fresh, 0, self._ages + 1)
        kept = programs.unpack(stepped.kept, self._programs.like)
        everyone = np.ones(self.num_envs, bool)
        info = _with_masks(programs.info(kept), everyone)
        result = kept
        if same:
            result = programs.unpack(stepped.left, self._programs.like)
            if fresh.any():
                info |= _finals(result, fresh)
        self._observations = kept.observation.copy()
        rewards = result.reward.astype(float)
        return kept.observation, rewards, ~everyone, result.truncated, info

    def _mask(self, options: dict[str, Any] | None) -> Bool[np.ndarray, " envs"]:
        if options is None or "reset_mask" not in options:
            return np.ones(self.num_envs, bool)
        mask = np.asarray(options["reset_mask"])
        if mask.dtype != bool or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset_mask must be {self.num_envs} booleans, one at least True, not {mask!r:.80}"
            )
        if self._episodes is None:
            raise ValueError("reset_mask: there is nothing to keep before the first reset")
        return mask.copy()

    def _seed(self, seed: int | Sequence[int | None] | None, mask: Bool[np.ndarray, " envs"]) -> None:
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + index for index in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds: expected {self.num_envs}, one an environment")
        if not self._generators:
            self._generators = [seeding.np_random(each)[0] for each in seeds]
            return
        for index in np.flatnonzero(mask):
            if seeds[index] is not None:
                self._generators[index] = seeding.np_random(seeds[index])[0]

    def _seeds(self, of: Bool[np.ndarray, " envs"]) -> Int[np.ndarray, " envs"]:
        """Seeds of the episodes that begin; 0 where none does."""
        seeds = np.zeros(self.num_envs, np.uint32)
        for index in np.flatnonzero(of):
            seeds[index] = programs.next_seed(self._generators[index])
        return seeds


def _with_masks(info: dict[str, np.ndarray], mask: Bool[np.ndarray, " envs"]) -> dict[str, Any]:
    """Beside every entry whom it is of; of the others it is 0."""
    for value in info.values():
        value[~mask] = 0
    return info | {f"_{name}": mask.copy() for name in info}


def _finals(report: Any, ended: Bool[np.ndarray, " envs"]) -> dict[str, Any]:
    observations = np.full(len(ended), None, object)
    for index in np.flatnonzero(ended):
        observations[index] = report.observation[index]
    return {
        "final_obs": observations,
        "_final_obs": ended.copy(),
        "final_info": _with_masks(programs.info(report), ended),
        "_final_info": ended.copy(),
    }
