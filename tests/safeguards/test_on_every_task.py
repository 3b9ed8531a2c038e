"""Every certified safeguard on every certified task: the worst next state stays in the safe set."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench import registry
from safebench.env import task as tasks
from safebench.runs import presets

TASKS = registry.names("task")
DEFAULTS = [name for name in registry.names("safeguard") if registry.load("safeguard", name).CERTIFIED]
PRESETS = [name for name in presets.names() if presets.resolve(name)[1].CERTIFIED]
COUNT = 4096


@functools.cache
def load(name: str):
    return registry.load("task", name).make()


@functools.cache
def allowed(name: str):
    """x -> (exact one-step model, safe action set), batched and compiled."""
    task = load(name)

    def at(x):
        affine = task.dynamics.linearise(x)
        return affine, tasks.allowed(task, x, affine)

    return jax.jit(jax.vmap(at))


def states(task, seed: int, count: int) -> np.ndarray:
    """Half uniform in the safe set, half as near to its boundary as rounding allows."""
    rng = np.random.default_rng(seed)
    starts = task.starts[rng.integers(0, len(task.starts), count)]
    normals, offsets = task.safe_set.normals, task.safe_set.offsets
    direction = rng.normal(size=starts.shape) * task.constraints.radius
    rates, slack = direction @ normals.T, offsets - starts @ normals.T
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(rates > 0, slack / rates, np.inf).min(axis=1)
    edge = starts + (1 - 1e-9) * reach[:, None] * direction
    return np.where((np.arange(count) % 2 == 0)[:, None], starts, edge)


def check(task_name: str, preset: str, dtype, seed: int, count: int) -> float:
    """Assert safety of `count` (state, action) pairs; returns the share of changed actions."""
    task = load(task_name)
    x = states(task, seed, count).astype(dtype)
    if dtype == np.float32:  # rounding a state of the boundary may have put it outside
        inside = (x.astype(float) @ task.safe_set.normals.T <= task.safe_set.offsets).all(axis=1)
        x = np.where(inside[:, None], x, task.starts[:1].astype(dtype))
    affine, sets = allowed(task_name)(jnp.asarray(x))
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
    assert (worst <= task.safe_set.offsets).all()
    return float(np.mean(np.asarray(out.distance) > 0))


@functools.cache
def guarded(preset: str, module, config):
    return jax.jit(jax.vmap(module.make(config)))


@pytest.mark.parametrize("preset", DEFAULTS)
@pytest.mark.parametrize("task", TASKS)
def test_the_worst_next_state_is_safe(task, preset):
    assert check(task, preset, np.float64, 0, COUNT) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("task", TASKS)
def test_a_million_worst_next_states_per_task_are_safe(task, preset, dtype):
    for seed in range(-(-1_000_000 // (10_000 * len(PRESETS)))):
        check(task, preset, dtype, 10 * seed, 10_000)


@pytest.mark.parametrize("task", TASKS)
def test_no_safeguard_leaves_the_safe_set(task):
    """The negative control: the same check must fail without a safeguard."""
    with pytest.raises(AssertionError):
        check(task, "none", np.float64, 0, COUNT)
