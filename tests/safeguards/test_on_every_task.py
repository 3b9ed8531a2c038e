"""Every certified safeguard on every certified task: the worst next state stays in the safe set."""

import functools

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
QUICK = ("pendulum", "energy")
EACH = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in TASKS]
LONG = ("crowd", "quadrotor-obstacles")
MILLION = [pytest.param(name, marks=[pytest.mark.recorded] if name in LONG else []) for name in TASKS]
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


def check(task_name: str, preset: str, dtype, seed: int, count: int) -> float:
    """Assert safety of `count` (state, action) pairs; returns the share of changed actions."""
    task = load(task_name)
    x, _, corridor = drawn(task_name, count, seed).start
    x, corridor, offsets = rounded(task, x, corridor, dtype)
    affine, sets = allowed(task_name)(jnp.asarray(x), corridor)
    rng = np.random.default_rng(seed + 1)
    proposed = jnp.asarray(rng.uniform(-1.2, 1.2, sets.centre.shape), dtype)
    _, module, config = presets.resolve(preset)
    out = guarded(preset, module, config)(proposed, sets)
    assert np.isfinite(out.action).all()
    assert (np.abs(out.action) <= 1).all()
    assert out.feasible.all()
    assert not out.last_line.any()

    drift, control, noise = (np.asarray(part, float) for part in affine)
    after = drift + np.einsum("cnm,cm->cn", control, np.asarray(out.action, float))
    after += noise @ task.disturbance.centre
    normals = task.safe_set.normals
    worst = after @ normals.T + np.abs(normals @ noise) @ task.disturbance.radius
    assert (worst <= offsets).all()
    return float(np.mean(np.asarray(out.distance) > 0))


@functools.cache
def guarded(preset: str, module, config):
    return jax.jit(jax.vmap(module.make(config)))


@pytest.mark.parametrize("preset", DEFAULTS)
@pytest.mark.parametrize("task", EACH)
def test_the_worst_next_state_is_safe(task, preset):
    assert check(task, preset, np.float64, 0, COUNT) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("task", MILLION)
def test_a_million_worst_next_states_per_task_are_safe(task, preset, dtype):
    for seed in range(-(-1_000_000 // (10_000 * len(PRESETS)))):
        check(task, preset, dtype, 10 * seed, 10_000)


@pytest.mark.parametrize("task", EACH)
def test_no_safeguard_leaves_the_safe_set(task):
    """The negative control: the same check must fail without a safeguard."""
    with pytest.raises(AssertionError):
        check(task, "none", np.float64, 0, COUNT)
