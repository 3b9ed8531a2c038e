"""The page of one task: what it is, its limits, its safe set, what attacked it and what was learnt."""

import functools

import jax
import mujoco
import numpy as np

from safebench import registry
from safebench.commands.traces import units
from safebench.env.task import Task, observe, start
from safebench.plugin import Plugin
from safebench.runs import suites, task_options
from safebench.sets import certificate as certificates
from safebench.sets import proof
from site_pages import records, safe_set_part
from site_pages.pictures import picture
from site_pages.text import code, docstring, number, prose, table


def page(name: str) -> str:
    """The page of a registered task, as markdown.

    Raises:
        ValueError: if its safe set is not proven.
    """
    task = _made(name)
    checked = proof.prove(task)
    if not checked.passed:
        raise ValueError(f"{name}: not proven: {'; '.join(checked.failures)}")
    return described(name, task, checked)


def row(name: str) -> tuple[str, ...]:
    """What the overview of tasks says of one, after its name."""
    task = _made(name)
    share, rows = task.certificate.volume[0], len(task.certificate.offsets)
    moving = ", moving" if task.corridors is not None else ""
    sizes = (len(task.state_names), len(task.action_names), rows)
    return prose(task.summary), *map(str, sizes), f"{100 * share:.1f} %{moving}"


ROW = ("what it is", "states", "actions", "rows of the safe set", "its share of the box")
"""The headings of `row`."""


@functools.cache
def _made(name: str) -> Task:
    return registry.make_task(name, "compiled")


def described(name: str, task: Task, checked: proof.Proof) -> str:
    """The page of a registered task that was made and proven."""
    plugin = registry.find("task", name)
    parts = [
        f"# {name}",
        f"**{name}**: {prose(task.summary)}. What follows is said of all tasks of its file."
        if plugin.options
        else "",
        picture(f"play-{name}", f"A rollout of {name}"),
        docstring(plugin.module),
        "## States",
        _states(task),
        "## Actions",
        _actions(task),
        "## Disturbance",
        _disturbance(task),
        "## Episode",
        _episode(task),
        _options(plugin),
        "## Safe set",
        safe_set_part.certificate(name, task),
        safe_set_part.proof(name, task, checked),
        "## Attacks",
        records.attack_tables(name, certificates.known_digests(task.certificate)),
        _drawn(name),
        "## Results",
        records.result_tables("task", name),
        "## Run it",
        _commands(name),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _states(task: Task) -> str:
    constrained = {int(index): place for place, index in enumerate(task.constrained)}
    rows = []
    for index, (state, unit) in enumerate(zip(task.state_names, units(task), strict=True)):
        if index in constrained:
            place = constrained[index]
            limits = [side[place] for side in (*task.constraints, task.certificate.origin)]
            rows.append((f"`{state}`", unit or "-", *map(number, limits)))
        else:
            rows.append((f"`{state}`", unit or "-", "none", "none", "-"))
    text = table(("state", "unit", "lower limit", "upper limit", "origin of the safe set"), rows)
    if task.half_spaces is not None:
        names = [task.state_names[index] for index in task.constrained]
        rows = zip(*task.half_spaces, strict=True)
        lines = [(_half_space(normal, names), number(offset)) for normal, offset in rows]
        text += "\nHalf-spaces beside the box:\n\n" + table(("sum", "at most"), lines)
    if task.excess is not None:
        text += "\nFurther constraints depend on the episode (obstacles, other bodies): `Task.excess`.\n"
    return text + "\nLeaving any of these limits is counted as a violation.\n"


def _half_space(normal: np.ndarray, names: list[str]) -> str:
    terms = [f"{factor:+.4g} {name}" for factor, name in zip(normal, names, strict=True) if factor]
    return f"`{' '.join(terms)}`"


def _actions(task: Task) -> str:
    model = task.dynamics.model
    if model is None:
        rows = [(f"`{name}`", "see above") for name in task.action_names]
    else:
        commanded, rows = set(task.dynamics.commanded), []
        for index, name in enumerate(task.action_names):
            low, high = model.actuator_ctrlrange[index] if model.actuator_ctrllimited[index] else (-1.0, 1.0)
            what = "acceleration of its joint" if index in commanded else "control"
            gear = "" if index in commanded else _gear(model, index)
            rows.append((f"`{name}`", f"{what} from {number(low)} to {number(high)}{gear}"))
    return table(("action in [-1, 1]", "stands for"), rows)


def _gear(model: mujoco.MjModel, index: int) -> str:
    gear = model.actuator_gear[index, 0]
    on_joint = model.actuator_trntype[index] == mujoco.mjtTrn.mjTRN_JOINT
    return f", times a gear of {number(gear)}" if on_joint and gear != 1 else ""


def _disturbance(task: Task) -> str:
    rows = [(index, *map(number, sides)) for index, sides in enumerate(zip(*task.disturbance, strict=True))]
    return (
        "The box that safety is proven for, whatever happens inside it at each step; simulation draws from "
        "it.\n\n" + table(("disturbance", "lower", "upper"), rows)
    )


def _episode(task: Task) -> str:
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)

    def first(key):
        x, context, corridor = start(task, key)
        return observe(task, x, context, corridor)

    (width,) = jax.eval_shape(first, key).shape
    length = task.horizon * task.control_period
    unit, scale = ("h", 3600) if length >= 36000 else ("s", 1)
    rows = [
        ("horizon", f"{task.horizon} steps, {number(length / scale)} {unit}"),
        ("control interval", f"{number(task.control_period)} s"),
        ("observation", f"{width} numbers"),
        ("agents", task.agents),
        (
            "physics",
            "MJX, or compiled from the MJCF" if task.dynamics.model is not None else "linear, plain JAX",
        ),
        ("goal", "yes: success and time to it are recorded" if task.reached is not None else "none"),
        ("the paper's start", "evaluated beside the others" if task.reference_start is not None else "none"),
        ("standard budget", f"{suites.budget(task.name):,} interactions a seed"),
        ("task version", task.version),
        ("suites", ", ".join(f"`{suite}`" for suite in _suites(task.name)) or "none"),
    ]
    return table(("", ""), rows)


@functools.cache
def _all_suites() -> dict[str, frozenset[str]]:
    return {name: frozenset(cell.task for cell in make()) for name, make in suites.SUITES.items()}


def _suites(task: str) -> list[str]:
    return [name for name, tasks in _all_suites().items() if task in tasks]


def _options(plugin: Plugin) -> str:
    defaults = vars(task_options.defaults(plugin))
    if not defaults:
        return ""
    rows = [(f"`task.{name}`", code(value)) for name, value in defaults.items()]
    return f"## Options\n\n{table(('`--set`', 'default'), rows)}\n{docstring(plugin.module.make)}\n"


def _drawn(name: str) -> str:
    drawn = picture(f"safeguards-{name}", f"What each safeguard does to the actions of {name} at one state")
    return f"## What safeguards do to its actions\n\n{drawn}" if drawn else ""


def _commands(name: str) -> str:
    lines = [
        f"safebench certify {name}",
        f"safebench play -t {name} -g none -g ray-mask --physics compiled --steps 100 --out {name}.png",
        f"safebench run -t {name} -g none -g ray-mask -l shac --seeds 2",
    ]
    return "```bash\n" + "\n".join(lines) + "\n```\n"
