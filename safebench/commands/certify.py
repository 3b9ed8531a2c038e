"""`safebench certify`: prove every safe set again, find one from scratch, or attack it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from safebench import registry
from safebench.commands import synthesis
from safebench.commands.attack import attack_all
from safebench.env.shipped import with_certificate
from safebench.env.task import Task, magnitude
from safebench.physics import agreement, force_bound
from safebench.plugin import BrokenPlugin
from safebench.sets import certificate as certificates
from safebench.sets import proof
from safebench.sets.certificate import Certificate
from safebench.sets.proof import Proof
from safebench.sets.volume import volume

CAPTION = """n: states; volume: share of the constraint box, Monte Carlo with 95 % interval;
lambda: proven contraction; slack: the smallest of any condition, relative;
float32: share of the margin that its rounding needs"""


class Outcome(NamedTuple):
    """A task's proof, or the reason why there is none.

    moves: of a set that moves, what was proven of it. forces: how large those of commanded accelerations are.
    """

    task: str
    proof: Proof | None
    volume: tuple[float, float, float] | None
    problem: str | None
    moves: str | None = None
    forces: str | None = None

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

    A task that is broken has a row that says so; the others are still proven.

    Raises:
        LookupError: for an unknown task. ValueError: for options that do not go together.
        OSError: if `certificate` cannot be read, or `save` cannot be written; before anything is searched.
    """
    _check_options(synthesise, save, certificate, attack, out)
    usable, broken = found(tasks)
    if (save or certificate) and len(usable) + len(broken) != 1:
        raise ValueError("--save and --certificate are about one task: name it")
    if save is not None:
        synthesis.check_place(save)
    if certificate is not None:
        certificates.check_readable(certificate)
    if attack:
        passed = attack_all(usable, steps, physics, out, console)
        _complain(broken, console)
        return passed and not broken
    check: Callable[[str], Outcome] = partial(shipped, console=console)
    if certificate is not None:
        check = partial(file, path=certificate, console=console)
    elif synthesise:
        check = partial(from_scratch, save_to=save, console=console)
    return show([*map(check, usable), *broken], synthesise and save is None, console)


def _check_options(synthesise, save, certificate, attack, out) -> None:
    if save and not synthesise:
        raise ValueError("--save goes with --synthesise")
    if out and not attack:
        raise ValueError("--out goes with --attack; a certificate that was found is written by --save")
    for option, given in (("--synthesise", synthesise), ("--certificate", certificate)):
        if attack and given:
            raise ValueError(f"{option} does not go with --attack, which is about the certificates shipped")
    if synthesise and certificate:
        raise ValueError("--synthesise finds a certificate, --certificate has one: give one of the two")


def found(tasks: Sequence[str] | None) -> tuple[list[str], list[Outcome]]:
    """The tasks asked for (None: all) that can be imported, and why the others cannot.

    Raises:
        LookupError: for an unknown task.
    """
    if not tasks:
        broken = registry.broken("task")
        usable = [name for name in registry.names("task") if name not in broken]
        return usable, [Outcome(name, None, None, cause) for name, cause in broken.items()]
    usable, outcomes = [], []
    for name in dict.fromkeys(tasks):
        try:
            registry.find("task", name)
            usable.append(name)
        except BrokenPlugin as error:
            outcomes.append(Outcome(name, None, None, str(error)))
    return usable, outcomes


def shipped(name: str, console: Console) -> Outcome:
    """Prove the safe set that a task ships, from its file and the dynamics alone."""
    try:
        return _outcome(name, registry.make_task(name), console)
    except ValueError as error:
        return Outcome(name, None, None, str(error))


def file(name: str, path: Path, console: Console) -> Outcome:
    """Prove a certificate file for a task's dynamics, constraints and disturbance."""
    try:
        return _outcome(name, _with(name, certificates.load(path)), console)
    except ValueError as error:
        return Outcome(name, None, None, str(error))


def from_scratch(name: str, save_to: Path | None, console: Console) -> Outcome:
    """Find a task's safe set from scratch, save it if asked to, and prove it."""
    try:
        certificate = synthesis.search(name, console)
        if save_to is not None:
            synthesis.write(certificate, save_to, console)
        return _outcome(name, _with(name, certificate), console)
    except ValueError as error:
        return Outcome(name, None, None, str(error))


def _with(name: str, certificate: Certificate) -> Task:
    """The task with this certificate; it need not ship one."""
    with with_certificate(certificate):
        task = registry.make_task(name)
    certificates.check_fingerprint(
        certificate, task.dynamics.fingerprint, "the certificate", f"`safebench certify {name} --synthesise`"
    )
    return task if task.certificate is certificate else replace(task, certificate=certificate)


def _outcome(name: str, task: Task, console: Console) -> Outcome:
    """The proof, and whether MJX does what was proven (C MuJoCo was asked when the task was made)."""
    if not isinstance(task, Task):
        raise ValueError(f"make() of {name} gives {type(task).__name__}, expected a Task")
    with console.status(Text(f"{name}: proving ...")):
        checked = proof.prove(task)
        problems = list(checked.failures)
        if task.dynamics.model is not None:
            differs = agreement.compare(
                task.dynamics.model,
                agreement.mjx_steps(task.dynamics.model, task.dynamics.commanded),
                task.extent,
                magnitude(task),
                task.state_names,
                agreement.FEW,
                task.dynamics.commanded,
            ).differs
            problems += [f"MJX does not do what was proven: {differs}"] if differs else []
        return Outcome(
            name,
            checked,
            volume(task.certificate),
            "; ".join(problems) or None,
            corridors_of(task),
            forces_of(task, checked),
        )


def corridors_of(task: Task) -> str | None:
    """For which corridors a set that moves is proven, and how far its states lie beyond them."""
    if task.corridors is None:
        return None
    proven, safe = task.certificate, task.safe_set
    moved = np.argmax(proven.translations, axis=0)
    alike: dict[str, list[str]] = {}
    for index, limit, low, high in zip(
        moved, proven.translation_limits, safe.free_low, safe.free_high, strict=True
    ):
        middle = proven.origin[index]
        reach = f"at most {middle - low:.3g} below and {high - middle:.3g} above it"
        words = f"within [{middle - limit:.4g}, {middle + limit:.4g}], its states {reach}"
        alike.setdefault(words, []).append(task.state_names[task.constrained[index]])
    return "; ".join(f"{', '.join(names)} {words}" for words, names in alike.items())


def forces_of(task: Task, checked: Proof) -> str | None:
    """Of joints commanded by acceleration, the largest force found, the bound proven, and the limit."""
    model = task.dynamics.model
    if not checked.forces or model is None:
        return None
    found = force_bound.sampled(model, task.extent, task.dynamics.commanded)
    said = []
    for force, reached, actuator in zip(checked.forces, found, task.dynamics.commanded, strict=True):
        hinge = model.jnt_type[model.actuator_trnid[actuator, 0]] == mujoco.mjtJoint.mjJNT_HINGE
        words = f"{force.name} {reached:.4g} found"
        words += f", at most {force.largest:.4g}" if force.largest < np.inf else ", no bound"
        words += f", limit {force.limit:g}" if force.limit < np.inf else ""
        said.append(f"{words} {'N m' if hinge else 'N'}")
    others = [f"abs {task.state_names[i]} <= {reach:g}" for i, reach in task.dynamics.unconstrained.items()]
    if others:
        said.append(f"as long as {', '.join(others)}, which is not proven")
    return "; ".join(said)


def show(outcomes: Sequence[Outcome], unsaved: bool, console: Console) -> bool:
    """Print the table and every reason for a failure; whether all passed.

    unsaved: the sets were found just now, and are lost with this process: say how to keep them.
    """
    shown = table(outcomes)
    # Wider than the console rather than cut: a number that is not shown in full says something else.
    shown.width = Measurement.get(console, console.options.update(max_width=1000), shown).maximum
    console.print(shown, crop=False)
    _complain(outcomes, console)
    for outcome in outcomes:
        if outcome.passed and outcome.moves:
            line = f"{outcome.task}: the set moves; proven for every corridor: {outcome.moves}."
            console.print(Text(line), soft_wrap=True)
        if outcome.passed and outcome.forces:
            line = f"{outcome.task}: forces over the whole box and all actions: {outcome.forces}."
            console.print(Text(line), soft_wrap=True)
        if unsaved and outcome.proof is not None:
            command = synthesis.command(outcome.task)
            console.print(Text(f"Not saved. To write the set of {outcome.task}: {command}"), soft_wrap=True)
    return all(outcome.passed for outcome in outcomes)


def _complain(outcomes: Sequence[Outcome], console: Console) -> None:
    for outcome in outcomes:
        if outcome.problem:
            line = Text.assemble(("NOT PROVEN", "red"), f" {outcome.task}: {outcome.problem}")
            console.print(line, soft_wrap=True)


def _smallest_slack(checked: Proof) -> float:
    # The contraction is shown itself: what it claims is the bound found, with no slack but rounding.
    return min(slack for name, slack in checked.slacks.items() if name != "contraction")


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row per task. Volume: share of the constraint box, 95 % interval by Monte Carlo."""
    shown = Table(title="Safe sets", box=box.SIMPLE_HEAD, show_edge=False, caption=CAPTION)
    shown.padding, shown.pad_edge, shown.collapse_padding = (0, 1), False, True
    shown.add_column("task", no_wrap=True)
    shown.add_column("proof", no_wrap=True)
    for heading in ("n", "rows", "volume %", "lambda", "slack", "float32", "s"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        task, checked, passed = Text(outcome.task), outcome.proof, outcome.passed
        if checked is None or outcome.volume is None:
            shown.add_row(task, Text("none", "red"), *["-"] * 7)
            continue
        value, low, high = outcome.volume
        shown.add_row(
            task,
            Text("proven", "green") if passed else Text("FAILED", "red"),
            str(checked.dimension),
            str(checked.rows),
            f"{100 * value:.1f} ± {50 * (high - low):.1f}",
            f"{checked.contraction:.5f}",
            f"{_smallest_slack(checked):.1e}",
            f"{100 * checked.float32_share:.0f} %",
            f"{checked.seconds:.1f}",
        )
    return shown
