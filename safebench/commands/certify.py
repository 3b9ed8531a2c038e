"""`safebench certify`: prove every safe set again, find one from scratch, or attack it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from safebench import registry
from safebench.commands.attack import attack_all
from safebench.env.task import Task
from safebench.physics import agreement
from safebench.sets import certificate as certificates
from safebench.sets import proof, search
from safebench.sets.proof import Proof
from safebench.sets.volume import volume

CAPTION = """n: states; volume: share of the constraint box, Monte Carlo with 95 % interval;
lambda: proven contraction; slack: the smallest of any condition, relative;
float32: share of the margin that its rounding needs"""


class Outcome(NamedTuple):
    """A task's proof, or the reason why there is none."""

    task: str
    proof: Proof | None
    volume: tuple[float, float, float] | None
    problem: str | None

    @property
    def passed(self) -> bool:
        """Whether the set is proven, and MuJoCo does what it was proven for."""
        return self.proof is not None and self.proof.passed and self.problem is None


def certify(
    tasks: Sequence[str] | None,
    synthesise: bool,
    save: Path | None,
    certificate: Path | None,
    attack: bool,
    steps: int,
    physics: str,
    out: Path | None,
    console: Console,
) -> bool:
    """Prove, find or attack the safe sets of some tasks (None: of all); whether all went as it must.

    synthesise: find each set from scratch; the set of a single task is written to `save`.
    certificate: prove this file instead of the one a single task ships.
    attack: search for counterexamples, `steps` guarded steps per task and safeguard, under `physics`;
        the record goes to `out`.

    Raises:
        LookupError: for an unknown task. ValueError: for options that do not go together.
    """
    names = list(tasks or registry.names("task"))
    if (save or certificate) and len(names) != 1:
        raise ValueError("--save and --certificate are about one task: name it")
    if save and not synthesise:
        raise ValueError("--save goes with --synthesise")
    for name in names:
        registry.load("task", name)
    if attack:
        return attack_all(names, steps, physics, out, console)
    if certificate is not None:
        return prove_all(names, lambda name: file(name, certificate), console)
    if synthesise:
        return prove_all(names, lambda name: from_scratch(name, save, console), console)
    return prove_all(names, shipped, console)


def shipped(name: str) -> Outcome:
    """Prove the safe set that a task ships, from its file and the dynamics alone."""
    try:
        task = registry.make_task(name)
    except ValueError as error:
        return Outcome(name, None, None, str(error))
    return _outcome(task)


def file(name: str, path: Path) -> Outcome:
    """Prove a certificate file for a task's dynamics, constraints and disturbance."""
    task = registry.make_task(name)
    try:
        certificate = certificates.load(path, task.dynamics.fingerprint)
        return _outcome(replace(task, certificate=certificate))
    except ValueError as error:
        return Outcome(name, None, None, str(error))


def from_scratch(name: str, save_to: Path | None, console: Console) -> Outcome:
    """Find a task's safe set from scratch, prove it, and save it if asked to."""
    module = registry.load("task", name)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"{name}: searching", total=None)

        def report(doing: str, done: int, of: int) -> None:
            progress.update(bar, description=f"{name}: {doing}", completed=done, total=of)

        try:
            certificate = module.synthesise(report)
        except search.SynthesisError as error:
            return Outcome(name, None, None, str(error))
    if save_to is not None:
        certificates.save(certificate, save_to)
        console.print(f"Wrote {save_to}", soft_wrap=True)
    return _outcome(replace(module.make(), certificate=certificate))


def _outcome(task: Task) -> Outcome:
    """The proof, and whether MJX does what was proven (C MuJoCo was asked when the task was made)."""
    found = proof.prove(task)
    problems = list(found.failures)
    if task.dynamics.model is not None:
        differs = agreement.disagreement(
            task.dynamics.model,
            agreement.mjx_steps(task.dynamics.model),
            task.constraints,
            task.certificate.magnitude,
            task.state_names,
            agreement.FEW,
        )
        problems += [f"MJX does not do what was proven: {differs}"] if differs else []
    return Outcome(task.name, found, volume(task.certificate), "; ".join(problems) or None)


def prove_all(names: Sequence[str], check: Callable[[str], Outcome], console: Console) -> bool:
    """Check each task, print the table and every reason for a failure; whether all passed."""
    with console.status("proving ..."):
        outcomes = [check(name) for name in names]
    console.print(table(outcomes))
    for outcome in outcomes:
        if outcome.problem:
            console.print(f"[red]NOT PROVEN[/red] {outcome.task}: {outcome.problem}", soft_wrap=True)
    return all(outcome.passed for outcome in outcomes)


def _smallest_slack(found: Proof) -> float:
    # The contraction is shown itself: what it claims is the bound found, with no slack but rounding.
    return min(slack for name, slack in found.slacks.items() if name != "contraction")


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row per task. Volume: share of the constraint box, 95 % interval by Monte Carlo."""
    shown = Table(title="Safe sets", box=box.SIMPLE_HEAD, pad_edge=False, caption=CAPTION)
    shown.add_column("task", no_wrap=True)
    shown.add_column("proof", no_wrap=True)
    for heading in ("n", "rows", "volume %", "lambda", "slack", "float32", "s"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        task, found, passed = outcome.task, outcome.proof, outcome.passed
        if found is None or outcome.volume is None:
            shown.add_row(task, "[red]none[/red]", *["-"] * 7)
            continue
        value, low, high = outcome.volume
        shown.add_row(
            task,
            "[green]proven[/green]" if passed else "[red]FAILED[/red]",
            str(found.dimension),
            str(found.rows),
            f"{100 * value:.1f} ± {50 * (high - low):.1f}",
            f"{found.contraction:.5f}",
            f"{_smallest_slack(found):.1e}",
            f"{100 * found.float32_share:.0f} %",
            f"{found.seconds:.1f}",
        )
    return shown
