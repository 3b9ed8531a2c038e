"""A cell made concrete: its task, safeguard and learner, built and checked before anything is compiled."""

import json
from typing import Any, NamedTuple

from safebench import registry
from safebench.env.environment import Env
from safebench.env.task import Task
from safebench.learning.applied_density import NoDensity
from safebench.learning.learner import Learner
from safebench.plugin import Plugin, speaking
from safebench.record import files
from safebench.record.result import Evaluation, LearnerRecord, SafeguardRecord, TaskRecord
from safebench.record.strict_json import build, plain
from safebench.runs import bounds, check, presets, settings, task_options
from safebench.runs.cell import Cell


class Prepared(NamedTuple):
    """The parts of a cell, and how its result records them.

    built_in: task, safeguard and learner are of safebench itself.
    """

    cell: Cell
    task: Task
    env: Env
    learner: Learner
    safeguard_name: str
    certified: bool
    safeguard_config: Any
    learner_config: Any
    task_record: TaskRecord
    safeguard_record: SafeguardRecord
    learner_record: LearnerRecord
    learner_file: str
    built_in: bool


def prepare(cell: Cell) -> Prepared:
    """Build a cell's task, safeguard and learner, and check all that can be checked without compiling.

    Raises:
        LookupError: for an unknown name. ValueError: for a bad setting, a name that no result can have, a
            plug-in that takes a registered name, or one whose functions give something else than expected.
    """
    bounds.check(cell)
    task_plugin = registry.find("task", cell.task)
    guard_plugin, safeguard_config = presets.resolved(cell.safeguard)
    learner_plugin = registry.find("learner", cell.learner)
    # What is safebench's own fits together: tests try it, and no user waits for it.
    built_in = all(map(_built_in, (task_plugin, guard_plugin, learner_plugin)))
    for plugin in (task_plugin, guard_plugin, learner_plugin):
        _check_name(plugin)
    safeguard_config = settings.with_options(safeguard_config, dict(cell.safeguard_changes), "safeguard")
    learner_config = tuned(learner_plugin, task_plugin.name)
    learner_config = settings.with_options(learner_config, dict(cell.learner_changes), "learner")

    options = task_options.given(task_plugin, dict(cell.task_changes))
    task = registry.make_task(cell.task, cell.physics, **options)
    _check_task_name(task, task_plugin)
    _check_evaluation(cell, task.horizon)
    check.check_task(task, _file(task_plugin), values=not _built_in(task_plugin))
    safeguard = _made(guard_plugin, safeguard_config)
    check.check_safeguard(safeguard, task, _file(guard_plugin), trace=not built_in)
    one_to_one = presets.one_to_one(guard_plugin.module, safeguard_config)
    env = Env(task, safeguard, _regularisation(guard_plugin, safeguard_config), one_to_one)
    try:
        learner = _made(learner_plugin, env, learner_config, cell.interactions)
    except NoDensity as error:
        raise ValueError(f"{error}, which {cell.safeguard!r} is not: choose from {_one_to_one()}") from None
    check.check_learner(learner, env, cell.interactions, _file(learner_plugin), trace=not built_in)

    guard_name = cell.safeguard if guard_plugin.source is None else guard_plugin.name
    certified = guard_plugin.module.CERTIFIED
    return Prepared(
        cell=cell,
        task=task,
        env=env,
        learner=learner,
        safeguard_name=guard_plugin.name,
        certified=certified,
        safeguard_config=safeguard_config,
        learner_config=learner_config,
        task_record=_checked(
            TaskRecord(
                task_plugin.name,
                task.version,
                task.horizon,
                task.control_period,
                task_plugin.source,
                options or None,
            ),
            task_plugin,
        ),
        safeguard_record=_checked(
            SafeguardRecord(
                guard_name,
                guard_plugin.name,
                certified,
                _json(safeguard_config, guard_plugin),
                guard_plugin.source,
            ),
            guard_plugin,
        ),
        learner_record=_checked(
            LearnerRecord(learner_plugin.name, _json(learner_config, learner_plugin), learner_plugin.source),
            learner_plugin,
        ),
        learner_file=_file(learner_plugin),
        built_in=built_in,
    )


def schedule(prepared: Prepared) -> tuple[int, int]:
    """Updates between two evaluations, and how many evaluations there are."""
    total = prepared.cell.interactions // prepared.learner.interactions
    updates = max(1, total // prepared.cell.evaluations)
    return updates, total // updates


def evaluation_of(prepared: Prepared) -> Evaluation:
    """How the cell is evaluated, as its result records it."""
    horizon = prepared.cell.evaluation_horizon
    steps = prepared.task.horizon if horizon is None else horizon
    return Evaluation(prepared.cell.evaluation_starts, steps, prepared.cell.evaluations)


def _check_evaluation(cell: Cell, longest: int) -> None:
    horizon = cell.evaluation_horizon
    if horizon is not None and not 1 <= horizon <= longest:
        raise ValueError(f"evaluation.horizon must be between 1 and the task's {longest}, not {horizon}")


def _check_name(plugin: Plugin) -> None:
    """A plug-in's name can name a result, and one given by a file takes no registered name."""
    try:
        files.cell_path("", plugin.name, plugin.name, plugin.name)
    except ValueError as error:
        raise ValueError(f"{plugin.file}: {error}") from None
    known = presets.names() if plugin.kind == "safeguard" else registry.names(plugin.kind)
    if plugin.source is not None and plugin.name in known:
        raise ValueError(
            f"{plugin.file}: {plugin.name!r} is a registered {plugin.kind}: name the file otherwise, "
            f"or say {plugin.name} to mean that one"
        )


def _check_task_name(task: Any, plugin: Plugin) -> None:
    if not isinstance(task, Task):
        raise ValueError(f"{_file(plugin)}: make() gives a {type(task).__name__}: expected a Task")
    if registry.name_of(f"{task.name}.py") != plugin.name:
        raise ValueError(
            f"{_file(plugin)}: Task.name is {task.name!r}, but the file is called {plugin.name!r}: "
            "they must be the same"
        )


def tuned(plugin: Plugin, task: str) -> Any:
    """The learner's settings for a task, with what its variant changes."""
    defaults = presets.defaults(plugin)
    found = plugin.module.SETTINGS.get(task, defaults)
    if type(found) is not type(defaults):
        raise ValueError(f"{_file(plugin)}: SETTINGS[{task!r}] is {found!r:.80}: expected a Config")
    with speaking(f"{plugin.file}: VARIANTS[{plugin.name!r}]"):
        return settings.with_options(found, plugin.options, "learner")


def _one_to_one() -> str:
    found = ((name, *presets.resolve(name)[1:]) for name in presets.names())
    return ", ".join(name for name, module, config in found if presets.one_to_one(module, config))


def _made(plugin: Plugin, *arguments: Any) -> Any:
    if _built_in(plugin):
        return plugin.module.make(*arguments)
    with speaking(_file(plugin), "make"):
        return plugin.module.make(*arguments)


def _regularisation(plugin: Plugin, config: Any) -> float:
    value = _json(config, plugin).get("regularisation")
    if type(value) is not float:
        found = "no regularisation" if value is None else f"regularisation {value!r:.80}"
        raise ValueError(
            f"{_file(plugin)}: Config has {found}: expected a float, 0.0 where it wants no extra loss"
        )
    return value


def _json(config: Any, plugin: Plugin) -> dict[str, Any]:
    """A config as a result records it."""
    values = plain(config)
    for name, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(
                f"{_file(plugin)}: Config.{name} is {value!r:.80}: expected what JSON can hold "
                "(finite numbers, text, true or false, null, lists of them)"
            ) from None
    return values


def _checked(record: Any, plugin: Plugin) -> Any:
    """The record, if a result may hold it: what breaks the schema is found before training."""
    try:
        build(type(record), json.loads(json.dumps(plain(record), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_file(plugin)}: {plugin.kind} {error}") from None
    return record


def _built_in(plugin: Plugin) -> bool:
    return plugin.module.__name__.startswith(f"{registry.PACKAGES[plugin.kind]}.")


def _file(plugin: Plugin) -> str:
    """What messages call a plug-in: its file, or its name where it is registered."""
    return plugin.file if plugin.source is not None else f"{plugin.kind} {plugin.name!r}"
