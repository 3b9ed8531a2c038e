"""How cost grows with seeds, window, environments and rows of the safe set; with joints: bench_growth.

Every program is compiled for its size, then called again and again; memory is what XLA plans for it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from safebench import registry
from safebench.commands import bench_safeguards, stopwatch
from safebench.commands.bench_scaling_table import Scaling
from safebench.env.action_set import ActionSet
from safebench.env.environment import Env
from safebench.env.pieces import mapped
from safebench.runs import suites
from safebench.runs.api import guard
from safebench.runs.prepare import Prepared, prepare
from safebench.runs.programs import options

TRAINED, GUARDED = "pendulum", "quadrotor"
TASKS = (TRAINED, GUARDED)
"""The task that is trained, of small cost by itself; the one with many rows, that is stepped and guarded."""
GUARD = "ray-mask"
GUARDS = ("boundary-projection", GUARD)
BATCH = 512
"""Actions at a time, where rows grow."""
REPEATS, ENOUGH_SECONDS = 100, 0.5


class Sizes(NamedTuple):
    """What is measured. windows: steps that SHAC differentiates through; all but seeds with one seed.

    environments: of one guarded step at a time. rows: of the safe set, at BATCH actions at a time.
    """

    seeds: tuple[int, ...] = (1, 2, 5, 10, 20)
    windows: tuple[int, ...] = (8, 16, 32, 64, 128)
    environments: tuple[int, ...] = (8, 64, 512, 4096, 8192)
    rows: tuple[int, ...] = (16, 64, 256, 1024)


SIZES = Sizes()


def measure(tasks: Sequence[str], report: Callable[[str], None], sizes: Sizes = SIZES) -> list[Scaling]:
    """Measure those of TASKS that are named: seeds and windows on the first, steps and rows on the second.

    Raises:
        ValueError: if a size is below 1.
    """
    for axis, values in sizes._asdict().items():
        if any(value < 1 for value in values):
            raise ValueError(f"{axis} must be at least 1, not {values}")
    trained = _trained(sizes, report) if TRAINED in tasks else []
    return trained + (_steps(sizes, report) + _rows(sizes, report) if GUARDED in tasks else [])


def with_rows(sets: ActionSet, rows: int) -> ActionSet:
    """Stacked sets with so many rows of the safe set, the first ones, repeated where there are fewer.

    sets: leading axis of any length. The box rows stay.
    """
    box = 2 * sets.normals.shape[2]
    own = sets.normals.shape[1] - box
    chosen = np.arange(rows) % own
    every = np.concatenate([chosen, own + np.arange(box)])
    barrier = None if sets.barrier is None else sets.barrier[:, chosen]
    return sets._replace(normals=sets.normals[:, every], offsets=sets.offsets[:, every], barrier=barrier)


def _trained(sizes: Sizes, report: Callable[[str], None]) -> list[Scaling]:
    standard = _learner({})
    usual = int(standard.learner_config.window)
    keys = jax.vmap(jax.random.key)(np.arange(max(sizes.seeds, default=1), dtype=np.uint32))
    # What a learner holds does not depend on its window: one program makes it for all.
    states = jax.jit(jax.vmap(standard.learner.initialise))(keys)
    asked = [("seeds", seeds, seeds, usual) for seeds in sizes.seeds]
    asked += [("window", window, 1, window) for window in sizes.windows]
    measured: dict[tuple[int, int], Scaling] = {}
    found = []
    for axis, size, seeds, window in asked:
        if (seeds, window) not in measured:
            report(f"{TRAINED}: seeds {seeds}, window {window}")
            prepared = _learner({"window": str(window)})
            learner, told = prepared.learner, options("training", prepared.task.dynamics)
            state = jax.tree.map(lambda leaf, seeds=seeds: leaf[:seeds], states)
            row = Scaling(axis, size, TRAINED, GUARD, *_cost(jax.vmap(learner.update), (state,), told))
            measured[seeds, window] = _per(row, seeds * learner.interactions)
        found.append(measured[seeds, window]._replace(axis=axis, size=size))
    return found


def _learner(changes: dict[str, str]) -> Prepared:
    (cell,) = suites.product([TRAINED], [GUARD], ["shac"])
    return prepare(suites.changed(cell, None, None, "compiled", "float64", {"learner": changes}))


def _steps(sizes: Sizes, report: Callable[[str], None]) -> list[Scaling]:
    env = Env(registry.make_task(GUARDED, "compiled"), guard(GUARD))
    most = max(sizes.environments, default=1)
    episodes = jax.jit(jax.vmap(env.begin))(jax.random.split(jax.random.key(0), most))
    proposed = _proposals((most, env.action_size), episodes.x.dtype)
    found = []
    for count in sizes.environments:
        report(f"{GUARDED}: environments {count}")
        given = jax.tree.map(lambda leaf, count=count: leaf[:count], (episodes, proposed))
        row = Scaling("environments", count, GUARDED, GUARD, *_cost(mapped(env.transition), given))
        found.append(_per(row, count))
    return found


def _rows(sizes: Sizes, report: Callable[[str], None]) -> list[Scaling]:
    sets = bench_safeguards.action_sets(registry.make_task(GUARDED, "compiled"), BATCH)
    proposed = _proposals(sets.centre.shape, sets.normals.dtype)
    found = []
    for name in GUARDS:
        _, both = bench_safeguards.programs(guard(name))
        for rows in sizes.rows:
            report(f"{GUARDED}: {name}, rows {rows}")
            row = Scaling("rows", rows, GUARDED, name, *_cost(both, (proposed, with_rows(sets, rows))))
            found.append(_per(row, len(proposed)))
    return found


def _proposals(shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).uniform(-1, 1, shape), dtype)


def _cost(
    function: Callable, arguments: tuple, told: Mapping[str, Any] | None = None
) -> tuple[float, float, float, float, float]:
    """Microseconds a call by either clock, megabytes without and with arguments and outputs, seconds."""
    started = time.perf_counter()
    program = jax.jit(function, compiler_options=dict(told or {})).lower(*arguments).compile()
    compile_seconds = time.perf_counter() - started
    seconds = stopwatch.median(stopwatch.samples(program, arguments, REPEATS, ENOUGH_SECONDS))
    plan = program.memory_analysis()
    assert plan is not None, "XLA tells of no memory here"
    held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    temporary = plan.temp_size_in_bytes
    megabytes = (1e-6 * temporary, 1e-6 * (temporary + held))
    return 1e6 * seconds.wall, 1e6 * seconds.cpu, *megabytes, compile_seconds


def _per(row: Scaling, count: int) -> Scaling:
    return row._replace(wall_us=row.wall_us / count, cpu_us=row.cpu_us / count)
