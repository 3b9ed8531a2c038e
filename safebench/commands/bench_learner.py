"""Training time with a safeguard over training time without, in one process, compilation apart."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from safebench.commands.bench_safeguards import Clock
from safebench.runs import suites
from safebench.runs.prepare import prepare
from safebench.runs.programs import options

SEEDS = 4


class Timing(NamedTuple):
    """One safeguard: seconds per 1000 interactions and seed, seconds to compile, and the ratio to none."""

    task: str
    safeguard: str
    learner: str
    physics: str
    compile_seconds: float
    seconds_per_1000: float
    overhead: float


def measure(
    task: str,
    safeguards: Sequence[str],
    learner: str,
    physics: str,
    report: Callable[[str], None],
    repeats: int = 5,
    clock: Clock = time.perf_counter,
) -> list[Timing]:
    """Time updates of every safeguard, `none` first; rounds alternate so that drift hits all alike.

    clock: gives seconds; wall time by default.

    Raises:
        LookupError: for an unknown name.
    """
    names = ["none", *(name for name in safeguards if name != "none")]
    programs, compile_seconds, per_update = {}, {}, 0
    keys = jax.vmap(jax.random.key)(np.arange(SEEDS, dtype=np.uint32))
    for name in names:
        report(f"{task}: compiling {name}")
        (cell,) = suites.product([task], [name], [learner])
        prepared = prepare(suites.changed(cell, None, None, physics, "float64", {}))
        per_update = prepared.learner.interactions
        state = jax.jit(jax.vmap(prepared.learner.initialise))(keys)
        started = clock()
        told = options("training", prepared.task.dynamics)
        update = jax.jit(jax.vmap(prepared.learner.update), compiler_options=told).lower(state).compile()
        compile_seconds[name] = clock() - started
        state = jax.block_until_ready(update(state)[0])
        programs[name] = (update, state)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    updates = max(1, 2000 // per_update)
    for _ in range(repeats):
        report(f"{task}: timing")
        for name, (update, state) in programs.items():
            started = clock()
            for _ in range(updates):
                state, _progress = update(state)
            jax.block_until_ready(state)
            seconds[name].append(clock() - started)
    steps = updates * per_update * SEEDS
    base = np.array(seconds["none"])
    return [
        Timing(
            task,
            name,
            learner,
            physics,
            compile_seconds[name],
            1000 * float(np.median(seconds[name])) / steps,
            float(np.median(np.array(seconds[name]) / base)),
        )
        for name in names
    ]
