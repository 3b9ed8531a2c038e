"""Playing a policy: one rollout per safeguard from one start, counted and animated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from safebench import animate, checkpoint, offscreen, presets, registry, rollout, summary
from safebench import certificate as certificates
from safebench.env import Env
from safebench.picture import View, view_of
from safebench.rollout import Act, Rollout, Start
from safebench.run import prepare
from safebench.task import Task

Drawing = Literal["auto", "mujoco", "matplotlib"]
PICTURE = 480
"""Pixels: width of MuJoCo's pictures."""
COUNTS = (
    "   return",
    " viola-\n  tions",
    " depar-\n  tures",
    "  inter-\n ventions",
    " infeas-\n    ible",
    " last\n line",
    "  not\n finite",
    "  worst\n margin",
)


@dataclass(frozen=True)
class Options:
    """episode: number of the start, the disturbances and random actions. steps: None for the horizon.

    start: None for the reference start where the task has one, else a random one.
    """

    episode: int = 0
    start: Start | None = None
    steps: int | None = None
    fps: int = 20
    draw: Drawing = "auto"


class Player(NamedTuple):
    """What proposes actions, and where: `act_for` makes the policy for one number of steps and episode."""

    task: Task
    safeguards: tuple[str, ...]
    environments: tuple[Env, ...]
    policy: str
    learned: Act | None


def trained(folder: Path, seed: int, safeguards: Sequence[str]) -> Player:
    """The policy of one seed from a checkpoint.

    safeguards: other than the one it was trained with (none given: that one).

    Raises:
        ValueError: if the checkpoint is damaged, or the task's certificate is another one by now.
        LookupError: for a seed or name that does not exist.
    """
    description = checkpoint.load(folder)
    if seed not in description.seeds:
        known = ", ".join(map(str, description.seeds))
        raise LookupError(f"{folder} has no seed {seed}; it has {known}")
    prepared = prepare(checkpoint.cell_of(description))
    if certificates.digest(prepared.task.certificate) != description.certificate:
        raise ValueError(f"{folder}: was trained with another certificate of {description.task!r}")
    keys = jax.ShapeDtypeStruct((len(description.seeds),), jax.random.key(0).dtype)
    learner = prepared.learner
    shapes = jax.eval_shape(jax.vmap(lambda key: learner.policy(learner.initialise(key))), keys)
    policies = checkpoint.restore(folder, shapes)
    policy = jax.tree.map(lambda leaf: leaf[description.seeds.index(seed)], policies)
    names = tuple(safeguards) or (description.safeguard,)
    environments = tuple(
        prepared.env if name == description.safeguard else _guarded(prepared.task, name) for name in names
    )
    return Player(
        prepared.task,
        names,
        environments,
        f"{description.learner}, seed {seed}",
        lambda step, observation: learner.act(policy, observation),
    )


def untrained(
    task_name: str, safeguards: Sequence[str], policy: Literal["random", "zero"], physics: str
) -> Player:
    """A policy that knows nothing: random or zero actions.

    Raises:
        LookupError: for an unknown name.
    """
    task = registry.load("task", task_name).make(physics)
    environments = tuple(_guarded(task, name) for name in safeguards)
    return Player(task, tuple(safeguards), environments, policy, None)


def play(player: Player, options: Options, out: Path | None, console: Console) -> bool:
    """Roll out, print return and safety counts, write the animation (unless `out` is None).

    All rollouts have the same start and disturbances, and random actions are the same for all.
    Returns whether every certified safeguard kept its promise.

    Raises:
        ValueError: for a start or format that is not there, before anything runs.
    """
    if out is not None:
        animate.check_format(out)
    task = player.task
    steps = task.horizon if options.steps is None else options.steps
    start: Start = options.start or ("random" if task.reference_start is None else "reference")
    start_key, action_key = jax.random.split(jax.random.key(options.episode))
    actions = len(task.action_names)
    act = player.learned
    if act is None and player.policy == "random":
        act = rollout.random_actions(actions, steps, action_key)
    elif act is None:
        act = rollout.zero_actions(actions)
    rollouts = [
        rollout.roll_out(env, act, rollout.begin(env, start, start_key), steps) for env in player.environments
    ]
    console.print(f"{task.name}, {player.policy} policy, {start} start, {steps} steps:")
    console.print(_table(player.safeguards, rollouts))
    if out is not None:
        _draw(player, rollouts, options, out, console)
    broken = [
        name
        for name, found in zip(player.safeguards, rollouts, strict=True)
        if presets.resolve(name)[1].CERTIFIED and _failures(found)
    ]
    for name in broken:
        console.print(f"[red]UNSAFE[/red] {name}: a certified safeguard counted safety failures")
    return not broken


def _draw(player: Player, rollouts: list[Rollout], options: Options, out: Path, console: Console) -> None:
    task = player.task
    indices = animate.frame_indices(len(rollouts[0].rewards), task.control_period, options.fps)
    view, pictures = None, [None] * len(rollouts)
    if task.dynamics.model is not None:
        positions = np.stack([found.states[indices, : task.dynamics.model.nq] for found in rollouts])
        view = view_of(task.dynamics.model, positions.reshape(-1, positions.shape[-1]))
        if options.draw != "matplotlib":
            pictures = _mujoco(task, positions, view, options.draw == "mujoco", console)
    columns = [
        animate.Column(name, found, shown)
        for name, found, shown in zip(player.safeguards, rollouts, pictures, strict=True)
    ]
    with console.status(f"drawing {len(indices)} frames ..."):
        animate.save(task, columns, view, indices, options.fps, out)
    console.print(f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB, {len(indices)} frames)", soft_wrap=True)


def _mujoco(task: Task, positions: np.ndarray, view: View, wanted: bool, console: Console) -> list:
    count, frames, nq = positions.shape
    finite = np.where(np.isfinite(positions), positions, 0.0).reshape(-1, nq)
    height = int(np.clip(PICTURE / view.aspect, 64, 2 * PICTURE))
    with console.status(f"rendering {len(finite)} pictures with MuJoCo ..."):
        pictures = offscreen.render(task.dynamics.model, finite, view, PICTURE, height)
    if pictures is None:
        if wanted:
            raise ValueError("MuJoCo cannot render here (neither EGL nor OSMesa works): --draw matplotlib")
        console.print("MuJoCo cannot render here (neither EGL nor OSMesa works): drawn with matplotlib")
        return [None] * count
    return list(pictures.reshape(count, frames, *pictures.shape[1:]))


def _guarded(task: Task, name: str) -> Env:
    _, module, config = presets.resolve(name)
    return Env(task, module.make(config), config.regularisation)


def _failures(found: Rollout) -> int:
    counted = found.counters
    failures = counted.violations + counted.departures + counted.infeasible + counted.last_line
    return failures + counted.non_finite


def _table(safeguards: Sequence[str], rollouts: Sequence[Rollout]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, collapse_padding=True)
    table.add_column("safeguard", no_wrap=True)
    for name in COUNTS:
        table.add_column(name, justify="right", no_wrap=True)
    for name, found in zip(safeguards, rollouts, strict=True):
        counted = found.counters
        margin = "-" if counted.worst_margin is None else f"{counted.worst_margin:+.2f}"
        counts = (
            counted.violations,
            counted.departures,
            counted.interventions,
            counted.infeasible,
            counted.last_line,
            counted.non_finite,
        )
        table.add_row(name, summary.number(found.total_reward), *(f"{count:,}" for count in counts), margin)
    return table
