"""Suites: named lists of cells (task, safeguard preset, learner) with their seeds and budgets."""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from safebench import registry
from safebench.env.require import require_count
from safebench.plugin import Kind
from safebench.record.result import Result, Settings, standard_points
from safebench.runs import bounds, presets
from safebench.runs.cell import Cell
from safebench.runs.presets import PAPER
from safebench.runs.settings import with_options

BUDGETS: Mapping[str, int] = {
    "pendulum": 100_000,
    "quadrotor": 200_000,
    "energy": 1_000_000,
    "energy-heating": 1_000_000,
    "seeker-blind": 500_000,
    "arm4": 500_000,
    "arm7": 500_000,
    "arm14": 500_000,
}
"""Training interactions by task: the paper's, where it has the task."""

DEFAULT_BUDGET = 200_000
CUSTOM = "custom"
"""The suite of cells named one by one: standard seeds and budgets."""
STANDARD_SEEDS = 10
COMPARED = (
    *("seeds", "interactions", "precision"),
    *("evaluations", "evaluation_starts", "evaluation_horizon"),
)
"""The fields of a cell that are settings, beside the changes of learner and safeguard.

Not the physics: a result says how compiled physics compared with MJX (`safebench.runs.equality`).
"""
PAPER_TASKS = ("pendulum", "quadrotor", "energy", "energy-heating")
"""The paper's energy task is energy-heating; energy is its house all year, with a pump that cools as well."""
PAPER_OTHER_LEARNERS = ("none", "boundary-projection", "ray-mask")
ARMS = ("arm2", "arm4", "arm7", "arm14")
"""The same arm with more and more joints."""
DIMENSIONS_TASKS = (
    *(*ARMS, "arm2-obstacles", "quadrotor3d", "cartpole-swingup"),
    *("energy-heating", "docking", "docking-line-of-sight", "cruise"),
)
SOFT_TASKS = PAPER_TASKS
SOFT_ROWS = (
    *(("none", learner) for learner in ("shac", "shac-lagrangian", "ppo", "ppo-lagrangian")),
    *(
        (safeguard, learner)
        for safeguard in ("boundary-projection", "ray-mask")
        for learner in ("shac", "ppo")
    ),
)
"""Safeguards and learners: no constraint, a soft one, a certified one."""
NAVIGATION_TASKS = ("seeker", "seeker-blind", "quadrotor-obstacles", "crowd")
NAVIGATION_SAFEGUARDS = (
    *("none", "boundary-projection", "ray-mask", "ray-mask-hyperbolic"),
    *("cbf-qp", "replacement"),
)


@dataclass(frozen=True)
class Protocol:
    """What `--set evaluation.FIELD=VALUE` changes. points: evaluations of a run, evenly spread over training.
    starts: episodes of each. horizon: steps of an episode, 0 for the task's."""

    points: int
    starts: int
    horizon: int

    def __post_init__(self):
        require_count("points", self.points, most=bounds.POINTS)
        require_count("starts", self.starts, most=bounds.STARTS)
        require_count("horizon", self.horizon, least=0, most=bounds.HORIZON)


def budget(task: str) -> int:
    """The standard number of training interactions of a task."""
    return BUDGETS.get(task, DEFAULT_BUDGET)


def quick() -> list[Cell]:
    """Minutes on a laptop: SHAC on the pendulum without and with two safeguards."""
    safeguards = ("none", "boundary-projection", "ray-mask")
    return [
        Cell("quick", "pendulum", name, "shac", tuple(range(5)), budget("pendulum")) for name in safeguards
    ]


def paper() -> list[Cell]:
    """The paper's comparison: its tasks and energy, nine safeguards with SHAC, three with PPO and SAC."""
    rows = [("shac", name) for name in PAPER]
    rows += [(learner, name) for learner in ("ppo", "sac") for name in PAPER_OTHER_LEARNERS]
    return [_standard("paper", task, name, learner) for task in PAPER_TASKS for learner, name in rows]


def analytic() -> list[Cell]:
    """The same tasks and nine safeguards with SHAC alone."""
    return [_standard("analytic", task, name, "shac") for task in PAPER_TASKS for name in PAPER]


def navigation() -> list[Cell]:
    """Safe sets that move: obstacles and crowds, six safeguards, SHAC and PPO."""
    return [
        _standard("navigation", task, name, learner)
        for task in NAVIGATION_TASKS
        for name in NAVIGATION_SAFEGUARDS
        for learner in ("shac", "ppo")
    ]


def dimensions() -> list[Cell]:
    """Where the paper stopped: many joints, attitude, a swing-up, and tasks of other fields."""
    return [
        _standard("dimensions", task, name, "shac")
        for task in DIMENSIONS_TASKS
        for name in ("none", "boundary-projection", "ray-mask")
    ]


def soft() -> list[Cell]:
    """Constraints kept softly, by a Lagrange multiplier, beside none and beside certified safeguards."""
    return [
        _standard("soft", task, safeguard, learner) for task in SOFT_TASKS for safeguard, learner in SOFT_ROWS
    ]


def full() -> list[Cell]:
    """Every task, safeguard and learner."""
    every = itertools.product(registry.names("task"), presets.names(), registry.names("learner"))
    return [_standard("full", *names) for names in every]


SUITES = {
    "quick": quick,
    "analytic": analytic,
    "paper": paper,
    "navigation": navigation,
    "dimensions": dimensions,
    "soft": soft,
    "full": full,
}


def _standard(suite: str, task: str, safeguard: str, learner: str) -> Cell:
    return Cell(suite, task, safeguard, learner, tuple(range(STANDARD_SEEDS)), budget(task))


def cells(name: str) -> list[Cell]:
    """The cells of a suite.

    Raises:
        LookupError: for an unknown suite.
    """
    if name not in SUITES:
        raise LookupError(registry.unknown("suite", name, SUITES))
    return SUITES[name]()


def standard_cell(found: Result) -> Cell:
    """The cell that a result says it is, with the standard settings of its version.

    Raises:
        LookupError: if its suite, or that cell in it, is unknown.
    """
    points = standard_points(found.schema_version)
    if found.suite == CUSTOM:
        (cell,) = product([found.task.name], [found.safeguard.name], [found.learner.name])
        return dataclasses.replace(cell, evaluations=points)
    for cell in cells(found.suite):
        if cell.title == found.title:
            return dataclasses.replace(cell, evaluations=points)
    raise LookupError(f"suite {found.suite!r} has no cell {found.title!r}")


def part(
    name: str, tasks: list[str] | None, safeguards: list[str] | None, learners: list[str] | None
) -> list[Cell]:
    """The cells of a suite that have the tasks, safeguards and learners named (None or none named: any).

    Raises:
        LookupError: for an unknown suite, or a name that none of the cells left so far has.
    """
    left = cells(name)
    for kind, wanted in (("task", tasks), ("safeguard", safeguards), ("learner", learners)):
        known = list(dict.fromkeys(getattr(cell, kind) for cell in left))
        for choice in wanted or ():
            if choice not in known:
                raise LookupError(f"suite {name!r}: {registry.unknown(kind, choice, known)}")
        left = [cell for cell in left if not wanted or getattr(cell, kind) in wanted]
    return left


def product(tasks: list[str] | None, safeguards: list[str] | None, learners: list[str] | None) -> list[Cell]:
    """Every combination of the names given, with standard seeds and budgets.

    Raises:
        ValueError: if one of the three is missing.
    """
    missing = [flag for flag, given in (("-t", tasks), ("-g", safeguards), ("-l", learners)) if not given]
    if missing:
        raise ValueError(f"a cell needs a task, a safeguard and a learner: {', '.join(missing)} missing")
    return [
        _standard(CUSTOM, task, safeguard, learner)
        for task in tasks or ()
        for safeguard in safeguards or ()
        for learner in learners or ()
    ]


def changed(
    cell: Cell,
    seeds: int | None,
    interactions: int | None,
    physics: str,
    precision: str,
    assignments: Mapping[str, Mapping[str, str]],
) -> Cell:
    """A cell with the command line's changes.

    Raises:
        ValueError: if `seeds` or `interactions` is out of its bounds (see safebench.runs.bounds), or the
            evaluation has no such setting or value.
    """
    if seeds is not None:
        require_count("seeds", seeds, most=bounds.SEEDS)
    if interactions is not None:
        require_count("interactions", interactions, most=bounds.INTERACTIONS)
    protocol = Protocol(cell.evaluations, cell.evaluation_starts, cell.evaluation_horizon or 0)
    protocol = with_options(protocol, assignments.get("evaluation", {}), "evaluation")
    return dataclasses.replace(
        cell,
        seeds=cell.seeds if seeds is None else tuple(range(seeds)),
        interactions=cell.interactions if interactions is None else interactions,
        physics=physics,
        precision=precision,
        learner_changes=tuple(assignments.get("learner", {}).items()),
        safeguard_changes=tuple(assignments.get("safeguard", {}).items()),
        task_changes=tuple(assignments.get("task", {}).items()),
        evaluations=protocol.points,
        evaluation_starts=protocol.starts,
        evaluation_horizon=protocol.horizon or None,
    )


def settings_of(cell: Cell) -> Settings:
    """Which settings of a cell differ from its suite's (or, outside a suite, from the standard ones).

    A plug-in given by a file is a change too: others do not have it.
    """
    standard = _standard(cell.suite, cell.task, cell.safeguard, cell.learner)
    if cell.suite in SUITES:
        standard = next((other for other in SUITES[cell.suite]() if other.title == cell.title), standard)
    changed = [name for name in COMPARED if getattr(cell, name) != getattr(standard, name)]
    changed += [f"learner.{name}" for name, _ in cell.learner_changes]
    changed += [f"safeguard.{name}" for name, _ in cell.safeguard_changes]
    changed += [f"task.{name}" for name, _ in cell.task_changes]
    changed += [f"{kind}.source" for kind in ("task", "safeguard", "learner") if given_by_file(cell, kind)]
    return Settings(standard=not changed, changed=tuple(changed))


def given_by_file(cell: Cell, kind: Kind) -> bool:
    """Whether a cell's task, safeguard or learner is no registered one, but a file or a dotted path."""
    name = getattr(cell, kind)
    return name not in presets.PRESETS and not registry.is_registered(kind, name)
