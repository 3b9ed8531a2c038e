"""From the points of a training to its curves and its result."""

import math
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from safebench.env import safety
from safebench.env.evaluate import Evaluation
from safebench.env.safety import Safety
from safebench.learning.learner import Progress
from safebench.record import result
from safebench.record.result import Result
from safebench.runs import programs, provenance, suites
from safebench.runs.events import Evaluated
from safebench.runs.prepare import Prepared, evaluation_of
from safebench.sets import certificate as certificates


class Point(NamedTuple):
    """What one stretch of training and its evaluation gave, leading axis: seeds."""

    progress: Progress
    evaluation: Evaluation


def evaluated(points: list[Point], control_period: float) -> Evaluated:
    """The last point, all seeds together, and what safety counted since training began.

    control_period: seconds between actions.
    """
    progress, evaluation = points[-1]
    success, time_to_goal = goals(np.concatenate(evaluation.arrivals), control_period)
    return Evaluated(
        return_mean=float(evaluation.returns.mean()),
        reference_return=float(evaluation.reference_return.mean()),
        policy_loss=float(progress.policy_loss.mean()),
        value_loss=float(progress.value_loss.mean()),
        gradient_norm=float(progress.gradient_norm.mean()),
        skipped=sum(int(point.progress.skipped.sum()) for point in points),
        training=_counted([point.progress.safety for point in points]),
        evaluation=_counted([evaluation.safety]),
        violated=float(evaluation.violated.mean()),
        success=success,
        time_to_goal=time_to_goal,
    )


def goals(arrivals: Int[np.ndarray, "episodes goals"], control_period: float) -> tuple[float, float]:
    """The share of episodes x goals that were reached, and the mean time until they were, in seconds.

    arrivals: as in safebench.env.evaluate.Evaluation. The share is NaN without a goal, the time without one
    that was reached.
    """
    if not arrivals.size:
        return math.nan, math.nan
    reached = arrivals > 0
    time = control_period * float(arrivals[reached].mean()) if reached.any() else math.nan
    return float(reached.mean()), time


def _counted(parts: list[Safety]) -> result.Counters:
    return result.total(safety.columns(jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)))


def result_of(
    prepared: Prepared,
    verified: bool,
    equality: result.Equality | None,
    points: list[Point],
    updates: int,
    seconds: list[float],
    compile_seconds: float,
    evaluation_seconds: float,
) -> Result:
    """The result of a training that gave these points, so many updates apart.

    verified: whether the certificate was proven before. equality: of compiled physics with MuJoCo.
    seconds: since training began, at every point. evaluation_seconds: what part of them evaluating took.
    """
    cell, task = prepared.cell, prepared.task
    stacked: Point = jax.tree.map(lambda *leaves: np.stack(leaves), *points)  # leading axes: points, seeds
    tried = tuple(updates * (index + 1) for index in range(len(points)))
    interactions = tuple(prepared.learner.interactions * count for count in tried)
    reference = task.reference_start is not None
    runs = tuple(
        result.make_run(
            seed, _curve(stacked, index, interactions, tried, seconds, reference, task.control_period)
        )
        for index, seed in enumerate(cell.seeds)
    )
    spent = interactions[-1]
    return Result(
        schema_version=result.SCHEMA_VERSION,
        suite=cell.suite,
        task=prepared.task_record,
        safeguard=prepared.safeguard_record,
        learner=prepared.learner_record,
        settings=suites.settings_of(cell),
        interactions=spent,
        precision=cell.precision,
        physics=task.dynamics.physics,
        certificate=result.CertificateRecord(certificates.digest(task.certificate), verified),
        evaluation=evaluation_of(prepared),
        runs=runs,
        non_finite_seeds=result.non_finite_seeds(runs),
        timing=result.Timing(
            compile_seconds, seconds[-1], 1000 * seconds[-1] / (spent * len(cell.seeds)), evaluation_seconds
        ),
        provenance=provenance.collect(programs.recorded(task.dynamics)),
        budget=cell.interactions,
        equality=equality,
    )


def _curve(
    stacked: Point,
    seed: int,
    interactions: tuple[int, ...],
    updates: tuple[int, ...],
    seconds: list[float],
    reference: bool,
    control_period: float,
) -> result.Curve:
    training: Safety = jax.tree.map(lambda leaf: leaf[:, seed], stacked.progress.safety)
    cumulative = jax.tree.map(np.cumsum, training)._replace(
        worst_margin=np.maximum.accumulate(training.worst_margin)
    )
    evaluation: Safety = jax.tree.map(lambda leaf: leaf[:, seed], stacked.evaluation.safety)
    references = result.column(stacked.evaluation.reference_return[:, seed])
    arrivals = stacked.evaluation.arrivals[:, seed]
    success, times = zip(*(goals(each, control_period) for each in arrivals), strict=True)
    has_goal = arrivals.size > 0
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
        violated=result.column(stacked.evaluation.violated[:, seed].mean(axis=-1)),
        success=result.column(success) if has_goal else None,
        time_to_goal=result.column(times) if has_goal else None,
    )
