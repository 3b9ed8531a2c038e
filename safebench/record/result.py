"""One result: a task, a safeguard and a learner, all seeds. See safebench.record.files for its file.

`results/README.md` documents the file field by field; `result.schema.json` is its JSON Schema.
Both are made from the dataclasses below (see safebench.record.schema). jax is never imported here.
"""
# ruff: noqa: RUF009 (`about` only wraps dataclasses.field)

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from safebench.record.reached import interactions_to_final
from safebench.record.strict_json import about

SCHEMA_VERSION = 6
OLDEST_VERSION = 1
"""Files of this version are read too: they lack the fields that have a default."""
NAME = "[a-z0-9][a-z0-9.+-]*"
INTERVENTION = 1e-9
"""A change of the action by more than this counts as an intervention (normalised actions)."""
EVALUATION_STARTS = 64
"""Evaluation episodes from starts drawn uniformly in the safe set, in a standard experiment."""
EVALUATION_POINTS = 20
"""Evaluations of a run, evenly spread over training, in a standard experiment."""

PROVEN_ZERO = ("violations", "departures", "infeasible", "last_line", "non_finite")
"""The counts that a proof makes zero."""


def standard_points(version: int) -> int:
    """How many evaluations a standard experiment had when files of this version were written."""
    return EVALUATION_POINTS if version >= 5 else 40


@dataclass(frozen=True)
class Counters:
    """Safety counts over some number of environment steps (meanings: safebench.env.safety)."""

    steps: int = about("environment steps counted", "steps", minimum=0)
    violations: int = about("next states outside the constraints (ground truth)", "steps", minimum=0)
    departures: int = about(
        "next states outside the certified safe set, all that violate among them", "steps", minimum=0
    )
    infeasible: int = about("steps whose safe action set was found empty", "steps", minimum=0)
    last_line: int = about("uses of the last line, the shrink to the certified action", "steps", minimum=0)
    interventions: int = about("steps whose applied action differs from the proposed one", "steps", minimum=0)
    non_finite: int = about("steps with a NaN or infinite action, state or reward", "steps", minimum=0)
    correction: float | None = about(
        "sum of |applied - proposed|; null: not finite", "normalised action", minimum=0
    )
    worst_margin: float | None = about(
        "largest signed distance beyond any constraint, negative while inside; null: no step, or not finite",
        "half-widths of the constraint",
    )
    switches: int | None = about(
        "steps at which the safe set's corridor changed, 0 where it is fixed; null: not recorded",
        "steps",
        minimum=0,
        default=None,
    )

    @property
    def failures(self) -> int:
        """The counts that a proof makes zero, together."""
        return sum(getattr(self, name) for name in PROVEN_ZERO)


@dataclass(frozen=True)
class CounterColumns:
    """The counts of `Counters` at every point of a curve, one column each."""

    steps: tuple[int, ...] = about("as in Counters", "steps", minimum=0)
    violations: tuple[int, ...] = about("as in Counters", "steps", minimum=0)
    departures: tuple[int, ...] = about("as in Counters", "steps", minimum=0)
    infeasible: tuple[int, ...] = about("as in Counters", "steps", minimum=0)
    last_line: tuple[int, ...] = about("as in Counters", "steps", minimum=0)
    interventions: tuple[int, ...] = about("as in Counters", "steps", minimum=0)
    non_finite: tuple[int, ...] = about("as in Counters", "steps", minimum=0)
    correction: tuple[float | None, ...] = about("as in Counters", "normalised action", minimum=0)
    worst_margin: tuple[float | None, ...] = about("as in Counters", "half-widths of the constraint")
    switches: tuple[int, ...] | None = about("as in Counters", "steps", minimum=0, default=None)


@dataclass(frozen=True)
class Curve:
    """What one seed's evaluations saw, one entry per evaluation in every column."""

    interactions: tuple[int, ...] = about(
        "training steps done, strictly increasing", "steps", minimum=0, shortest=1, longest=100_000
    )
    return_mean: tuple[float | None, ...] = about(
        "mean undiscounted return over the evaluation episodes; null: not finite", "reward"
    )
    reference_return: tuple[float | None, ...] | None = about(
        "return of one episode from the paper's start state; null: the task has none", "reward"
    )
    seconds: tuple[float, ...] = about(
        "wall-clock time of all seeds together since training began, compilation excluded", "s", minimum=0
    )
    loss: tuple[float | None, ...] | None = about("the learner's policy loss, if it reports one", "")
    gradient_norm: tuple[float | None, ...] | None = about(
        "norm of the policy's gradient before clipping, if the learner reports one", ""
    )
    training: CounterColumns = about("training safety, cumulative since the start")
    evaluation: CounterColumns = about("safety of this evaluation's episodes alone")
    updates: tuple[int, ...] | None = about(
        "the learner's updates since the start, skipped ones included; null: not recorded",
        "updates",
        minimum=0,
        default=None,
    )
    skipped: tuple[int, ...] | None = about(
        "updates not made since the start, because a loss or gradient was not finite; null: not recorded",
        "updates",
        minimum=0,
        default=None,
    )
    violated: tuple[float, ...] | None = about(
        "share of evaluation episodes (not the paper's) with a violation at any step; null: not recorded",
        minimum=0,
        maximum=1,
        default=None,
    )
    success: tuple[float, ...] | None = about(
        "share of evaluation episodes (not the paper's) x goals in which the goal was reached at some step; "
        "null: the task has no goal, or not recorded",
        minimum=0,
        maximum=1,
        default=None,
    )
    time_to_goal: tuple[float | None, ...] | None = about(
        "mean time until a goal was first reached, of those that were; null: none was, or as success",
        "s",
        minimum=0,
        default=None,
    )


@dataclass(frozen=True)
class Final:
    """Where one seed ended."""

    return_mean: float | None = about("last return_mean of the curve", "reward")
    reference_return: float | None = about("last reference_return of the curve", "reward")
    interactions_to_95: int | None = about(
        "first evaluated interactions with a return no more than 5 % below the final one", "steps", minimum=0
    )
    violated: float | None = about(
        "last violated of the curve; null: not recorded", minimum=0, maximum=1, default=None
    )
    success: float | None = about(
        "last success of the curve; null: no goal, or not recorded", minimum=0, maximum=1, default=None
    )
    time_to_goal: float | None = about(
        "last time_to_goal of the curve; null: none reached, no goal, or not recorded",
        "s",
        minimum=0,
        default=None,
    )


@dataclass(frozen=True)
class Run:
    """One seed."""

    seed: int = about("the seed", minimum=0, maximum=2**32 - 1)
    curve: Curve = about("its evaluations")
    training: Counters = about("totals over training: the curve's last training entries")
    evaluation: Counters = about("totals over all evaluations: sums of the curve's evaluation entries")
    final: Final = about("where it ended")

    @property
    def skipped(self) -> int | None:
        """Updates not made over the whole run; None where a file does not say."""
        return self.curve.skipped[-1] if self.curve.skipped else None

    @property
    def failed(self) -> bool:
        """Whether no update at all was made: nothing was learnt."""
        return bool(
            self.curve.updates and self.curve.updates[-1] > 0 and self.skipped == self.curve.updates[-1]
        )


@dataclass(frozen=True)
class TaskRecord:
    """The task."""

    name: str = about("registered name, or stem of its file", pattern=NAME, longest=64)
    version: int = about("task version; results of different versions do not compare", minimum=0)
    horizon: int = about("length of an episode", "steps", minimum=1)
    control_period: float = about("time between actions", "s", minimum=0)
    source: str | None = about(
        "SHA-256 of the file it was given by; null: registered, or not recorded",
        pattern="[0-9a-f]{64}",
        default=None,
    )
    options: dict[str, Any] | None = about("options of the task that were changed; null: none", default=None)


@dataclass(frozen=True)
class SafeguardRecord:
    """The safeguard."""

    name: str = about("preset name, e.g. ray-mask+passthrough", pattern=NAME, longest=64)
    module: str = about("the registered safeguard it configures, e.g. ray-mask", pattern=NAME, longest=64)
    certified: bool = about("whether it keeps every action in the certified safe action set")
    config: dict[str, Any] = about("full configuration, defaults included (JSON values only)")
    source: str | None = about(
        "SHA-256 of the file it was given by; null: registered, or not recorded",
        pattern="[0-9a-f]{64}",
        default=None,
    )


@dataclass(frozen=True)
class LearnerRecord:
    """The learner."""

    name: str = about("registered name, or stem of its file", pattern=NAME, longest=64)
    config: dict[str, Any] = about("full configuration, defaults included (JSON values only)")
    source: str | None = about(
        "SHA-256 of the file it was given by; null: registered, or not recorded",
        pattern="[0-9a-f]{64}",
        default=None,
    )


@dataclass(frozen=True)
class Settings:
    """Whether this is the standard experiment of its suite."""

    standard: bool = about("true: nothing was changed; only standard results enter the leaderboard")
    changed: tuple[str, ...] = about("names of the changed settings, e.g. learner.gamma", longest=200)


@dataclass(frozen=True)
class CertificateRecord:
    """The certificate of the safe set."""

    sha256: str = about("SHA-256 of the certificate, hexadecimal", pattern="[0-9a-f]{64}")
    verified: bool = about("whether the run re-proved it before training")


@dataclass(frozen=True)
class Equality:
    """How steps of the compiled physics and of MJX compared with C MuJoCo's, before training."""

    states: int = about("states at which they were compared, corners of the box among them", minimum=1)
    compiled: float = about(
        "largest difference of compiled physics, over what rounding is allowed", minimum=0, maximum=1
    )
    mjx: float = about("largest difference of MJX, over what rounding is allowed", minimum=0, maximum=1)


@dataclass(frozen=True)
class Evaluation:
    """The evaluation protocol: deterministic policy, safeguard and disturbance on, fixed keys."""

    episodes: int = about("episodes per evaluation, starts uniform in the safe set", minimum=1)
    horizon: int = about("steps of each", "steps", minimum=1)
    points: int | None = about(
        "evaluations asked for, evenly spread over training; null: not recorded", minimum=1, default=None
    )


@dataclass(frozen=True)
class Timing:
    """Wall-clock time of all seeds together."""

    compile_seconds: float = about("tracing and compiling", "s", minimum=0)
    train_seconds: float = about("training and evaluating, compilation excluded", "s", minimum=0)
    seconds_per_1000_interactions: float = about(
        "1000 train_seconds / (interactions x seeds)", "s", minimum=0
    )
    evaluation_seconds: float | None = about(
        "part of train_seconds that evaluating took; null: not recorded", "s", minimum=0, default=None
    )


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from."""

    packages: dict[str, str] = about("versions of the installed packages that matter", longest=200)
    python: str = about("Python version", longest=200)
    platform: str = about("operating system and processor architecture", longest=200)
    device: str = about("what ran it, e.g. cpu (2 cores) or the accelerator's name", longest=200)
    commit: str | None = about("commit of the code, if known", pattern="[0-9a-f]{7,64}")
    dirty: bool | None = about("whether the code differed from the commit, if known")
    utc: str = about(
        "when it finished", "UTC", pattern=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)"
    )
    command: str = about("the command line", longest=4000)
    environment: dict[str, str] | None = about(
        "what jax and XLA read: the environment's variables, compiler options; null: not recorded",
        longest=4000,
        default=None,
    )


@dataclass(frozen=True)
class Result:
    """One cell: a task, a safeguard, a learner, all seeds."""

    schema_version: int = about("version of this schema", minimum=OLDEST_VERSION, maximum=SCHEMA_VERSION)
    suite: str = about("the suite it belongs to, or custom", pattern=NAME, longest=64)
    task: TaskRecord = about("the task")
    safeguard: SafeguardRecord = about("the safeguard")
    learner: LearnerRecord = about("the learner")
    settings: Settings = about("standard or changed")
    interactions: int = about("training steps of each seed", "steps", minimum=1)
    precision: str = about("of physics and safety", pattern="float64|float32")
    physics: str = about("implementation of the dynamics", pattern="mjx|compiled|plain")
    certificate: CertificateRecord | None = about("of the safe set; null: the task has none")
    evaluation: Evaluation = about("the evaluation protocol")
    runs: tuple[Run, ...] = about("one per seed", shortest=1, longest=10_000)
    non_finite_seeds: tuple[int, ...] = about("seeds with any non-finite step or return", minimum=0)
    timing: Timing = about("wall-clock times")
    provenance: Provenance = about("where it comes from")
    budget: int | None = about(
        "training steps asked for, of each seed, which the schedules span; null: not recorded",
        "steps",
        minimum=1,
        default=None,
    )
    equality: Equality | None = about(
        "of compiled physics with MuJoCo; null: other physics, or not recorded", default=None
    )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of `runs`, in order."""
        return tuple(run.seed for run in self.runs)

    @property
    def certified(self) -> bool:
        """Whether safety was promised: a verified certificate and a safeguard that keeps to it."""
        return self.certificate is not None and self.certificate.verified and self.safeguard.certified

    @property
    def counted(self) -> Counters:
        """Safety over every training and evaluation step of every seed."""
        return together(counters for run in self.runs for counters in (run.training, run.evaluation))

    @property
    def intervened(self) -> float:
        """Share of the training steps whose action the safeguard changed: evaluations, of which one
        experiment may have more than another, see the trained policy more often than training does."""
        training = together(run.training for run in self.runs)
        return training.interventions / max(training.steps, 1)

    @property
    def broken_promise(self) -> bool:
        """Whether a certified cell counted anything that its certificate rules out."""
        return self.certified and self.counted.failures > 0

    @property
    def skipped(self) -> int | None:
        """Updates not made, of all seeds; None where a file does not say."""
        counts = [run.skipped for run in self.runs]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def failed_seeds(self) -> tuple[int, ...]:
        """The seeds of which every update was skipped: they learnt nothing."""
        return tuple(run.seed for run in self.runs if run.failed)

    @property
    def has_goal(self) -> bool:
        """Whether it says how often the task's goals were reached."""
        return self.runs[0].curve.success is not None

    @property
    def from_files(self) -> tuple[str, ...]:
        """Which of task, safeguard and learner were given by a file."""
        sources = {
            "task": self.task.source,
            "safeguard": self.safeguard.source,
            "learner": self.learner.source,
        }
        return tuple(name for name, source in sources.items() if source is not None)

    @property
    def title(self) -> str:
        """task/safeguard--learner, the name of its file without folder and suffix."""
        return f"{self.task.name}/{self.safeguard.name}--{self.learner.name}"


def column(values: Any) -> tuple:
    """Numbers of any array as a column: Python scalars, None where not finite."""
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return tuple(int(value) for value in array)
    return tuple(float(value) if math.isfinite(value) else None for value in array)


def make_run(seed: int, curve: Curve) -> Run:
    """One seed from its curve: totals and finals follow from it."""
    return Run(int(seed), curve, entries(curve.training)[-1], total(curve.evaluation), final(curve))


def entries(columns: CounterColumns) -> list[Counters]:
    """The counts at every point of a curve."""
    recorded = {name: values for name, values in vars(columns).items() if values is not None}
    return [
        Counters(**dict(zip(recorded, counts, strict=True)))
        for counts in zip(*recorded.values(), strict=True)
    ]


def total(columns: CounterColumns) -> Counters:
    """The entries of all points together."""
    return together(entries(columns))


def together(parts: Iterable[Counters]) -> Counters:
    """Sums, and the largest of the worst margins; correction and switches are None where one of them is."""
    parts = list(parts)
    names = [field.name for field in dataclasses.fields(Counters)]
    counts = {name: [getattr(part, name) for part in parts] for name in names}
    margins = [margin for margin in counts.pop("worst_margin") if margin is not None]
    corrections, switches = counts.pop("correction"), counts.pop("switches")
    return Counters(
        **{name: sum(values) for name, values in counts.items()},
        correction=None if None in corrections else math.fsum(corrections),
        switches=None if None in switches else sum(switches),
        worst_margin=max(margins, default=None),
    )


def final(curve: Curve) -> Final:
    """Where a curve ends."""
    reference = curve.reference_return[-1] if curve.reference_return else None
    reached = interactions_to_final(curve.interactions, curve.return_mean)
    return Final(
        return_mean=curve.return_mean[-1],
        reference_return=reference,
        interactions_to_95=reached,
        violated=curve.violated[-1] if curve.violated else None,
        success=curve.success[-1] if curve.success else None,
        time_to_goal=curve.time_to_goal[-1] if curve.time_to_goal else None,
    )


def non_finite_seeds(runs: tuple[Run, ...]) -> tuple[int, ...]:
    """The seeds with any non-finite step or return."""
    return tuple(
        run.seed
        for run in runs
        if run.training.non_finite
        or run.evaluation.non_finite
        or None in run.curve.return_mean
        or None in (run.curve.reference_return or ())
    )
