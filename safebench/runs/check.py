"""What a task's, a safeguard's and a learner's functions give, before anything is compiled.

Shapes are found by tracing each function alone (milliseconds). Of a task that is not built in, values too:
a reward that is NaN at the first states would be found out by a whole training otherwise.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from safebench import registry
from safebench.env import task as tasks
from safebench.env.environment import Env
from safebench.env.safeguard import Guarded, Safeguard
from safebench.env.task import Task
from safebench.learning.learner import Learner
from safebench.physics.affine import Affine

STARTS = 64
"""States at which values are looked at."""


def check_task(task: Task, file: str, values: bool) -> None:
    """A task's functions take what they are given and give what is expected of them.

    file: what messages call it. values: also look at values, at some of the task's starts.

    Raises:
        ValueError: "FILE: FUNCTION() ...", with what was expected.
    """
    if not isinstance(task, Task):
        raise ValueError(f"{file}: make() gives a {type(task).__name__}: expected a Task")
    x, a, w = (_vector(size) for size in _sizes(task))
    key = jax.eval_shape(lambda: jax.random.key(0))
    with registry.speaking(file, "begin"):
        context = jax.eval_shape(task.begin, key, x)
    with registry.speaking(file, "advance"):
        following = jax.eval_shape(task.advance, context)
    if _shapes(following) != _shapes(context):
        raise ValueError(
            f"{file}: advance() gives {_shapes(following)}: expected what begin() gives, {_shapes(context)}"
        )
    if task.reference_start is not None:
        _, chosen = task.reference_start
        given = jax.eval_shape(lambda: chosen)
        if _shapes(given) != _shapes(context):
            raise ValueError(
                f"{file}: the context of reference_start is {_shapes(given)}: expected what begin() gives, "
                f"{_shapes(context)}"
            )
    observed = _traced(file, "observe", task.observe, x, context)
    if len(observed.shape) != 1 or observed.shape[0] < 1:
        raise ValueError(f"{file}: observe() gives shape {observed.shape}: expected one axis, (o,)")
    rewarded = _traced(file, "reward", task.reward, x, a, x, context)
    if rewarded.shape != ():
        raise ValueError(f"{file}: reward() gives shape {rewarded.shape}: expected a scalar, shape ()")
    disturbed = _traced(file, "disturb", task.disturb, key, context)
    if disturbed.shape != w.shape:
        raise ValueError(f"{file}: disturb() gives shape {disturbed.shape}: expected {w.shape}")
    if values:
        _check_values(task, file)


def check_safeguard(safeguard: Safeguard, task: Task, file: str) -> None:
    """A safeguard maps an action and an action set of the task to a Guarded of the right shapes.

    Raises:
        ValueError: "FILE: make() ...", with what was expected.
    """
    if not callable(safeguard):
        raise ValueError(f"{file}: make() gives {safeguard!r:.80}: expected a function (action, action set)")
    n, m, q = _sizes(task)
    x, a = _vector(n), _vector(m)
    shapes: Any = [jax.ShapeDtypeStruct(shape, x.dtype) for shape in ((n,), (n, m), (n, q))]
    affine = Affine(*shapes)
    with registry.speaking(file, "the function of make"):
        found = jax.eval_shape(
            lambda x, a, affine: safeguard(a, tasks.allowed(task, x, affine)), x, a, affine
        )
    if not isinstance(found, Guarded):
        raise ValueError(f"{file}: the safeguard gives a {type(found).__name__}: expected a Guarded")
    for name in Guarded._fields:
        part, shape = getattr(found, name), a.shape if name == "action" else ()
        if not isinstance(part, jax.ShapeDtypeStruct) or part.shape != shape:
            raise ValueError(f"{file}: the safeguard's {name} is {_shapes(part)}: expected shape {shape}")


def check_learner(learner: Learner, env: Env, interactions: int, file: str) -> None:
    """A learner is one, its budget covers an update, and its policy acts. Its update is not traced here.

    Raises:
        ValueError: "FILE: ...", with what was expected.
    """
    if not isinstance(learner, Learner):
        raise ValueError(f"{file}: make() gives a {type(learner).__name__}: expected a Learner")
    per_update = learner.interactions
    if type(per_update) is not int or per_update < 1:
        raise ValueError(
            f"{file}: Learner.interactions is {per_update!r:.80}: expected a whole number from 1"
        )
    if interactions < per_update:
        raise ValueError(
            f"a budget of {interactions} interactions is less than one update of {file} ({per_update})"
        )
    key = jax.eval_shape(lambda: jax.random.key(0))
    with registry.speaking(file, "initialise"):
        state = jax.eval_shape(learner.initialise, key)
    with registry.speaking(file, "policy"):
        policy = jax.eval_shape(learner.policy, state)
    action = _traced(file, "act", learner.act, policy, _vector(env.observation_size))
    if action.shape != (env.action_size,):
        raise ValueError(f"{file}: act() gives shape {action.shape}: expected {(env.action_size,)}")


def _sizes(task: Task) -> tuple[int, int, int]:
    """States, actions, disturbances."""
    return len(task.constraints.lower), len(task.certificate.gain), len(task.disturbance.lower)


def _vector(size: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((size,), jnp.zeros(0).dtype)


def _shapes(tree: Any) -> str:
    """A pytree with shapes for leaves, as text."""
    return str(
        jax.tree.map(lambda leaf: f"{np.dtype(leaf.dtype) if _plain(leaf) else leaf.dtype}{leaf.shape}", tree)
    )


def _plain(leaf: Any) -> bool:
    return not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended)


def _traced(file: str, name: str, function: Callable, *arguments: Any) -> jax.ShapeDtypeStruct:
    """The one array of numbers that a function gives."""
    with registry.speaking(file, name):
        found = jax.eval_shape(function, *arguments)
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise ValueError(f"{file}: {name}() gives {_shapes(found)}: expected one array")
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise ValueError(f"{file}: {name}() gives {found.dtype}: expected floating-point numbers")
    return found


def _check_values(task: Task, file: str) -> None:
    _, m, _ = _sizes(task)
    keys = jax.random.split(jax.random.key(0), STARTS)
    states = jnp.asarray(task.starts[:STARTS])
    keys, nexts = keys[: len(states)], jnp.roll(states, 1, axis=0)

    @jax.jit
    @jax.vmap
    def values(key, x, after):
        first, second, third = jax.random.split(key, 3)
        context = task.begin(first, x)
        a = jax.random.uniform(second, (m,), x.dtype, -1.0, 1.0)
        return a, task.observe(x, context), task.reward(x, a, after, context), task.disturb(third, context)

    actions, observed, rewarded, disturbed = map(np.asarray, values(keys, states, nexts))
    for name, found in (("observe", observed), ("reward", rewarded), ("disturb", disturbed)):
        bad = ~np.isfinite(found.reshape(len(found), -1)).all(axis=1)
        if bad.any():
            worst = int(np.argmax(bad))
            raise ValueError(
                f"{file}: {name}() gives {np.array2string(found[worst])} at the state "
                f"{np.array2string(np.asarray(states[worst]), precision=6)} and the action "
                f"{np.array2string(actions[worst], precision=6)}: expected finite numbers"
            )
    low, high = task.disturbance.lower, task.disturbance.upper
    outside = ((disturbed < low) | (disturbed > high)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"{file}: disturb() gives {np.array2string(disturbed[np.argmax(outside)])}: expected one in the "
            f"box that safety is proven for, {np.array2string(low)} to {np.array2string(high)}"
        )
