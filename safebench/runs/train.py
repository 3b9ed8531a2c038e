"""Train one cell: all its seeds in one compiled program, safety counted at every step."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from safebench.env import safety
from safebench.env.evaluate import Evaluation, evaluate
from safebench.env.safety import Safety
from safebench.env.task import Task
from safebench.learning.learner import Progress, TrainingState
from safebench.record import result
from safebench.record.result import Result
from safebench.runs import checkpoint as checkpoints
from safebench.runs import devices, provenance, suites
from safebench.runs.cell import Cell
from safebench.runs.events import Evaluated, Snapshot
from safebench.runs.prepare import Prepared, evaluation_of, prepare
from safebench.sets import certificate as certificates
from safebench.sets import proof

Report = Callable[[Snapshot], None]
"""Called once when the program is compiled, then after every evaluation."""


class Point(NamedTuple):
    """What one stretch of training and its evaluation gave, leading axis: seeds."""

    progress: Progress
    evaluation: Evaluation


def stretch(prepared: Prepared, updates: int) -> Callable[[TrainingState], tuple[TrainingState, Point]]:
    """Some updates of one seed, then one evaluation: the program that is vmapped over seeds."""
    learner, env = prepared.learner, prepared.env

    def one(state: TrainingState) -> tuple[TrainingState, Point]:
        state, progress = jax.lax.scan(lambda state, _: learner.update(state), state, length=updates)
        policy = learner.policy(state)
        evaluation = evaluate(
            env,
            lambda observation: learner.act(policy, observation),
            starts=prepared.cell.evaluation_starts,
            horizon=prepared.cell.evaluation_horizon,
        )
        summed = Progress(
            safety.total(progress.safety),
            jnp.mean(progress.policy_loss),
            jnp.mean(progress.value_loss),
            jnp.mean(progress.gradient_norm),
            jnp.sum(progress.skipped),
        )
        return state, Point(summed, evaluation)

    return one


def run(cell: Cell, report: Report | None = None, checkpoint: Path | None = None) -> Result:
    """Train and evaluate all seeds of a cell; seeds share the devices of this machine.

    checkpoint: a folder for the final policies (see safebench.runs.checkpoint).

    Raises:
        LookupError, ValueError: for a bad cell, before anything is compiled, or a certificate that
            does not prove its set.
    """
    prepared = prepare(cell)
    verified = _proven(prepared.task)
    learner = prepared.learner
    total_updates = cell.interactions // learner.interactions
    updates = max(1, total_updates // cell.evaluations)
    points_wanted = total_updates // updates
    started = time.perf_counter()
    keys = jax.vmap(jax.random.key)(np.array(cell.seeds, np.uint32))
    state = jax.jit(devices.over_seeds(learner.initialise, len(cell.seeds)))(keys)
    program = jax.jit(devices.over_seeds(stretch(prepared, updates), len(cell.seeds)), donate_argnums=0)
    compiled = program.lower(state).compile()
    compile_seconds = time.perf_counter() - started

    points: list[Point] = []
    seconds: list[float] = []
    of = points_wanted * updates * learner.interactions
    if report is not None:
        report(Snapshot(0, of, 0.0, None))
    started = time.perf_counter()
    for index in range(points_wanted):
        state, point = compiled(state)
        points.append(jax.tree.map(np.asarray, point))
        seconds.append(time.perf_counter() - started)
        if report is not None:
            done = (index + 1) * updates * learner.interactions
            report(Snapshot(done, of, seconds[-1], _evaluated(points)))
    found = _result(prepared, verified, points, updates, seconds, compile_seconds)
    if checkpoint is not None:
        policies = jax.jit(jax.vmap(learner.policy))(state)
        checkpoints.save(checkpoint, checkpoints.describe(cell, found), policies)
    return found


def _proven(task: Task) -> bool:
    found = proof.prove(task)
    if not found.passed:
        raise ValueError(f"the certificate of {task.name!r} does not prove its set: {found.failures[0]}")
    return True


def _evaluated(points: list[Point]) -> Evaluated:
    """The last point, all seeds together, and what safety counted since training began."""
    progress, evaluation = points[-1]
    return Evaluated(
        return_mean=float(evaluation.returns.mean()),
        reference_return=float(evaluation.reference_return.mean()),
        policy_loss=float(progress.policy_loss.mean()),
        value_loss=float(progress.value_loss.mean()),
        gradient_norm=float(progress.gradient_norm.mean()),
        skipped=sum(int(point.progress.skipped.sum()) for point in points),
        training=_counted([point.progress.safety for point in points]),
        evaluation=_counted([evaluation.safety]),
    )


def _counted(parts: list[Safety]) -> result.Counters:
    return result.total(safety.columns(jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)))


def _result(
    prepared: Prepared,
    verified: bool,
    points: list[Point],
    updates: int,
    seconds: list[float],
    compile_seconds: float,
) -> Result:
    cell, task = prepared.cell, prepared.task
    stacked: Point = jax.tree.map(lambda *leaves: np.stack(leaves), *points)  # leading axes: points, seeds
    tried = tuple(updates * (index + 1) for index in range(len(points)))
    interactions = tuple(prepared.learner.interactions * count for count in tried)
    reference = task.reference_start is not None
    runs = tuple(
        result.make_run(seed, _curve(stacked, index, interactions, tried, seconds, reference))
        for index, seed in enumerate(cell.seeds)
    )
    spent = interactions[-1]
    return Result(
        schema_version=result.SCHEMA_VERSION,
        suite=cell.suite,
        task=result.TaskRecord(task.name, task.version, task.horizon, task.control_period),
        safeguard=result.SafeguardRecord(
            cell.safeguard,
            prepared.safeguard_name,
            prepared.certified,
            dataclasses.asdict(prepared.safeguard_config),
        ),
        learner=result.LearnerRecord(cell.learner, dataclasses.asdict(prepared.learner_config)),
        settings=suites.settings_of(cell),
        interactions=spent,
        precision=cell.precision,
        physics=task.dynamics.physics,
        certificate=result.CertificateRecord(certificates.digest(task.certificate), verified),
        evaluation=evaluation_of(prepared),
        runs=runs,
        non_finite_seeds=result.non_finite_seeds(runs),
        timing=result.Timing(compile_seconds, seconds[-1], 1000 * seconds[-1] / (spent * len(cell.seeds))),
        provenance=provenance.collect(),
        budget=cell.interactions,
    )


def _curve(
    stacked: Point,
    seed: int,
    interactions: tuple[int, ...],
    updates: tuple[int, ...],
    seconds: list[float],
    reference: bool,
) -> result.Curve:
    training: Safety = jax.tree.map(lambda leaf: leaf[:, seed], stacked.progress.safety)
    cumulative = jax.tree.map(np.cumsum, training)._replace(
        worst_margin=np.maximum.accumulate(training.worst_margin)
    )
    evaluation: Safety = jax.tree.map(lambda leaf: leaf[:, seed], stacked.evaluation.safety)
    references = result.column(stacked.evaluation.reference_return[:, seed])
    return result.Curve(
        interactions=interactions,
        return_mean=result.column(stacked.evaluation.returns[:, seed].mean(axis=-1)),
        reference_return=references if reference else None,
        seconds=tuple(seconds),
        loss=result.column(stacked.progress.policy_loss[:, seed]),
        gradient_norm=result.column(stacked.progress.gradient_norm[:, seed]),
        training=safety.columns(cumulative),
        evaluation=safety.columns(evaluation),
        updates=updates,
        skipped=result.column(np.cumsum(stacked.progress.skipped[:, seed])),
    )
