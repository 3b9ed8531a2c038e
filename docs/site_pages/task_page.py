"""The page of one task: what it is, its limits, its safe set, what attacked it and what was learnt."""

import functools
import math

import jax
import mujoco
import numpy as np

from safebench import __version__, registry
from safebench.commands.certify import corridors_of
from safebench.commands.traces import units
from safebench.env.task import Task, observe, start
from safebench.plugin import Plugin
from safebench.runs import suites, task_options
from safebench.sets import certificate as certificates
from safebench.sets import proof
from site_pages import records
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
        _certificate(name, task),
        _proof(name, task, checked),
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


def _certificate(name: str, task: Task) -> str:
    found = task.certificate
    share, low, high = (100 * value for value in found.volume)
    rows = [
        ("states it speaks of", f"{len(found.origin)} of {len(task.state_names)}"),
        ("rows", f"{len(found.offsets)}"),
        ("rows of the base set", f"{len(found.base_offsets)}"),
        ("share of the constraint box", f"{share:.1f} %, 95 % interval [{low:.1f}, {high:.1f}], Monte Carlo"),
        *_largest_share(task),
        ("contraction claimed", f"{found.contraction:g}"),
        ("translated states, reach", _translations(task)),
        ("how it was found", prose(found.method)),
        ("dynamics it is bound to", f"`{found.fingerprint[:16]}`"),
        ("SHA-256, as results record it", f"`{certificates.digest(found)}`"),
    ]
    moves = corridors_of(task)
    moved = (
        f"\nThe set moves with the episode; it holds for every corridor: {prose(moves)}.\n" if moves else ""
    )
    file = f"tasks/certificates/{name.replace('-', '_')}.npz"
    return f"Read from the certificate, `{file}`:\n\n{table(('', ''), rows)}{moved}"


def _largest_share(task: Task) -> list[tuple[str, str]]:
    if task.half_spaces is None:
        return []
    return [("what the half-spaces take", "some of the box, too: the share can never be 100 %")]


def _translations(task: Task) -> str:
    found = task.certificate
    moved = np.argmax(found.translations, axis=0) if found.translation_limits.size else []
    names = [task.state_names[task.constrained[index]] for index in moved]
    reaches = zip(names, found.translation_limits, strict=True)
    return ", ".join(f"{state} ±{number(limit)}" for state, limit in reaches) or "none"


def _proof(name: str, task: Task, checked: proof.Proof) -> str:
    mechanical = task.dynamics.model is not None
    dynamics = "the dynamics compiled from its model" if mechanical else "its linear dynamics"
    slacks = [
        (f"{condition}", "met exactly" if math.isinf(slack) else f"{slack:.2g}")
        for condition, slack in checked.slacks.items()
    ]
    again = "proves it again on your machine" + (", and asks MJX as well" if mechanical else "")
    return (
        f"**Proven while this page was built**, by safebench {__version__}, for {dynamics}: contraction "
        f"{checked.contraction:.6f}, float32 needs {100 * checked.float32_share:.0f} % of the margin for it. "
        f"`safebench certify {name}` {again}. The slack of each condition, relative to its bound:\n\n"
        f"{table(('condition', 'slack'), slacks)}{_forces(task, checked)}"
    )


def _forces(task: Task, checked: proof.Proof) -> str:
    """What the joints that are commanded by acceleration need at most."""
    model, rows = task.dynamics.model, []
    if model is None or not checked.forces:
        return ""
    for force, actuator in zip(checked.forces, task.dynamics.commanded, strict=True):
        hinge = model.jnt_type[model.actuator_trnid[actuator, 0]] == mujoco.mjtJoint.mjJNT_HINGE
        limits = (number(each) if each < np.inf else "none" for each in (force.largest, force.limit))
        rows.append((f"`{force.name}`", *limits, "N m" if hinge else "N"))
    free = task.dynamics.unconstrained
    others = [f"abs {task.state_names[i]} \\<= {reach:g}" for i, reach in free.items()]
    condition = f", as long as {', '.join(others)}, which is not proven" if others else ""
    heads = ("joint", "proven at most", "limit", "unit")
    return f"\nForces over all states of the box and all actions{condition}:\n\n{table(heads, rows)}"


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
