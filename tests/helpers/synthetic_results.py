"""Results that never ran, for the tests of everything that reads results."""

import dataclasses

import numpy as np

from safebench.record import result
from safebench.record.result import CounterColumns, Curve, Result

DIGEST = "ab" * 32
SMALL = {"points": 4, "seeds": 4}
"""Arguments of `make` for a cell that is fast to summarise."""


def columns(
    steps, violations=None, departures=None, interventions=None, margin=-0.25, switches=None
) -> CounterColumns:
    """Counter columns; counts not given are zero."""
    steps = np.asarray(steps)
    zero = np.zeros(len(steps), int)
    violations = zero if violations is None else np.asarray(violations)
    interventions = zero if interventions is None else np.asarray(interventions)
    return CounterColumns(
        steps=result.column(steps),
        violations=result.column(violations),
        departures=result.column(violations if departures is None else departures),
        infeasible=result.column(zero),
        last_line=result.column(zero),
        interventions=result.column(interventions),
        non_finite=result.column(zero),
        correction=result.column(0.3 * interventions),
        worst_margin=result.column(
            np.where(steps == 0, -np.inf, np.where(np.asarray(violations) > 0, 0.5, margin))
        ),
        switches=result.column(zero if switches is None else np.asarray(switches)),
    )


def curve(
    seed: int,
    final=-8.4,
    start=-300.0,
    points=9,
    interactions=100_000,
    guarded=True,
    seconds=30.0,
    success=None,
) -> Curve:
    """A learning curve that decays exponentially from `start` to `final`, with noise of this seed.

    success: the share of goals reached at the end (none at the start), in a corridor that changes in two of
        five steps; None: the task has no goal and its safe set is fixed.
    """
    rng = np.random.default_rng(seed)
    steps = np.linspace(0, interactions, points).astype(int)
    share = np.exp(-6 * steps / interactions) * (1 + 0.3 * rng.standard_normal(points))
    returns = final + (start - final) * np.abs(share) - 0.1 * rng.random(points)
    training_violations = None if guarded else (0.02 * steps).astype(int)
    evaluation_steps = np.full(points, 65 * 240)  # 64 starts and the paper's
    evaluation_violations = None if guarded else np.linspace(900, 10, points).astype(int)
    hit = np.zeros(points) if guarded else np.maximum(evaluation_violations // 20, 1)  # episodes
    moving = 0.0 if success is None else 0.4
    reached = np.rint(64 * (success or 0.0) * steps / interactions) / 64
    times = np.where(reached > 0, 8 - 2 * reached, np.nan)
    return Curve(
        interactions=result.column(steps),
        return_mean=result.column(returns),
        reference_return=result.column(returns + 0.5),
        seconds=result.column(seconds * steps / interactions),
        loss=None,
        gradient_norm=None,
        training=columns(
            steps,
            training_violations,
            interventions=(0.3 * steps).astype(int) * guarded,
            switches=(moving * steps).astype(int),
        ),
        evaluation=columns(
            evaluation_steps,
            evaluation_violations,
            interventions=(0.1 * evaluation_steps).astype(int) * guarded,
            switches=(moving * evaluation_steps).astype(int),
        ),
        updates=result.column(steps),
        skipped=result.column(np.zeros(points, int)),
        violated=result.column(hit / 64),
        success=None if success is None else result.column(reached),
        time_to_goal=None if success is None else result.column(times),
    )


def make(
    task="pendulum",
    safeguard="ray-mask",
    learner="shac",
    seeds=5,
    final=-8.4,
    suite="quick",
    interactions=100_000,
    points=9,
    seconds=30.0,
    success=None,
    **changes,
) -> Result:
    """One cell. `changes` replace fields of the Result; success: see `curve`."""
    guarded = safeguard != "none"
    runs = tuple(
        result.make_run(
            seed,
            curve(
                seed,
                final,
                points=points,
                interactions=interactions,
                guarded=guarded,
                seconds=seconds,
                success=success,
            ),
        )
        for seed in range(seeds)
    )
    cell = Result(
        schema_version=result.SCHEMA_VERSION,
        suite=suite,
        task=result.TaskRecord(task, 1, 240, 0.05),
        safeguard=result.SafeguardRecord(safeguard, safeguard.split("+")[0], guarded, {"gradient": "exact"}),
        learner=result.LearnerRecord(learner, {"gamma": 0.95, "hidden": [128, 128]}),
        settings=result.Settings(True, ()),
        interactions=interactions,
        precision="float64",
        physics="mjx",
        certificate=result.CertificateRecord(DIGEST, True),
        evaluation=result.Evaluation(64, 240, 20),
        runs=runs,
        non_finite_seeds=(),
        timing=result.Timing(12.5, seconds, 1000 * seconds / (interactions * seeds), 0.1 * seconds),
        provenance=result.Provenance(
            packages={"jax": "0.9.2", "mujoco": "3.17.0"},
            python="3.11.2",
            platform="Linux x86_64",
            device="cpu (2 cores)",
            commit="0" * 40,
            dirty=False,
            utc="2026-01-02T03:04:05Z",
            command="safebench run --suite quick",
            environment={},
        ),
        budget=interactions,
    )
    return dataclasses.replace(cell, **changes)


def grid() -> list[Result]:
    """Small cells: two tasks, two learners, three safeguards, and two centres of the ray mask."""
    made = [
        make(task=task, safeguard=safeguard, learner=learner, final=factor * final, **SMALL)
        for task, final in (("pendulum", -8.4), ("quadrotor", -150.0))
        for learner in ("ppo", "shac")
        for safeguard, factor in (("none", 1.1), ("boundary-projection", 1.05), ("ray-mask", 1.0))
    ]
    orthogonal = make(safeguard="ray-mask+orthogonal", seconds=45.0, **SMALL)
    config = {**orthogonal.safeguard.config, "centre": "orthogonal"}
    return [
        *made,
        dataclasses.replace(orthogonal, safeguard=dataclasses.replace(orthogonal.safeguard, config=config)),
    ]


def of_version_2(cell: Result) -> Result:
    """The cell as a file of schema version 2 has it."""
    runs = []
    for run in cell.runs:
        old = {
            group: dataclasses.replace(getattr(run.curve, group), switches=None)
            for group in ("training", "evaluation")
        }
        nothing = dict.fromkeys(("violated", "success", "time_to_goal"))
        runs.append(result.make_run(run.seed, dataclasses.replace(run.curve, **old, **nothing)))
    protocol = dataclasses.replace(cell.evaluation, points=40)
    timing = dataclasses.replace(cell.timing, evaluation_seconds=None)
    return dataclasses.replace(cell, schema_version=2, evaluation=protocol, timing=timing, runs=tuple(runs))
