"""Environments, safeguards, filters, proofs and training for Python programs.

`import safebench` offers these functions by name; see there.
"""

import operator
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Array, Float
from rich.console import Console

from safebench import registry
from safebench.env.action_set import ActionSet
from safebench.env.environment import Env
from safebench.env.filter import safety_filter
from safebench.env.safeguard import Guarded, Safeguard
from safebench.env.task import Task
from safebench.physics.dynamics import Physics
from safebench.record.result import Result
from safebench.runs import check, live, precision, presets, settings, suites
from safebench.runs import train as training
from safebench.runs.cell import Cell
from safebench.runs.events import Event, Snapshot
from safebench.runs.here import ended
from safebench.sets import proof
from safebench.sets.proof import Proof


@dataclass(frozen=True)
class Configured:
    """A safeguard that says what it is: the registered name, its whole config, and the function itself.

    one_to_one: whether applied actions have a density.
    """

    name: str
    config: Any
    function: Safeguard
    one_to_one: bool = False

    def __call__(self, action: Float[Array, " m"], actions: ActionSet) -> Guarded:
        """What the function makes of an action proposed in an action set."""
        return self.function(action, actions)


def make(task: str | Task, safeguard: str | Safeguard, *, physics: Physics = "mjx") -> Env:
    """A safeguarded environment: brax's `reset` and `step`, gradients through safeguard and physics.

    >>> import jax, safebench
    >>> env = safebench.make("pendulum", "ray-mask", physics="compiled")
    >>> state = jax.jit(env.reset)(jax.random.key(0))
    >>> state = jax.jit(env.step)(state, jax.numpy.ones(env.action_size))
    >>> int(state.metrics["violations"])
    0

    task: a name, a file `./my_task.py`, a dotted path, or a Task.
    safeguard: a preset's name or file, or what `guard` gave. It is required:
        "none" is the unguarded baseline.
    physics: "mjx" or "compiled"; of a task given by name.

    Raises:
        LookupError: for an unknown name. ValueError: for a bad setting, a plug-in that lacks something, a
            certificate of another model, or where float64 cannot be had any more (see `configure`).
    """
    precision.chosen()
    chosen = _safeguard(safeguard)
    if not isinstance(chosen, Configured):
        return Env(_task(task, physics), chosen)
    return Env(_task(task, physics), chosen, chosen.config.regularisation, chosen.one_to_one)


def guard(preset: str, **options: Any) -> Configured:
    """A safeguard: a pure function (action, action set) -> Guarded, made from a preset and changed settings.

    >>> import safebench
    >>> safeguard = safebench.guard("ray-mask", centre="orthogonal")
    >>> env = safebench.make("cartpole", safeguard, physics="compiled")

    The setting `regularisation` concerns the learner's loss: `make` hands it on.

    Raises:
        LookupError: for an unknown name. ValueError: for an unknown setting or a bad value.
    """
    name, module, config = presets.resolve(preset)
    config = settings.with_options(config, options, "safeguard")
    return Configured(name, config, module.make(config), presets.one_to_one(module, config))


def filter(
    task: str | Task, safeguard: str | Safeguard
) -> Callable[[Float[Array, " n"], Float[Array, " m"]], Guarded]:
    """A safety filter (x, a) -> Guarded for a control loop of one's own: one state, one action, compiled.

    >>> import numpy, safebench
    >>> guarded = safebench.filter("pendulum", "ray-mask")
    >>> x = numpy.array([0.3, 7.9])  # angle [rad], speed [rad/s]: nearly too fast
    >>> bool(guarded(x, numpy.array([1.0])).action[0] < 1.0)
    True

    With a certified safeguard and x in the task's safe set, the next state is in the set again for every
    disturbance in the task's box, provided that the plant is the task's model and the action is held for one
    control period. Read `feasible`: False says that no action is known to be safe (x was outside); what is
    returned then promises nothing.

    A task given by name runs its compiled dynamics, equal to MJX to 1e-12 and faster.

    Raises:
        LookupError, ValueError: as `make`.
    """
    precision.chosen()
    return safety_filter(_task(task, "compiled"), _safeguard(safeguard))


def prove(task: str | Task) -> Proof:
    """Prove a task's safe set again, from its certificate and its dynamics alone.

    >>> import safebench
    >>> safebench.prove("pendulum").passed
    True

    Raises:
        LookupError: for an unknown name. ValueError: as `make`, or if the dynamics cannot be bounded.
    """
    precision.chosen()
    return proof.prove(_task(task, "compiled"))


def train(
    task: str,
    safeguard: str,
    learner: str,
    *,
    seeds: int | Sequence[int] = 10,
    interactions: int | None = None,
    physics: Physics = "mjx",
    progress: bool = True,
    **changes: Any,
) -> Result:
    """Train and evaluate one cell, all its seeds in one compiled program, safety counted at every step.

    >>> import safebench
    >>> small = dict(learner_environments=2, learner_window=4, learner_value_fits=1, progress=False)
    >>> small |= dict(learner_policy_hidden=(8,), learner_value_hidden=(8,))
    >>> small |= dict(evaluation_starts=4, evaluation_horizon=16)
    >>> result = safebench.train(
    ...     "pendulum", "ray-mask", "shac", seeds=2, interactions=32, physics="compiled", **small
    ... )
    >>> result.counted.violations
    0

    seeds: 0 to N-1, or their numbers. interactions: training steps of each (the task's standard budget).
    progress: show it on standard error.
    changes: `learner_FIELD`, `safeguard_FIELD`, `task_FIELD` and `evaluation_FIELD` (points, starts, horizon)
        change a setting, as `--set` does. The result names them; with any, it is not standard.

    `safebench.record.files.write(result, "TASK/SAFEGUARD--LEARNER.json")` keeps it for `safebench report`.

    Raises:
        LookupError: for an unknown name. ValueError: for a bad setting, or a certificate that does not prove
            its set; before anything is compiled. A RuntimeWarning says where updates were skipped because a
            gradient was not finite, and which term to look at.
    """
    cell = _cell(task, safeguard, learner, seeds, interactions, physics, changes)
    if not progress:
        return _told(ended(cell, training.run(cell)))
    with live.table([cell], (), Console(stderr=True, markup=False, emoji=False, highlight=False)) as show:
        show(Event(cell, "compiling"))

        def report(snapshot: Snapshot) -> None:
            show(Event(cell, "training", snapshot))

        event = ended(cell, training.run(cell, report))
        show(event)
    return _told(event)


def _told(event: Event) -> Result:
    """The result that a cell ended with, after a warning where updates were skipped."""
    assert event.result is not None
    if event.problem or event.remark:
        warnings.warn(f"{event.cell.title}: {event.problem or event.remark}", RuntimeWarning, stacklevel=3)
    return event.result


def _task(task: str | Task, physics: Physics) -> Task:
    if isinstance(task, Task):
        return task
    made = registry.make_task(str(task), physics)
    if not registry.built_in("task", str(task)):
        check.check_task(made, str(task), values=True)
    return made


def _safeguard(safeguard: str | Safeguard) -> Safeguard:
    return safeguard if callable(safeguard) else guard(str(safeguard))


def _cell(
    task: str,
    safeguard: str,
    learner: str,
    seeds: int | Sequence[int],
    interactions: int | None,
    physics: Physics,
    changes: Mapping[str, Any],
) -> Cell:
    assignments: dict[str, dict[str, str]] = {owner: {} for owner in settings.OWNERS}
    for name, value in changes.items():
        owner, _, field = name.partition("_")
        if owner not in assignments or not field:
            known = [f"{owner}_FIELD" for owner in settings.OWNERS]
            raise ValueError(registry.unknown("setting", name, known))
        value = value.item() if isinstance(value, np.generic) else value
        assignments[owner][field] = value if isinstance(value, str) else repr(value)
    (cell,) = suites.product([task], [safeguard], [learner])
    count, numbers = _seeds(seeds)
    cell = suites.changed(cell, count, interactions, physics, precision.chosen(), assignments)
    return cell if numbers is None else replace(cell, seeds=numbers)


def _seeds(seeds: int | Sequence[int]) -> tuple[int | None, tuple[int, ...] | None]:
    """How many, or which; numpy's integers are integers too."""
    try:
        if isinstance(seeds, Iterable):
            return None, tuple(operator.index(seed) for seed in seeds)
        return operator.index(seeds), None
    except TypeError:
        raise ValueError(f"seeds wants a whole number or a list of them, not {seeds!r:.80}") from None
