"""What a standard result must look like according to the installed code, and reproducing one."""

from collections.abc import Iterator

from safebench.record import result
from safebench.record.result import PROVEN_ZERO, Result, Run
from safebench.record.strict_json import plain
from safebench.record.submission import Standard
from safebench.runs import suites
from safebench.runs.cell import Cell
from safebench.runs.prepare import prepare
from safebench.runs.train import run
from safebench.sets import certificate as certificates

TOLERANCE = 1e-6
"""Relative, on every evaluation of a re-run. On the same kind of processor the same program, with all seeds,
gives the same bits; elsewhere its rounding differs, and training soon amplifies the last bits."""


def cell_of(found: Result) -> Cell:
    """The standard cell a result claims to be.

    Raises:
        LookupError: if its suite, or that cell in it, is unknown.
    """
    if found.suite == suites.CUSTOM:
        return suites.product([found.task.name], [found.safeguard.name], [found.learner.name])[0]
    for cell in suites.cells(found.suite):
        if cell.title == found.title:
            return cell
    raise LookupError(f"suite {found.suite!r} has no cell {found.title!r}")


def standard_of(found: Result) -> Standard:
    """The standard of the cell a result claims to be, for `submission.check`.

    Raises:
        LookupError: for an unknown task, safeguard, learner or suite.
    """
    cell = cell_of(found)
    prepared = prepare(cell)
    task = prepared.task
    return Standard(
        task=result.TaskRecord(task.name, task.version, task.horizon, task.control_period),
        safeguard=result.SafeguardRecord(
            cell.safeguard, prepared.safeguard_name, prepared.certified, plain(prepared.safeguard_config)
        ),
        learner=result.LearnerRecord(cell.learner, plain(prepared.learner_config)),
        seeds=cell.seeds,
        budget=cell.interactions,
        episodes=cell.evaluation_starts,
        precision=cell.precision,
        physics=task.dynamics.physics,
        points=cell.evaluations,
        certificates=certificates.known_digests(task.certificate),
    )


def rerun(found: Result, seed: int) -> Iterator[str]:
    """Train a standard result again; a line for everything in which one of its seeds differs.

    All seeds are trained, as one program, since fewer would be rounded differently.

    Raises:
        LookupError: if the result has no such seed. ValueError: if it is not standard, or was trained under a
            certificate that the task's supersedes: the set is the same, the margin for rounding is not, and
            training amplifies the last bits.
    """
    if seed not in found.seeds:
        raise LookupError(f"{found.title} has no seed {seed}; it has {', '.join(map(str, found.seeds))}")
    if not found.settings.standard:
        raise ValueError(f"{found.title}: only a result with standard settings can be run again")
    installed = certificates.digest(prepare(cell_of(found)).task.certificate)
    if found.certificate is not None and found.certificate.sha256 != installed:
        raise ValueError(
            f"{found.title} was trained under the certificate {found.certificate.sha256[:12]}, the installed "
            f"one is {installed[:12]}: with another margin for rounding a run does not give the same returns"
        )
    old, new = (result.runs[result.seeds.index(seed)] for result in (found, run(cell_of(found))))
    yield from differences(old, new)


def differences(old: Run, new: Run) -> Iterator[str]:
    """A line for every return that differs by more than TOLERANCE, and for every promise only one kept."""
    for at, before, after in zip(
        old.curve.interactions, old.curve.return_mean, new.curve.return_mean, strict=True
    ):
        if before is None or after is None:
            same = before is after
        else:
            same = abs(before - after) <= TOLERANCE * max(1.0, abs(before))
        if not same:
            yield f"seed {old.seed}: return after {at} interactions was {before}, is {after} when run again"
    for name in PROVEN_ZERO:
        before, after = getattr(old.training, name), getattr(new.training, name)
        if (before == 0) != (after == 0):
            yield f"seed {old.seed}: training {name} were {before}, are {after} when run again"
