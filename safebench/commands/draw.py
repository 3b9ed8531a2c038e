"""`safebench draw`: what safeguards do to the actions at one state of a task, as a figure."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.text import Text

from safebench import atomic, registry
from safebench.commands import draw_safeguards
from safebench.env import action_set
from safebench.env import task as tasks
from safebench.env.action_set import ActionSet
from safebench.env.adversary import somewhere
from safebench.env.corridor import Corridor, Start
from safebench.env.task import Task
from safebench.runs.api import guard

FORMATS = (".png", ".svg", ".pdf")
SHOWN = (
    *("boundary-projection", "ray-mask", "ray-mask-hyperbolic"),
    *("ray-mask+orthogonal", "replacement", "cbf-qp"),
)
"""The safeguards of a figure for which none are named."""
TELLING = 1 / 3
"""The share of safe actions that shows most of what a safeguard does: the state nearest to it is drawn."""
SEARCHED, SAMPLES = 512, 1000
"""States among which that one is looked for, and actions that each share is measured with."""


def draw_task(
    name: str, safeguards: Sequence[str] | None, number: int | None, out: Path, console: Console
) -> None:
    """Draw safeguards (presets; None: SHOWN) on the safe action set at a state of the task, into `out`.

    number: of the state (see `places`); None for one where about a third of the actions is safe.

    Raises:
        LookupError: for an unknown name or number.
        ValueError: for an unknown format, or a task with more than two actions.
    """
    if out.suffix not in FORMATS:
        raise ValueError(f"{out}: a figure is a {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    atomic.check_writable(out)
    guards = {each: guard(each) for each in safeguards or SHOWN}
    task = registry.make_task(name, "compiled")
    draw_safeguards.check_inputs(len(task.action_names))
    number = telling(task) if number is None else number
    if not 0 <= number < len(task.starts):
        raise LookupError(f"{task.name!r} has no start {number}, only 0 to {len(task.starts) - 1}")
    at = places(task, range(number, number + 1))
    (share,), stacked = safe_shares(task, at)
    actions = jax.tree.map(lambda part: part[0], stacked)
    with atomic.replacing(out) as unfinished:
        draw_safeguards.draw(actions, guards, unfinished, task.action_names)
    named = zip(task.state_names, np.asarray(at.x)[0], strict=True)
    values = ", ".join(f"{label} = {value:.3g}" for label, value in named)
    said = f"{task.name}, start {number} ({values}): {100 * share:.0f} % of all actions are safe"
    console.print(Text(said), soft_wrap=True)
    console.print(Text(f"Wrote {out}"), soft_wrap=True)


def telling(task: Task) -> int:
    """The number of a start where about a third of the actions is safe."""
    shares, _ = safe_shares(task, places(task, range(min(SEARCHED, len(task.starts)))))
    return int(np.argmin(np.abs(shares - TELLING)))


def places(task: Task, numbers: range) -> Start:
    """The task's starts of those numbers, stacked; where the safe set moves, states anywhere in it."""
    if task.corridors is None:
        return Start(jnp.asarray(task.starts[numbers.start : numbers.stop]), ())
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(0), number))(jnp.array(numbers))
    return jax.jit(jax.vmap(lambda key: somewhere(task, key)))(keys)


def safe_shares(task: Task, at: Start) -> tuple[Float[np.ndarray, " states"], ActionSet]:
    """At each place the share of the actions that are safe, by sampling, and the set of those (stacked)."""
    samples = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, len(task.action_names)))

    def measure(x: Float[Array, " n"], corridor: Corridor) -> tuple[Float[Array, ""], ActionSet]:
        actions = tasks.allowed(task, x, task.dynamics.linearise(x), corridor)
        inside = jax.vmap(lambda a: action_set.contains(actions, a))(jnp.asarray(samples, x.dtype))
        return jnp.mean(inside), actions

    shares, actions = jax.jit(jax.vmap(measure))(at.x, at.corridor)
    return np.asarray(shares), actions
