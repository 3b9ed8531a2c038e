"""`safebench play`: one rollout per safeguard from one start, counted and drawn."""

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
from safebench.commands import animate, offscreen, plane, still
from safebench.commands.column import Column
from safebench.commands.picture import View, view_of
from safebench.commands.plane import Window
from safebench.commands.player import Player
from safebench.env import rollout
from safebench.env.rollout import Rollout, Start
from safebench.env.task import Task
from safebench.plugin import name_of
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
GOALS = ("  goals\nreached", "    after\n seconds")
"""Further columns for a task that has goals."""


@dataclass(frozen=True)
class Options:
    """episode: number of the start, the disturbances and random actions. steps: None for the horizon.

    start: None for the reference start where the task has one, else a random one.
    draw: "auto" is the plane of a task that has a picture, else MuJoCo where it can render.
    """

    episode: int = 0
    start: Start | None = None
    steps: int | None = None
    fps: int = 20
    draw: Drawing = "auto"


def play(player: Player, options: Options, out: Path | None, console: Console) -> bool:
    """Roll out, print return and safety counts, write the animation or the still (unless `out` is None).

    All rollouts have the same start, scene and disturbances, and random actions are the same for all.
    Returns whether every certified safeguard kept its promise.

    Raises:
        ValueError: for a start or format that is not there, before anything runs.
    """
    if out is not None:
        check_format(out)
        atomic.check_writable(out)
    task = player.task
    steps = task.horizon if options.steps is None else options.steps
    start: Start = options.start or ("random" if task.reference_start is None else "reference")
    start_key, action_key = jax.random.split(jax.random.key(options.episode))
    rollouts = [
        rollout.roll_out(env, act, rollout.begin(env, start, start_key), steps)
        for env, act in zip(player.environments, player.acts_for(steps, action_key), strict=True)
    ]
    policies = list(dict.fromkeys(player.policies))
    console.print(Text(f"{task.name}, {' and '.join(policies)} policy, {start} start, {steps} steps:"))
    titles = [column.title for column in _columns(player, rollouts)]
    fit.show(_table(titles, rollouts), console)
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


def check_format(path: Path) -> None:
    """Whether a still or an animation can be written to `path`.

    Raises:
        ValueError: for another suffix, and for .mp4 where there is no ffmpeg.
    """
    if path.suffix in still.FORMATS:
        return
    if path.suffix not in animate.FORMATS:
        raise ValueError(
            f"{path}: an animation is a {' or an '.join(animate.FORMATS)}, a still a "
            f"{', '.join(still.FORMATS[:-1])} or {still.FORMATS[-1]}"
        )
    animate.check_format(path)


def _columns(player: Player, rollouts: Sequence[Rollout]) -> list[Column]:
    """Named by their safeguards, and by their policies as well if those differ."""
    told_apart = player.policies if len(set(player.policies)) > 1 else [""] * len(rollouts)
    return [
        Column(name_of(name), found, None, policy)
        for name, found, policy in zip(player.safeguards, rollouts, told_apart, strict=True)
    ]


def _draw(player: Player, rollouts: list[Rollout], options: Options, out: Path, console: Console) -> None:
    task, columns = player.task, _columns(player, rollouts)
    steps, moving = len(rollouts[0].rewards), out.suffix in animate.FORMATS
    indices = animate.frame_indices(steps, task.control_period, options.fps) if moving else [steps]
    seen: View | Window | None = None
    if plane.has_bodies(rollouts[0]) and options.draw != "mujoco":
        seen = plane.window(task, rollouts)
    elif task.dynamics.model is not None:
        positions = np.stack([found.states[indices, : task.dynamics.model.nq] for found in rollouts])
        goals = np.concatenate([plane.goals_over_mechanism(found) for found in rollouts])
        seen = view_of(task.dynamics.model, positions.reshape(-1, positions.shape[-1]), goals)
        if options.draw != "matplotlib":
            pictures = _mujoco(task, positions, seen, options.draw == "mujoco", console)
            columns = [
                column._replace(pictures=shown) for column, shown in zip(columns, pictures, strict=True)
            ]
    drawn = f"{len(indices)} frames" if moving else "a still"
    with console.status(Text(f"drawing {drawn} ...")):
        if moving:
            animate.save(task, columns, seen, indices, options.fps, out)
        else:
            still.save(task, columns, seen, out)
    size = out.stat().st_size / 1e6
    console.print(Text(f"Wrote {out} ({size:.1f} MB, {drawn})"), soft_wrap=True)


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


def _table(titles: Sequence[str], rollouts: Sequence[Rollout]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, collapse_padding=True)
    table.add_column("safeguard", no_wrap=True)
    goals = len(rollouts[0].arrivals)
    for name in (*COUNTS, *(GOALS if goals else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for title, found in zip(titles, rollouts, strict=True):
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
        arrivals = found.arrivals[np.isfinite(found.arrivals)]
        mean = f"{arrivals.mean():.1f}" if len(arrivals) else "-"
        reached = (f"{len(arrivals)}/{goals}", mean) if goals else ()
        table.add_row(
            title, number(found.total_reward), *(f"{count:,}" for count in counts), margin, *reached
        )
    return table
