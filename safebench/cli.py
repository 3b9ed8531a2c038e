"""The command line. Commands import what they need when they run, so that help and tables start fast."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

app = typer.Typer(
    help="Provably safe reinforcement learning from analytic gradients: train, prove, tabulate.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
console = Console()

Tasks = Annotated[list[str] | None, typer.Option("--task", "-t", help="Task name or file.")]
Safeguards = Annotated[
    list[str] | None, typer.Option("--safeguard", "-g", help="Safeguard or preset name, or file.")
]
Learners = Annotated[list[str] | None, typer.Option("--learner", "-l", help="Learner name or file.")]
Seeds = Annotated[int | None, typer.Option(help="Seeds 0 to N-1, trained together.")]
Interactions = Annotated[
    int | None, typer.Option("--interactions", "-n", help="Training steps of each seed.")
]
Physics = Annotated[Literal["mjx", "compiled"], typer.Option(help="Physics back end.")]
Precision = Annotated[Literal["float64", "float32"], typer.Option(help="Of physics and safety.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="learner.FIELD=VALUE or safeguard.FIELD=VALUE.")
]
Force = Annotated[bool, typer.Option(help="Redo finished cells.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Cells at a time, each in a process of its own [default: 1, in this one]."),
]


@app.command(
    epilog="Examples:\n\n"
    "- `safebench run --suite quick`\n\n"
    "- `safebench run -t pendulum -g ray-mask -l shac --seeds 10`\n\n"
    "- `safebench run -t pendulum -g none -l shac --set learner.discount=0.99 --out runs/trial`\n\n"
    "- `safebench run --suite paper --workers 8 --track tensorboard`\n\n"
    "- `safebench run --suite paper -t energy -l ppo -l sac`\n\n"
    "- `safebench run --suite full --on ray:auto`"
)
def run(
    suite: Annotated[
        str | None,
        typer.Option(
            help="A named list of cells, or those of -t, -g and -l among them; see `safebench list`."
        ),
    ] = None,
    task: Tasks = None,
    safeguard: Safeguards = None,
    learner: Learners = None,
    seeds: Seeds = None,
    interactions: Interactions = None,
    physics: Physics = "mjx",
    precision: Precision = "float64",
    assign: Assignments = None,
    out: Annotated[Path | None, typer.Option(help="Result folder [default: runs/SUITE].")] = None,
    force: Force = False,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Save the final policies, for `safebench play`.")
    ] = False,
    workers: Workers = None,
    on: Annotated[str, typer.Option(help="here, or ray[:ADDRESS]: as tasks of a Ray cluster.")] = "here",
    track: Annotated[
        list[str] | None, typer.Option(help="tensorboard or wandb: follow training below OUT/tracking.")
    ] = None,
) -> None:
    """Train the cells asked for, print their table, write results and learning curves."""
    _start_jax(precision)
    from safebench import settings as options
    from safebench import suites
    from safebench.run_command import run_cells

    changes = options.parse(assign or [])
    if suite is None and not (task or safeguard or learner):
        raise ValueError("say what to run: --suite NAME, or -t TASK -g SAFEGUARD -l LEARNER")
    if suite is None:
        cells = suites.product(task, safeguard, learner)
    else:
        cells = suites.part(suite, task, safeguard, learner)
    cells = [suites.changed(cell, seeds, interactions, physics, precision, changes) for cell in cells]
    folder = out or Path("runs") / (suite or "custom")
    if not run_cells(cells, folder, force, on, workers, track or [], console, checkpoint):
        raise typer.Exit(1)


@app.command(name="list")
def list_(
    kind: Annotated[
        Literal["tasks", "safeguards", "learners", "suites"] | None, typer.Argument(help="Only these.")
    ] = None,
) -> None:
    """Tasks with their certificates, safeguards and presets, learners, suites."""
    _start_jax()
    from safebench.listing import show

    show(kind, console)


@app.command(
    epilog="Examples:\n\n"
    "- `safebench certify`\n\n"
    "- `safebench certify pendulum --certificate my_set.npz`\n\n"
    "- `safebench certify quadrotor --synthesise --save quadrotor.npz`\n\n"
    "- `safebench certify --attack --steps 100000`"
)
def certify(
    task: Annotated[list[str] | None, typer.Argument(help="Task names or files [default: all].")] = None,
    synthesise: Annotated[bool, typer.Option("--synthesise", help="Find the set from scratch.")] = False,
    save: Annotated[Path | None, typer.Option(help="With --synthesise and one task: write it here.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Prove this file instead of the shipped one (one task).")
    ] = None,
    attack: Annotated[bool, typer.Option("--attack", help="Search for a counterexample.")] = False,
    steps: Annotated[
        int, typer.Option(min=1, help="With --attack: guarded steps per task and safeguard.")
    ] = 200_000,
    physics: Annotated[Literal["mjx", "compiled"], typer.Option(help="With --attack: back end.")] = "mjx",
    out: Annotated[Path | None, typer.Option(help="With --attack: write the record here (JSON).")] = None,
) -> None:
    """Prove safe sets again, from the set, the law and the dynamics alone; exit 1 if a proof fails."""
    _start_jax()
    from safebench import certify, registry

    names = task or registry.names("task")
    if (save or certificate) and len(names) != 1:
        raise ValueError("--save and --certificate are about one task: name it")
    if save and not synthesise:
        raise ValueError("--save goes with --synthesise")
    for name in names:
        registry.load("task", name)
    if attack:
        from safebench.attack import attack_all

        passed = attack_all(names, steps, physics, out, console)
    elif certificate is not None:
        passed = certify.run(names, lambda name: certify.file(name, certificate), console)
    elif synthesise:
        passed = certify.run(names, lambda name: certify.from_scratch(name, save, console), console)
    else:
        passed = certify.run(names, certify.shipped, console)
    if not passed:
        raise typer.Exit(1)


@app.command(epilog="Example:\n\n- `safebench report results/quick`")
def report(
    folder: Annotated[Path, typer.Argument(help="Where the result files are, at any depth.")],
    out: Annotated[Path | None, typer.Option(help="Where to write [default: FOLDER/report].")] = None,
    paper: Annotated[Path | None, typer.Option(help="Reference figures instead of the shipped ones.")] = None,
) -> None:
    """Write the paper's tables with ours beside them, and all figures."""
    from safebench import report

    done = report.write(folder, out, paper)
    _show_written(done.written, done.left_out)


@app.command(epilog="Example:\n\n- `safebench leaderboard results`")
def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Where the result files are, at any depth.")],
    out: Annotated[Path | None, typer.Option(help="Where to write [default: FOLDER].")] = None,
) -> None:
    """Write leaderboard.json, leaderboard.md and one self-contained page."""
    from safebench import leaderboard

    done = leaderboard.write(folder, out)
    _show_written(done.paths, done.left_out)


@app.command(
    epilog="Examples:\n\n- `safebench bench physics -t pendulum`\n\n- `safebench bench safeguards learner`"
)
def bench(
    what: Annotated[
        list[str] | None, typer.Argument(help="physics, safeguards, learner [default: all].")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help="Tasks, or chain (seven joints, for physics) [default: all]."),
    ] = None,
    safeguard: Annotated[
        list[str] | None, typer.Option("--safeguard", "-g", help="Of `safeguards` [default: all].")
    ] = None,
    physics: Annotated[Literal["mjx", "compiled"], typer.Option(help="Of `learner`.")] = "mjx",
    out: Annotated[Path | None, typer.Option(help="Also write the figures here (JSON).")] = None,
) -> None:
    """Measure speed, as ratios within one run: physics, safeguards, learner."""
    _start_jax()
    from safebench import bench, registry

    names = task or [*registry.names("task"), bench.CHAIN]
    for name in names:
        if name != bench.CHAIN:
            registry.load("task", name)
    for part in what or ():
        if part not in bench.PARTS:
            raise LookupError(registry.unknown("benchmark", part, bench.PARTS))
    bench.run(what or list(bench.PARTS), names, bench.guards(safeguard), physics, out, console)


@app.command(
    epilog="Examples:\n\n"
    "- `safebench verify results/quick/pendulum/*.json`\n\n"
    "- `safebench verify --rerun 0 results/quick/pendulum/ray-mask--shac.json`"
)
def verify(
    files: Annotated[list[Path], typer.Argument(help="Result files.")],
    rerun: Annotated[
        int | None, typer.Option(min=0, help="Train all seeds again and compare this one.")
    ] = None,
) -> None:
    """Check submitted results: schema, consistency, certificate, standard settings; exit 1 if one fails."""
    _start_jax()
    from safebench import result_file, standards, submission

    passed = True
    for path in files:
        problems = submission.check(path, standards.standard_of)
        if rerun is not None and not problems:
            found = result_file.load(path)
            with console.status(f"training seed {rerun} of {found.title} again ..."):
                problems = [f"{path}: {line}" for line in standards.rerun(found, rerun)]
        for line in problems:
            console.print(f"[red]refused[/red] {line}", soft_wrap=True, highlight=False)
        if not problems:
            console.print(f"[green]accepted[/green] {path}", soft_wrap=True, highlight=False)
        passed = passed and not problems
    if not passed:
        raise typer.Exit(1)


@app.command(
    epilog="Examples:\n\n"
    "- `safebench sweep -t pendulum -g ray-mask -l shac --over learner.discount=0.9,0.95,0.99 "
    "--over learner.window=16,32 --seeds 3 -n 50000`\n\n"
    "- `safebench sweep -t pendulum -g none -l shac --over 'learner.policy_hidden=(64,64),(128,128)'`"
)
def sweep(
    over: Annotated[
        list[str],
        typer.Option(help="learner.FIELD=VALUE,VALUE,... or safeguard.FIELD=...; tuples in brackets."),
    ],
    task: Tasks = None,
    safeguard: Safeguards = None,
    learner: Learners = None,
    seeds: Seeds = None,
    interactions: Interactions = None,
    physics: Physics = "mjx",
    precision: Precision = "float64",
    assign: Assignments = None,
    out: Annotated[Path, typer.Option(help="Result folder: a subfolder per combination.")] = Path(
        "runs/sweep"
    ),
    force: Force = False,
    workers: Workers = None,
) -> None:
    """Train every combination of some settings and rank them; the results are marked as changed."""
    _start_jax(precision)
    from safebench import settings as options
    from safebench import suites, sweep
    from safebench.sweep_command import run_sweep

    grid, changes = sweep.parse(over), options.parse(assign or [])
    cells = suites.product(task, safeguard, learner)
    cells = [suites.changed(cell, seeds, interactions, physics, precision, changes) for cell in cells]
    if not run_sweep(cells, grid, out, force, workers, console):
        raise typer.Exit(1)


@app.command(
    epilog="Examples:\n\n"
    "- `safebench play runs/custom/pendulum/ray-mask--shac.json --out rollout.gif` "
    "(after `safebench run ... --checkpoint`)\n\n"
    "- `safebench play -t cartpole -g none -g ray-mask`"
)
def play(
    source: Annotated[
        Path | None, typer.Argument(help="A checkpoint, or a result file with one beside it.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", "-t", help="To play without training.")] = None,
    safeguard: Annotated[
        list[str] | None,
        typer.Option("--safeguard", "-g", help="Side by side [default: the one trained with]."),
    ] = None,
    policy: Annotated[Literal["random", "zero"], typer.Option(help="With -t.")] = "random",
    physics: Annotated[Literal["mjx", "compiled"], typer.Option(help="With -t.")] = "mjx",
    seed: Annotated[int, typer.Option(help="Which seed's policy.")] = 0,
    episode: Annotated[
        int, typer.Option(min=0, help="Number of the start, disturbances and random actions.")
    ] = 0,
    start: Annotated[
        Literal["reference", "random", "boundary"] | None,
        typer.Option(help="[default: the paper's start where the task has one, else random]"),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="[default: the task's horizon]")] = None,
    fps: Annotated[int, typer.Option(min=1, max=50, help="Frames per second.")] = 20,
    draw: Annotated[
        Literal["auto", "mujoco", "matplotlib"],
        typer.Option(help="Who draws the mechanism; auto: MuJoCo where EGL or OSMesa works."),
    ] = "auto",
    out: Annotated[Path, typer.Option(help="A .gif, or an .mp4 where there is ffmpeg.")] = Path(
        "rollout.gif"
    ),
    animation: Annotated[bool, typer.Option(help="Write one, or only print the counts.")] = True,
) -> None:
    """Play one episode: print its return and safety counts, write an animation."""
    from safebench import checkpoint

    if (source is None) == (task is None):
        raise ValueError("say what to play: either a checkpoint or result, or -t TASK -g SAFEGUARD")
    if task is not None and not safeguard:
        raise ValueError("-t TASK needs a safeguard: -g NAME, or -g none")
    folder = None if source is None else checkpoint.find(source)
    _start_jax("float64" if folder is None else checkpoint.load(folder).precision)
    from safebench.play import Options, play, trained, untrained

    if folder is not None:
        player = trained(folder, seed, safeguard or [])
    else:
        player = untrained(str(task), safeguard or [], policy, physics)
    if not play(player, Options(episode, start, steps, fps, draw), out if animation else None, console):
        raise typer.Exit(1)


def _show_written(written: Sequence[Path], left_out: Sequence[str]) -> None:
    console.print("Wrote:")
    for path in written:
        console.print(f"  {path}", soft_wrap=True)
    for line in left_out:
        console.print(f"[yellow]left out[/yellow] {line}", soft_wrap=True, highlight=False)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 a proof or a cell failed or was unsafe, 2 bad usage, 130 Ctrl-C."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # the cache's loader warns about CPU features
    try:
        app()
    except (ValueError, LookupError, OSError) as error:
        text = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
        Console(stderr=True).print(f"[red]Error:[/red] {text}", soft_wrap=True, highlight=False)
        sys.exit(2)


def _start_jax(precision: str = "float64") -> None:
    from safebench.precision import configure

    configure(precision)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
