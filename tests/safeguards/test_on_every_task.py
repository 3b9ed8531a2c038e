"""Every certified safeguard on every certified task: the worst next state stays in the safe set."""

import functools
import itertools
from typing import Any, NamedTuple

import every_task
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import places

from safebench import registry
from safebench.env import safe_set
from safebench.env import task as tasks
from safebench.runs import presets

TASKS = every_task.FILES
QUICK = ("pendulum",)
EACH = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in TASKS]
DEFAULTS = [name for name in registry.names("safeguard") if registry.load("safeguard", name).CERTIFIED]
SAME_MAP = {"gradient", "regularisation"}
"""Options that change what a learner makes of an action, not where it is put."""
PRESETS = [
    name
    for name in presets.names()
    if presets.resolve(name)[1].CERTIFIED
    and (name not in presets.PRESETS or not SAME_MAP & set(presets.PRESETS[name].options))
]
COUNT = 4096


@functools.cache
def load(name: str):
    return registry.make_task(name, "compiled")


@functools.cache
def allowed(name: str):
    """(x, corridor) -> (exact one-step model, safe action set), batched and compiled."""
    task = load(name)

    def at(x, corridor):
        affine = task.dynamics.linearise(x)
        return affine, tasks.allowed(task, x, affine, corridor)

    return jax.jit(jax.vmap(at))


@functools.cache
def drawing(name: str):
    return places(load(name))


@functools.lru_cache(maxsize=32)
def drawn(name: str, count: int, seed: int):
    """Places in the safe set of a task, half as near to its boundary as rounding allows."""
    return drawing(name)(count, seed)


def rounded(task, x, corridor, dtype):
    """States and corridors in a precision; and the offsets of these corridors' sets, in float64."""
    x, corridor = jax.tree.map(lambda part: np.asarray(part, dtype), (x, corridor))
    offsets = jax.vmap(lambda at, _: safe_set.offsets_of(task.safe_set, at, np.float64))
    offsets = np.asarray(offsets(jax.tree.map(lambda part: part.astype(float), corridor), x))
    inside = (x.astype(float) @ task.safe_set.normals.T <= offsets).all(axis=1)
    assert inside[0]
    assert inside.mean() > 0.4
    # Rounding a state of the boundary may have put it outside: the first state takes its place.
    index = np.where(inside, np.arange(len(x)), 0)
    return *jax.tree.map(lambda part: part[index], (x, corridor)), offsets[index]


class Posed(NamedTuple):
    """What safeguards are asked at places of a task, and what their answers must keep to."""

    proposed: Any
    sets: Any
    affine: Any
    offsets: Any


def posed(task_name: str, dtype, seed: int, count: int) -> Posed:
    """`count` (state, action) pairs of a task in a precision."""
    task = load(task_name)
    x, _, corridor = drawn(task_name, count, seed).start
    x, corridor, offsets = rounded(task, x, corridor, dtype)
    affine, sets = allowed(task_name)(jnp.asarray(x), corridor)
    rng = np.random.default_rng(seed + 1)
    proposed = jnp.asarray(rng.uniform(-1.2, 1.2, sets.centre.shape), dtype)
    return Posed(proposed, sets, affine, offsets)


def check(task_name: str, preset: str, asked: Posed) -> float:
    """Assert that a safeguard's answers are safe; returns the share of changed actions."""
    task = load(task_name)
    _, module, config = presets.resolve(preset)
    out = guarded(preset, module, config)(asked.proposed, asked.sets)
    assert np.isfinite(out.action).all()
    assert (np.abs(out.action) <= 1).all()
    assert out.feasible.all()
    assert not out.last_line.any()

    drift, control, noise = (np.asarray(part, float) for part in asked.affine)
    after = drift + np.einsum("cnm,cm->cn", control, np.asarray(out.action, float))
    after += noise @ task.disturbance.centre
    normals = task.safe_set.normals
    worst = after @ normals.T + np.abs(normals @ noise) @ task.disturbance.radius
    assert (worst <= asked.offsets).all()
    return float(np.mean(np.asarray(out.distance) > 0))


@functools.cache
def guarded(preset: str, module, config):
    return jax.jit(jax.vmap(module.make(config)))


@pytest.mark.parametrize("preset", DEFAULTS)
@pytest.mark.parametrize("task", QUICK)  # of the others the next test asks more
def test_the_worst_next_state_is_safe(task, preset):
    assert check(task, preset, posed(task, np.float64, 0, COUNT)) > 0.05


MILLION = -(-1_000_000 // (10_000 * len(PRESETS)))
"""Times that 10,000 actions are asked of every preset: a million a task, once a week; once in CI."""


BOTH_PRECISIONS = ("pendulum", "quadrotor", "energy", "seeker")
"""In CI; the others are asked in float32 there, where rounding is largest."""


def asked_weekly(task, dtype, times):
    return times > 1 or (dtype is np.float64 and task not in BOTH_PRECISIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "dtype", "times"),
    [
        pytest.param(*each, marks=pytest.mark.weekly if asked_weekly(*each) else [])
        for each in itertools.product(TASKS, (np.float64, np.float32), (1, MILLION))
    ],
)
def test_worst_next_states_of_every_preset_are_safe(task, dtype, times):
    for seed in range(times):
        asked = posed(task, dtype, 10 * seed, 10_000)
        for preset in PRESETS:
            try:
                assert check(task, preset, asked) > 0.05
            except AssertionError as error:
                raise AssertionError(f"{preset}, seed {10 * seed}") from error


@pytest.mark.parametrize("task", EACH)
def test_no_safeguard_leaves_the_safe_set(task):
    """The negative control: the same check must fail without a safeguard."""
    with pytest.raises(AssertionError):
        check(task, "none", posed(task, np.float64, 0, COUNT))
