"""The certified sets as they are used at run time, for every task that ships one."""

import every_task
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import places

from safebench.env import safe_set
from safebench.sets.polytope import Box

DEFAULT = ("pendulum", "energy")
EACH = [pytest.param(name, marks=[] if name in DEFAULT else [pytest.mark.slow]) for name in every_task.FILES]


@pytest.mark.parametrize("name", ["pendulum", "quadrotor"])
def test_reference_starts_are_safe(task_of, name):
    x, _ = task_of(name).reference_start
    assert safe_set.contains(task_of(name).safe_set, jnp.asarray(x))


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_certified_action_satisfies_every_row(task_of, name, dtype):
    """At boundary states the certified centre is in the run-time action set, in float32 too."""
    task = task_of(name, "compiled")
    # One float32 rounding of the state is the state's own error: start that far inside.
    start, _ = places(task, inward=1e-6 if task.corridors is None else 1e-4)(2048)
    x, corridor = jax.tree.map(lambda part: jnp.asarray(part, dtype), (start.x, start.corridor))

    def slack(x, corridor, disturbance=task.disturbance):
        affine = task.dynamics.linearise(x)
        actions = safe_set.allowed(task.safe_set, affine, x, disturbance, corridor)
        return jnp.min(actions.offsets - actions.normals @ actions.centre), jnp.max(jnp.abs(actions.centre))

    least, largest = jax.jit(jax.vmap(slack))(x, corridor)
    assert least.dtype == dtype
    assert (least >= 0).all()
    assert (largest <= 1).all()
    # Negative control: against a disturbance far beyond the proof's the same action does not do.
    beyond = Box(20 * task.disturbance.lower, 20 * task.disturbance.upper)
    worse, _ = jax.jit(jax.vmap(lambda x, at: slack(x, at, beyond)))(x, corridor)
    assert (worse < 0).any()
