"""The certified sets as they are used at run time, for every task that ships one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env import safe_set
from safebench.sets.polytope import Box


@pytest.mark.parametrize("name", ["pendulum", "quadrotor"])
def test_reference_starts_are_safe(task_of, name):
    x, _ = task_of(name).reference_start
    assert safe_set.contains(task_of(name).safe_set, jnp.asarray(x))


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "quadrotor", "energy"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_certified_action_satisfies_every_row(task_of, name, dtype):
    """At boundary states the certified centre is in the run-time action set, in float32 too."""
    task = task_of(name, "compiled")
    made = task.certificate
    y = task.starts[:256] - made.origin
    boundary = y / (y @ made.normals.T / made.offsets).max(axis=1, keepdims=True)
    # One float32 rounding of the state is the state's own error: start that far inside.
    states = jnp.asarray(made.origin + boundary * (1 - 1e-6), dtype)

    def slack(x, disturbance=task.disturbance):
        affine = task.dynamics.linearise(x)
        actions = safe_set.allowed(task.safe_set, affine, x, disturbance)
        return jnp.min(actions.offsets - actions.normals @ actions.centre), jnp.max(jnp.abs(actions.centre))

    least, largest = jax.jit(jax.vmap(slack))(states)
    assert least.dtype == dtype
    assert (least >= 0).all()
    assert (largest <= 1).all()
    # Negative control: against a disturbance far beyond the proof's the same action does not do.
    beyond = Box(20 * task.disturbance.lower, 20 * task.disturbance.upper)
    worse, _ = jax.jit(jax.vmap(lambda x: slack(x, beyond)))(states)
    assert (worse < 0).any()
