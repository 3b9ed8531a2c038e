"""Train one cell: all its seeds in one compiled program, safety counted at every step."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from safebench.env import safety
from safebench.env.evaluate import Evaluation, evaluate
from safebench.env.safety import Safety
from safebench.env.task import Task
from safebench.learning.learner import Progress, TrainingState
from safebench.plugin import speaking
from safebench.record.result import Result
from safebench.runs import checkpoint as checkpoints
from safebench.runs import curves, devices, equality, kept, programs
from safebench.runs.cell import Cell
from safebench.runs.curves import Point, result_of
from safebench.runs.events import Snapshot
from safebench.runs.prepare import Prepared, prepare, schedule
from safebench.runs.programs import STREAM
from safebench.sets import proof

Report = Callable[[Snapshot], None]
"""Called once when the program is compiled, then after every evaluation."""

_LEAF: Any = np.zeros(())
_SAFETY = Safety(*[_LEAF] * len(Safety._fields))
PROGRESS = Progress(_SAFETY, *[_LEAF] * (len(Progress._fields) - 1))
EVALUATION = Evaluation(*[_LEAF] * len(Evaluation._fields))._replace(safety=_SAFETY)
"""Trees of the structure that the programs give."""


class Reached(NamedTuple):
    """How far a training has come. seconds: at every point, without what compiling and keeping took.

    evaluating: what part of the seconds evaluating took, at every point.
    """

    points: list[Point]
    seconds: list[float]
    evaluating: list[float]
    compile_seconds: float


def begun(prepared: Prepared) -> Callable[[Array], TrainingState]:
    """How a seed begins. Like the two below, a program of one seed that is vmapped over seeds."""
    return lambda seed: prepared.learner.initialise(jax.random.key(seed, impl=STREAM))


def trained(prepared: Prepared, updates: int) -> Callable[[TrainingState], tuple[TrainingState, Progress]]:
    """Some updates, and what they did together."""
    learner = prepared.learner

    def one(state: TrainingState) -> tuple[TrainingState, Progress]:
        state, progress = jax.lax.scan(lambda state, _: learner.update(state), state, length=updates)
        return state, Progress(
            safety.total(progress.safety),
            jnp.mean(progress.policy_loss),
            jnp.mean(progress.value_loss),
            jnp.mean(progress.gradient_norm),
            jnp.sum(progress.skipped),
        )

    return one


def evaluated(prepared: Prepared) -> Callable[[TrainingState], Evaluation]:
    """An evaluation of the policy."""
    learner, cell = prepared.learner, prepared.cell

    def one(state: TrainingState) -> Evaluation:
        policy = learner.policy(state)
        return evaluate(
            prepared.env,
            lambda observation: learner.act(policy, observation),
            starts=cell.evaluation_starts,
            horizon=cell.evaluation_horizon,
        )

    return one


def run(
    cell: Cell,
    report: Report | None = None,
    checkpoint: Path | None = None,
    state: Path | None = None,
    remark: Callable[[str], None] | None = None,
) -> Result:
    """Train and evaluate all seeds of a cell; seeds share the devices of this machine.

    checkpoint: a folder for the final policies (see safebench.runs.checkpoint).
    state: a folder that keeps how far a long training has come (see safebench.runs.kept). What is kept there
        of this very training is where it begins, and what it gives is the same to the last bit. The folder
        stays: the result has yet to be written. remark: called with what there is to say about it.

    Raises:
        LookupError, ValueError: for a bad cell, before anything is compiled, or a certificate that
            does not prove its set, or compiled physics that is not MuJoCo's.
        OSError: if the checkpoint cannot be written.
    """
    # A seed names the same random numbers whatever the caller's jax makes of `jax.random.key`.
    with jax.default_prng_impl(STREAM), jax.threefry_partitionable(True):
        return _run(cell, report, checkpoint, state, remark or (lambda text: None))


def _run(
    cell: Cell,
    report: Report | None,
    checkpoint: Path | None,
    folder: Path | None,
    remark: Callable[[str], None],
) -> Result:
    prepared = prepare(cell)
    verified = _proven(prepared.task)
    learner = prepared.learner
    updates, wanted = schedule(prepared)
    started = time.perf_counter()
    identity, count = kept.identity(prepared), len(cell.seeds)

    def program(
        kind: programs.Kind, one: Callable[[Any], Any], inputs: Any, outputs: Any, donate: bool = False
    ) -> programs.Program:
        function, options = devices.over_seeds(one, count), programs.options(kind, prepared.task.dynamics)
        if not prepared.built_in or devices.used(count) > 1:
            return programs.traced(function, inputs, options, donate)
        return programs.stored(function, inputs, outputs, kind, identity, options, donate)

    seeds = np.array(cell.seeds, np.uint32)
    begin = begun(prepared)
    with programs.uncollected():
        shapes = jax.eval_shape(devices.over_seeds(begin, count), seeds)
    state = program("start", begin, seeds, shapes).compile()(seeds)
    with speaking(prepared.learner_file, "update"):
        train = program("training", trained(prepared, updates), shapes, (shapes, PROGRESS), donate=True)
    measure = program("evaluation", evaluated(prepared), shapes, EVALUATION)
    point = Point(train.out[1], measure.out)
    before = None if folder is None else _before(folder, identity, state, point, remark)
    needed = (train, measure) if before is None or len(before[1].points) < wanted else ()
    with ThreadPoolExecutor(2) as pool:  # XLA compiles two at a time
        made = [pool.submit(each.compile) for each in needed]
        equal = pool.submit(equality.compared, prepared).result()
        compiled = [each.result() for each in made]
    at = Reached([], [], [], time.perf_counter() - started)
    if before is not None:
        state, at = before
        remark(f"goes on after {len(at.points)} of {wanted} evaluations, where it was interrupted")

    def snapshot() -> Snapshot:
        done, of = (count * updates * learner.interactions for count in (len(at.points), wanted))
        if not at.points:
            return Snapshot(done, of, 0.0, None)
        return Snapshot(done, of, at.seconds[-1], curves.evaluated(at.points, prepared.task.control_period))

    if report is not None:
        report(snapshot())
    started = time.perf_counter() - (at.seconds[-1] if at.seconds else 0.0)
    kept_at, complained = at.seconds[-1] if at.seconds else 0.0, False
    for index in range(len(at.points), wanted):
        state, progress = jax.block_until_ready(compiled[0](state))
        between = time.perf_counter()
        at.points.append(jax.tree.map(np.asarray, Point(progress, compiled[1](state))))
        now = time.perf_counter()
        at.seconds.append(now - started)
        at.evaluating.append(now - between)
        # The last one is kept in any long training: the result has yet to be written.
        since = 0.0 if index + 1 == wanted else kept_at
        if folder is not None and at.seconds[-1] - since >= kept.EVERY:
            try:
                kept.save(folder, index + 1, identity, _tree(state, at))
            except OSError as error:
                if not complained:
                    remark(f"{error}: the training goes on, but would be lost if interrupted")
                complained = True
            kept_at = at.seconds[-1]
            started = time.perf_counter() - kept_at  # keeping is no training
        if report is not None:
            report(snapshot())
    found = result_of(
        prepared, verified, equal, at.points, updates, at.seconds, at.compile_seconds, sum(at.evaluating)
    )
    if checkpoint is not None:
        policies = jax.jit(jax.vmap(learner.policy))(state)
        checkpoints.save(checkpoint, checkpoints.describe(cell, found), policies)
    return found


def _tree(state: TrainingState, at: Reached) -> Any:
    """What is kept of a training."""
    points = jax.tree.map(lambda *leaves: np.stack(leaves), *at.points)
    return state, points, np.array([at.seconds, at.evaluating]), np.array(at.compile_seconds)


def _before(
    folder: Path, identity: dict[str, Any], state: TrainingState, point: Any, remark: Callable[[str], None]
) -> tuple[TrainingState, Reached] | None:
    """Where an interrupted training of the same kind stands, on the devices that `state` is on.

    point: shapes and types of a `Point`.
    """

    def like(count: int) -> Any:
        points = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), point)
        return state, points, np.zeros((2, count)), np.zeros(())

    try:
        found = kept.load(folder, identity, like)
    except ValueError as error:
        remark(f"{error}: the training begins anew")
        return None
    if found is None:
        return None
    restored, points, seconds, compile_seconds = found.tree
    placed = jax.tree.map(lambda new, old: jax.device_put(new, old.sharding), restored, state)
    each = [jax.tree.map(lambda leaf, at=at: leaf[at], points) for at in range(found.points)]
    since, evaluating = ([float(second) for second in row] for row in seconds)
    return placed, Reached(each, since, evaluating, float(compile_seconds))


def _proven(task: Task) -> bool:
    found = proof.prove(task)
    if not found.passed:
        raise ValueError(f"the certificate of {task.name!r} does not prove its set: {found.failures[0]}")
    return True
