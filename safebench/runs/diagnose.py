"""Which term to look at when updates were skipped: values and derivatives at some states and actions."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from safebench import registry
from safebench.env import task as tasks
from safebench.env.adversary import somewhere
from safebench.env.corridor import FIXED, Start
from safebench.env.task import Task
from safebench.physics.affine import predict
from safebench.runs import presets
from safebench.runs.cell import Cell
from safebench.runs.prepare import Prepared, prepare

STATES = 64
"""Starts that are looked at, beside the set's own centre, where a norm has no derivative."""

NOTHING = (
    f"no single term has a value or derivative that is not finite at {STATES} starts: look at the learner's "
    "rates and loss, and at states that only training reaches"
)

Terms = dict[str, dict[str, Any]]
"""Function -> what of it ("the value", "the derivative by the action") -> an array, leading axis: states."""


def where_to_look(cell: Cell) -> str:
    """What to look at, in one line; it never raises, since the training it is about is done."""
    try:
        return non_finite_term(prepare(cell)) or NOTHING
    except Exception as error:
        return f"no term could be looked at ({type(error).__name__})"


def non_finite_term(prepared: Prepared) -> str | None:
    """The first term that is not finite, with the state and action where; None if all are finite there."""
    task, m = prepared.task, len(prepared.task.action_names)
    random = np.random.default_rng(0)
    at = _moving(task) if task.corridors else _fixed(task, random)
    x = np.asarray(at.x)
    a = np.vstack([np.zeros(m), random.uniform(-1, 1, (len(x) - 1, m))])
    for terms, file in _looked_at(prepared):
        found: Terms = jax.jit(jax.vmap(terms))(at, a)
        for function, parts in found.items():
            for part, values in parts.items():
                flat = np.asarray(values).reshape(len(x), -1)
                wrong = ~np.isfinite(flat)
                if wrong.any():
                    i = int(wrong.any(axis=1).argmax())
                    what = f"{part} of {function} is {flat[i][wrong[i]][0]}"
                    return f"look at {file}: {what} at state {_text(x[i])}, action {_text(a[i])}"
    return None


def _fixed(task: Task, random: np.random.Generator) -> Start:
    """The set's centre and some starts, stacked."""
    chosen = random.choice(len(task.starts), STATES, replace=len(task.starts) < STATES)
    x = np.vstack([tasks.with_others(task, task.certificate.origin), task.starts[chosen]])
    key = jax.random.key(0)
    return jax.jit(jax.vmap(lambda x: Start(x, task.begin(key, x), FIXED)))(x)


def _moving(task: Task) -> Start:
    """Starts, most likely at rest, and as many states anywhere, stacked."""
    keys = jax.random.split(jax.random.key(0), STATES)
    begun, walked = (
        jax.jit(jax.vmap(draw))(keys)
        for draw in (lambda key: tasks.start(task, key), lambda key: somewhere(task, key))
    )
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), begun, walked)


def _looked_at(prepared: Prepared) -> Iterator[tuple[Callable[[Start, Any], Terms], str]]:
    """Programs that give some terms, and the file these come from; the slow ones last."""
    task, cell = prepared.task, prepared.cell
    file = registry.find("task", cell.task).file
    w = jnp.asarray(task.disturbance.centre)

    def step(x, a, corridor):
        return predict(task.dynamics.linearise(x), a, w)

    def map_into_set(x, a, corridor):
        actions = tasks.allowed(task, x, task.dynamics.linearise(x), corridor)
        return prepared.env.safeguard(a, actions).action

    def rewards(at: Start, a) -> Terms:
        x, context, corridor = at
        applied = map_into_set(x, a, corridor)
        a = jnp.where(jnp.isfinite(applied), applied, a)  # a fault of the safeguard is not the reward's
        after = step(x, a, corridor)
        by_name = {"state": 0, "action": 1, "next state": 2}
        gradients = {
            f"the derivative by the {name}": jax.grad(task.reward, index)(x, a, after, context)
            for name, index in reversed(by_name.items())
        }
        observed = lambda x: tasks.observe(task, x, context, corridor)  # noqa: E731
        return {
            "reward()": {"the value": task.reward(x, a, after, context), **gradients},
            "observe()": {"the value": observed(x), "the derivative by the state": jax.jacrev(observed)(x)},
        }

    def both(name: str, function: Callable[..., Any]) -> Callable[[Start, Any], Terms]:
        def terms(at: Start, a) -> Terms:
            by_state, by_action = jax.jacrev(function, (0, 1))(at.x, a, at.corridor)
            return {
                name: {
                    "the value": function(at.x, a, at.corridor),
                    "the derivative by the action": by_action,
                    "the derivative by the state": by_state,
                }
            }

        return terms

    yield rewards, file
    yield both("the dynamics' step", step), file
    yield both("the safeguard", map_into_set), presets.resolved(cell.safeguard)[0].file


def _text(values: np.ndarray) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values)})"
