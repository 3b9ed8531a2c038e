"""The command line: options and help. Commands import what they need when they run: help starts fast."""

import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from safebench.commands import console as consoles
from safebench.commands import ending, options
from safebench.commands.options import Names, examples
from safebench.runs import packages

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog=ending.EXIT_CODES,
)
console = consoles.make()
COMPLETION = "_SAFEBENCH_COMPLETE"
"""The environment variable with which a shell asks for completions."""


def _show_versions(asked: bool) -> None:
    if asked:
        print(*(f"{name} {version}" for name, version in packages.installed().items()), sep="\n")
        print("Python", platform.python_version())
        raise typer.Exit


@app.callback()
def everywhere(
    debug: Annotated[
        bool, Option(ending.DEBUG, help="Show the traceback of an error; may stand anywhere.")
    ] = False,
    version: Annotated[
        bool,
        Option("--version", callback=_show_versions, is_eager=True, help="Of safebench and what it runs on."),
    ] = False,
) -> None:
    """Provably safe reinforcement learning from analytic gradients: train, prove, tabulate."""


@app.command(
    epilog=examples(
        "`safebench run --suite quick`",
        "`safebench run -t pendulum -g ray-mask -l shac --seeds 10`",
        "`safebench run -t pendulum -g none -l shac --set learner.discount=0.99 --out runs/trial`",
        "`safebench run --suite paper --workers 8 --track tensorboard`",
        "`safebench run --suite paper -t energy -l ppo -l sac`",
        "`safebench run --suite full --on ray:auto`",
    )
)
def run(
    suite: Annotated[
        str | None,
        Option(help="A named list of cells, or those of -t, -g and -l among them; see `safebench list`."),
    ] = None,
    task: options.Tasks = None,
    safeguard: options.Safeguards = None,
    learner: options.Learners = None,
    seeds: options.Seeds = None,
    interactions: options.Interactions = None,
    physics: options.Physics = "mjx",
    precision: options.Precision = "float64",
    assign: options.Assignments = None,
    out: Annotated[Path | None, Option(help="Result folder [default: runs/SUITE].")] = None,
    force: options.Force = False,
    checkpoint: Annotated[
        bool, Option("--checkpoint", help="Save the final policies, for `safebench play`.")
    ] = False,
    workers: options.Workers = None,
    on: Annotated[str, Option(help="here, or ray[:ADDRESS]: as tasks of a Ray cluster.")] = "here",
    track: Annotated[Names, Option(help="tensorboard or wandb: follow training below OUT/tracking.")] = None,
) -> None:
    """Train the cells asked for, print their table, write results and learning curves."""
    _start_jax(precision, here=False)
    from safebench.commands.choice import Choice, folder_of, to_run, usable
    from safebench.commands.run import run_cells

    choice = Choice(task, safeguard, learner, seeds, interactions, physics, precision, assign or ())
    cells, folder = to_run(choice, suite), out or folder_of(suite)
    cells = cells if suite is None else usable(cells, console)
    _exit(run_cells(cells, folder, force, on, workers, track or [], console, checkpoint))


@app.command(name="list")
def list_(
    kind: Annotated[
        Literal["tasks", "safeguards", "learners", "suites"] | None, Argument(help="Only these.")
    ] = None,
) -> None:
    """Tasks with their certificates, safeguards and presets, learners, suites."""
    _start_jax()
    from safebench.commands.listing import show

    show(kind, console)


@app.command(
    epilog=examples(
        "`safebench certify`",
        "`safebench certify pendulum --certificate my_set.npz`",
        "`safebench certify quadrotor --synthesise --save quadrotor.npz`",
        "`safebench certify --attack --steps 100000`",
    )
)
def certify(
    task: Annotated[Names, Argument(help="Task names or files [default: all].")] = None,
    synthesise: Annotated[bool, Option("--synthesise", help="Find the set from scratch.")] = False,
    save: Annotated[Path | None, Option(help="With --synthesise and one task: write it here.")] = None,
    certificate: Annotated[
        Path | None, Option(help="Prove this file instead of the shipped one (one task).")
    ] = None,
    attack: Annotated[bool, Option("--attack", help="Search for a counterexample.")] = False,
    steps: Annotated[
        int,
        Option(min=1, max=10_000_000_000, help="With --attack: guarded steps per task and safeguard."),
    ] = 200_000,
    physics: Annotated[options.BackEnd, Option(help="With --attack: back end.")] = "mjx",
    out: Annotated[Path | None, Option(help="With --attack: write the record here (JSON).")] = None,
) -> None:
    """Prove safe sets again, from the set, the law and the dynamics alone; exit 1 if a proof fails."""
    _start_jax()
    from safebench.commands.certify import certify

    _exit(certify(task, synthesise, save, certificate, attack, steps, physics, out, console))


@app.command(
    epilog=examples(
        "`safebench new task my-task`",
        "`safebench new safeguard my-guard --folder plugins`",
        "`safebench new package my-bench`",
    )
)
def new(
    kind: Annotated[Literal["task", "safeguard", "learner", "package"], Argument(help="What to write.")],
    name: Annotated[str, Argument(help="Its name: a-z, 0-9 and hyphens, like my-task.")],
    folder: Annotated[Path, Option(help="Where to write; made where it is missing.")] = Path("."),
) -> None:
    """Write a task, safeguard, learner or installable package that works as it is, to be changed."""
    _start_jax()
    from safebench.commands.new import new

    new(kind, name, folder, console)


@app.command(epilog=examples("`safebench report results/quick`"))
def report(
    folder: options.Results,
    out: Annotated[Path | None, Option(help="Where to write [default: FOLDER/report].")] = None,
    paper: Annotated[Path | None, Option(help="Reference figures instead of the shipped ones.")] = None,
) -> None:
    """Write the paper's tables with ours beside them, and all figures."""
    from safebench.commands.report import write_report

    write_report(folder, out, paper, console)


@app.command(epilog=examples("`safebench leaderboard results`"))
def leaderboard(
    folder: options.Results,
    out: Annotated[Path | None, Option(help="Where to write [default: FOLDER].")] = None,
) -> None:
    """Write leaderboard.json, leaderboard.md and one self-contained page."""
    from safebench.commands.report import write_leaderboard

    write_leaderboard(folder, out, console)


@app.command(
    epilog=examples(
        "`safebench bench physics -t pendulum`",
        "`safebench bench safeguards learner`",
        "`safebench bench filter -t quadrotor -g ray-mask`",
        "`safebench bench growth --out growth.json --figure growth.png`",
        "`safebench bench scaling --out scaling.json --figure scaling.png`",
        "`safebench bench --against docs/records/bench-safeguards.json` (what got slower)",
    )
)
def bench(
    what: Annotated[
        Names, Argument(help="physics, safeguards, learner, filter, growth, scaling [default: all].")
    ] = None,
    task: Annotated[
        Names, Option("--task", "-t", help="Tasks, or chain (seven joints, for physics) [default: all].")
    ] = None,
    safeguard: Annotated[
        Names, Option("--safeguard", "-g", help="Of `safeguards` and `filter` [default: all].")
    ] = None,
    physics: Annotated[options.BackEnd | None, Option(help="Of `learner` [default: mjx].")] = None,
    out: Annotated[Path | None, Option(help="Also write the figures here (JSON).")] = None,
    figure: Annotated[
        Path | None, Option(help="Also draw here what `growth` or `scaling` found (PNG).")
    ] = None,
    against: Annotated[
        Path | None,
        Option(
            help="A record that --out wrote: print what got slower than in it by more than 20 %. What is not "
            "named is what it holds."
        ),
    ] = None,
) -> None:
    """Measure speed: of physics, safeguards and learner as ratios, of the filter per call; how cost grows."""
    _start_jax()
    from safebench.commands.bench import bench

    bench(what, task, safeguard, physics, out, console, figure, against)


@app.command(
    epilog=examples(
        "`safebench verify results/quick/pendulum/*.json`",
        "`safebench verify --rerun 0 results/quick/pendulum/ray-mask--shac.json`",
        "`safebench verify -t ./my_task.py runs/custom/my-task/ray-mask--shac.json`",
    )
)
def verify(
    files: Annotated[list[Path], Argument(help="Result files.")],
    rerun: Annotated[int | None, Option(min=0, help="Train all seeds again and compare this one.")] = None,
    task: Annotated[str | None, Option("--task", "-t", help="The file their task was given by.")] = None,
    safeguard: Annotated[
        str | None, Option("--safeguard", "-g", help="The file their safeguard was given by.")
    ] = None,
    learner: Annotated[
        str | None, Option("--learner", "-l", help="The file their learner was given by.")
    ] = None,
) -> None:
    """Check submitted results: schema, consistency, certificate, standard settings; exit 1 if one fails."""
    _start_jax()
    from safebench.commands.verify import verify

    given = {"task": task, "safeguard": safeguard, "learner": learner}
    _exit(verify(files, rerun, given, console))


@app.command(
    epilog=examples(
        "`safebench sweep -t pendulum -g ray-mask -l shac --over learner.discount=0.9,0.95,0.99 "
        "--over learner.window=16,32 --seeds 3 -n 50000`",
        "`safebench sweep -t pendulum -g none -l shac --over 'learner.policy_hidden=(64,64),(128,128)'`",
        "`safebench sweep -t pendulum -l apg --draw 24` (fair tuning, on seeds that no result uses)",
    )
)
def sweep(
    over: Annotated[
        list[str] | None,
        Option(help="learner.FIELD=VALUE,VALUE,... or safeguard.FIELD=...; tuples in brackets."),
    ] = None,
    draw: Annotated[
        int | None,
        Option(
            min=1,
            max=1000,
            help="Instead of --over: so many settings drawn from the learner's SEARCH, trained on tuning "
            "seeds with none and boundary-projection [or -g], and the best recorded. The ruleset's: 24.",
        ),
    ] = None,
    task: options.Tasks = None,
    safeguard: options.Safeguards = None,
    learner: options.Learners = None,
    seeds: options.Seeds = None,
    interactions: options.Interactions = None,
    physics: options.Physics = "mjx",
    precision: options.Precision = "float64",
    assign: options.Assignments = None,
    out: Annotated[Path, Option(help="Result folder: a subfolder per combination.")] = Path("runs/sweep"),
    force: options.Force = False,
    workers: options.Workers = None,
) -> None:
    """Train every combination of some settings and rank them; the results are marked as changed."""
    _start_jax(precision, here=False)
    from safebench.commands.choice import Choice
    from safebench.commands.sweep import run_sweep
    from safebench.commands.tune import run_tuning

    choice = Choice(task, safeguard, learner, seeds, interactions, physics, precision, assign or ())
    if draw is None:
        _exit(run_sweep(over or (), choice, out, force, workers, console))
    else:
        _exit(run_tuning(draw, over or (), choice, out, force, workers, console))


@app.command(
    epilog=examples(
        "`safebench play runs/custom/pendulum/ray-mask--shac.json --out rollout.gif` "
        "(after `safebench run ... --checkpoint`)",
        "`safebench play -t cartpole -g none -g ray-mask`",
        "`safebench play runs/custom/seeker/none--shac.json runs/custom/seeker/ray-mask--shac.json --out "
        "ways.png` (trained policies in the same scene)",
    )
)
def play(
    source: Annotated[
        list[Path] | None,
        Argument(help="A checkpoint, or a result file with one beside it; several play side by side."),
    ] = None,
    task: Annotated[str | None, Option("--task", "-t", help="To play without training.")] = None,
    safeguard: Annotated[
        Names, Option("--safeguard", "-g", help="Side by side [default: the one trained with].")
    ] = None,
    policy: Annotated[Literal["random", "zero"], Option(help="With -t.")] = "random",
    physics: Annotated[options.BackEnd, Option(help="With -t.")] = "mjx",
    seed: Annotated[int, Option(help="Which seed's policy.")] = 0,
    episode: Annotated[
        int, Option(min=0, max=2**32 - 1, help="Number of the start, disturbances and random actions.")
    ] = 0,
    start: Annotated[
        Literal["reference", "random", "boundary"] | None,
        Option(help="[default: the paper's start where the task has one, else random]"),
    ] = None,
    steps: Annotated[int | None, Option(min=1, max=100_000, help="[default: the task's horizon]")] = None,
    fps: Annotated[int, Option(min=1, max=50, help="Frames per second.")] = 20,
    draw: Annotated[
        Literal["auto", "mujoco", "matplotlib"],
        Option(
            help="Who draws the mechanism; auto: MuJoCo where EGL or OSMesa works, but matplotlib where the "
            "task has obstacles, goals or free boxes to show."
        ),
    ] = "auto",
    out: Annotated[
        Path,
        Option(help="A .gif, or an .mp4 where there is ffmpeg; or a still of the whole: .png, .svg or .pdf."),
    ] = Path("rollout.gif"),
    animation: Annotated[bool, Option(help="Write --out, or only print the counts.")] = True,
) -> None:
    """Play one episode: print its return and safety counts, write an animation or a still."""
    _start_jax()
    from safebench.commands.play import Options, play
    from safebench.commands.player import choose

    player = choose(source or (), task, safeguard or (), policy, physics, seed)
    chosen = Options(episode, start, steps, fps, draw)
    _exit(play(player, chosen, out if animation else None, console))


@app.command(
    epilog=examples(
        "`safebench draw -t quadrotor`",
        "`safebench draw -t pendulum -g ray-mask -g ray-mask-hyperbolic --state 3 --out masks.svg`",
    )
)
def draw(
    task: Annotated[str, Option("--task", "-t", help="One with one or two actions.")],
    safeguard: Annotated[
        Names, Option("--safeguard", "-g", help="Side by side [default: six that differ].")
    ] = None,
    state: Annotated[
        int | None,
        Option(min=0, help="Number of a start [default: one where about a third of all actions is safe]."),
    ] = None,
    out: Annotated[Path, Option(help="A .png, .svg or .pdf.")] = Path("safeguards.png"),
) -> None:
    """Draw what safeguards do to every action at one state."""
    _start_jax()
    from safebench.commands.draw import draw_task

    draw_task(task, safeguard, state, out, console)


def main() -> None:
    """Entry point; ends the process with an exit code.

    0: done. 1: a proof or a cell failed, or a promise of safety was broken. 2: bad usage, files or places.
    3: a fault of safebench or of a plug-in. 130: Ctrl-C. 141: nobody reads the output any more.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # the cache's loader warns about CPU features
    os.environ["MPLBACKEND"] = "agg"  # a notebook's is of no use to us, and unknown to our matplotlib
    if COMPLETION in os.environ:
        app()
    sys.exit(ending.run(_call, sys.argv[1:]))


def _call(arguments: list[str]) -> None:
    command = typer.main.get_command(app)
    with command.make_context("safebench", arguments) as context:
        command.invoke(context)


def _start_jax(precision: options.Precision = "float64", here: bool = True) -> None:
    """Settle jax in this process; here: it is this one that computes, on a device that must be there."""
    from safebench.runs.precision import check_xla_flags, require_device, start

    check_xla_flags()
    start(precision)
    if here:
        require_device()


def _exit(passed: bool) -> None:
    if not passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
