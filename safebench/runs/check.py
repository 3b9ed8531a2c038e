"""What a task's, a safeguard's and a learner's functions give, before anything is compiled.

Shapes are found by tracing each function alone (milliseconds). Of a task that is not built in, values too:
a reward that is NaN at the first states would be found out by a whole training otherwise.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from safebench.env import task as tasks
from safebench.env.corridor import FIXED, Corridor
from safebench.env.environment import Env
from safebench.env.safeguard import Guarded, Safeguard
from safebench.env.task import Task
from safebench.learning.learner import Learner
from safebench.physics.affine import Affine
from safebench.plugin import speaking
from safebench.runs import check_scene
from safebench.runs.traced import array, shapes, vector

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
    x, a, w = (vector(size) for size in _sizes(task))
    key = jax.eval_shape(lambda: jax.random.key(0))
    moves = task.corridors is not None
    begin = "corridors.begin" if moves else "begin"
    with speaking(file, begin):
        _, context, corridor = jax.eval_shape(lambda key: tasks.start(task, key), key)
    with speaking(file, "advance"):
        following = jax.eval_shape(task.advance, context)
    if shapes(following) != shapes(context):
        raise ValueError(
            f"{file}: advance() gives {shapes(following)}: expected what {begin}() gives, {shapes(context)}"
        )
    if task.reference_start is not None:
        _, chosen = task.reference_start
        given = jax.eval_shape(lambda: chosen)
        if shapes(given) != shapes(context):
            raise ValueError(
                f"{file}: the context of reference_start is {shapes(given)}: expected what begin() gives, "
                f"{shapes(context)}"
            )
    observed = array(file, "observe", task.observe, x, context, *((corridor,) if moves else ()))
    if len(observed.shape) != 1 or observed.shape[0] < 1:
        raise ValueError(f"{file}: observe() gives shape {observed.shape}: expected one axis, (o,)")
    if observed.shape[0] % task.agents:
        raise ValueError(
            f"{file}: observe() gives {observed.shape[0]} numbers: expected {task.agents} equal parts, "
            "one for each agent"
        )
    rewarded = array(file, "reward", task.reward, x, a, x, context)
    if rewarded.shape != ():
        raise ValueError(f"{file}: reward() gives shape {rewarded.shape}: expected a scalar, shape ()")
    disturbed = array(file, "disturb", task.disturb, key, context)
    if disturbed.shape != w.shape:
        raise ValueError(f"{file}: disturb() gives shape {disturbed.shape}: expected {w.shape}")
    check_scene.check_shapes(task, x, context, corridor, file)
    if values:
        if task.corridors is not None:
            check_scene.check_starts(task, task.corridors, STARTS, file)
        _check_values(task, file)


def check_safeguard(safeguard: Safeguard, task: Task, file: str, trace: bool = True) -> None:
    """A safeguard maps an action and an action set of the task to a Guarded of the right shapes.

    trace: False: not its shapes, which take tenths of a second to trace.

    Raises:
        ValueError: "FILE: make() ...", with what was expected.
    """
    if not callable(safeguard):
        raise ValueError(f"{file}: make() gives {safeguard!r:.80}: expected a function (action, action set)")
    if not trace:
        return
    n, m, q = _sizes(task)
    x, a = vector(n), vector(m)
    parts: Any = [jax.ShapeDtypeStruct(shape, x.dtype) for shape in ((n,), (n, m), (n, q))]
    affine = Affine(*parts)
    moving: Any = vector(task.safe_set.low_rates.shape[1])
    corridor = FIXED if task.corridors is None else Corridor(moving, moving)
    with speaking(file, "the function of make"):
        found = jax.eval_shape(
            lambda x, a, *model: safeguard(a, tasks.allowed(task, x, *model)), x, a, affine, corridor
        )
    if not isinstance(found, Guarded):
        raise ValueError(f"{file}: the safeguard gives a {type(found).__name__}: expected a Guarded")
    for name in Guarded._fields:
        part, shape = getattr(found, name), a.shape if name == "action" else ()
        if not isinstance(part, jax.ShapeDtypeStruct) or part.shape != shape:
            raise ValueError(f"{file}: the safeguard's {name} is {shapes(part)}: expected shape {shape}")


def check_learner(learner: Learner, env: Env, interactions: int, file: str, trace: bool = True) -> None:
    """A learner is one, its budget covers an update, and its policy acts. Its update is not traced here.

    trace: False: nor is its policy.

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
    if not trace:
        return
    key = jax.eval_shape(lambda: jax.random.key(0))
    with speaking(file, "initialise"):
        state = jax.eval_shape(learner.initialise, key)
    with speaking(file, "policy"):
        policy = jax.eval_shape(learner.policy, state)
    action = array(file, "act", learner.act, policy, vector(env.observation_size))
    if action.shape != (env.action_size,):
        raise ValueError(f"{file}: act() gives shape {action.shape}: expected {(env.action_size,)}")


def _sizes(task: Task) -> tuple[int, int, int]:
    """States, actions, disturbances."""
    return len(task.state_names), len(task.certificate.gain), len(task.disturbance.lower)


def _check_values(task: Task, file: str) -> None:
    _, m, _ = _sizes(task)
    keys = jax.random.split(jax.random.key(0), STARTS)
    inside = jnp.asarray(task.starts[:STARTS])
    keys, nexts = keys[: len(inside)], jnp.roll(inside, 1, axis=0)

    @jax.jit
    @jax.vmap
    def values(key, x, after):
        first, second, third = jax.random.split(key, 3)
        if task.corridors is None:
            context, corridor = task.begin(first, x), FIXED
        else:
            x, context, corridor = tasks.start(task, first)
        a = jax.random.uniform(second, (m,), x.dtype, -1.0, 1.0)
        observed, rewarded = tasks.observe(task, x, context, corridor), task.reward(x, a, after, context)
        excess = jnp.zeros(0) if task.excess is None else task.excess(x, context)
        return x, a, observed, rewarded, task.disturb(third, context), excess

    x, actions, *rest = map(np.asarray, values(keys, inside, nexts))
    observed, rewarded, disturbed, excess = rest
    for name, found, good, expected in (
        ("observe", observed, np.isfinite(observed), "finite numbers"),
        ("reward", rewarded, np.isfinite(rewarded), "finite numbers"),
        ("disturb", disturbed, np.isfinite(disturbed), "finite numbers"),
        ("excess", excess, excess <= 0, "at most 0, no violation, where an episode begins"),
    ):
        bad = ~good.reshape(len(found), -1).all(axis=1)
        if bad.any():
            worst = int(np.argmax(bad))
            raise ValueError(
                f"{file}: {name}() gives {np.array2string(found[worst])} at the state "
                f"{np.array2string(x[worst], precision=6)} and the action "
                f"{np.array2string(actions[worst], precision=6)}: expected {expected}"
            )
    low, high = task.disturbance.lower, task.disturbance.upper
    outside = ((disturbed < low) | (disturbed > high)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"{file}: disturb() gives {np.array2string(disturbed[np.argmax(outside)])}: expected one in the "
            f"box that safety is proven for, {np.array2string(low)} to {np.array2string(high)}"
        )
