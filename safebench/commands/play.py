"""`safebench play`: one rollout per safeguard from one start, counted and animated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from safebench import atomic
from safebench.commands import animate, offscreen
from safebench.commands.picture import View, view_of
from safebench.commands.player import Player
from safebench.commands.scene import Column
from safebench.env import rollout
from safebench.env.rollout import Rollout, Start
from safebench.env.task import Task
from safebench.registry import name_of
from safebench.report import fit
from safebench.report.numbers import number
from safebench.runs import presets

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


def play(player: Player, options: Options, out: Path | None, console: Console) -> bool:
    """Roll out, print return and safety counts, write the animation (unless `out` is None).

    All rollouts have the same start and disturbances, and random actions are the same for all.
    Returns whether every certified safeguard kept its promise.

    Raises:
        ValueError: for a start or format that is not there, before anything runs.
    """
    if out is not None:
        animate.check_format(out)
        atomic.check_writable(out)
    task = player.task
    steps = task.horizon if options.steps is None else options.steps
    start: Start = options.start or ("random" if task.reference_start is None else "reference")
    start_key, action_key = jax.random.split(jax.random.key(options.episode))
    act = player.act_for(steps, action_key)
    rollouts = [
        rollout.roll_out(env, act, rollout.begin(env, start, start_key), steps) for env in player.environments
    ]
    console.print(Text(f"{task.name}, {player.policy} policy, {start} start, {steps} steps:"))
    fit.show(_table(player.safeguards, rollouts), console)
    if out is not None:
        _draw(player, rollouts, options, out, console)
    broken = [
        name
        for name, found in zip(player.safeguards, rollouts, strict=True)
        if presets.resolve(name)[1].CERTIFIED and found.counters.failures
    ]
    for name in broken:
        line = f" {name}: a certified safeguard counted safety failures"
        console.print(Text.assemble(("UNSAFE", "red"), line), soft_wrap=True)
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
        Column(name_of(name), found, shown)
        for name, found, shown in zip(player.safeguards, rollouts, pictures, strict=True)
    ]
    with console.status(Text(f"drawing {len(indices)} frames ...")):
        animate.save(task, columns, view, indices, options.fps, out)
    size = out.stat().st_size / 1e6
    console.print(Text(f"Wrote {out} ({size:.1f} MB, {len(indices)} frames)"), soft_wrap=True)


def _mujoco(task: Task, positions: np.ndarray, view: View, wanted: bool, console: Console) -> list:
    count, frames, nq = positions.shape
    finite = np.where(np.isfinite(positions), positions, 0.0).reshape(-1, nq)
    height = int(np.clip(PICTURE / view.aspect, 64, 2 * PICTURE))
    with console.status(Text(f"rendering {len(finite)} pictures with MuJoCo ...")):
        pictures = offscreen.render(task.dynamics.model, finite, view, PICTURE, height)
    if pictures is None:
        if wanted:
            raise ValueError("MuJoCo cannot render here (neither EGL nor OSMesa works): --draw matplotlib")
        console.print("MuJoCo cannot render here (neither EGL nor OSMesa works): drawn with matplotlib")
        return [None] * count
    return list(pictures.reshape(count, frames, *pictures.shape[1:]))


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
        table.add_row(name, number(found.total_reward), *(f"{count:,}" for count in counts), margin)
    return table
