"""One result: a task, a safeguard and a learner, all seeds. One JSON file each, written atomically.

`results/README.md` documents the file field by field; `safebench/result.schema.json` is its JSON Schema.
Both are made from the dataclasses below (see safebench.schema). jax is never imported here.
"""
# ruff: noqa: RUF009 (`about` only wraps dataclasses.field)

import dataclasses
import json
import math
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from safebench import stats
from safebench.record import about, build, plain

SCHEMA_VERSION = 1
NAME = "[a-z0-9][a-z0-9.+-]*"
LARGEST_FILE = 64 * 2**20
"""Bytes; a larger file is refused unread."""


@dataclass(frozen=True)
class Counters:
    """Safety counts over some number of environment steps (meanings: safebench.safety)."""

    steps: int = about("environment steps counted", "steps", minimum=0)
    violations: int = about("next states outside the constraints (ground truth)", "steps", minimum=0)
    departures: int = about("next states outside the certified safe set", "steps", minimum=0)
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


@dataclass(frozen=True)
class Final:
    """Where one seed ended."""

    return_mean: float | None = about("last return_mean of the curve", "reward")
    reference_return: float | None = about("last reference_return of the curve", "reward")
    interactions_to_95: int | None = about(
        "first evaluated interactions with a return no more than 5 % below the final one", "steps", minimum=0
    )


@dataclass(frozen=True)
class Run:
    """One seed."""

    seed: int = about("the seed", minimum=0, maximum=2**32 - 1)
    curve: Curve = about("its evaluations")
    training: Counters = about("totals over training: the curve's last training entries")
    evaluation: Counters = about("totals over all evaluations: sums of the curve's evaluation entries")
    final: Final = about("where it ended")


@dataclass(frozen=True)
class TaskRecord:
    """The task."""

    name: str = about("registered name", pattern=NAME, longest=64)
    version: int = about("task version; results of different versions do not compare", minimum=0)
    horizon: int = about("length of an episode", "steps", minimum=1)
    control_period: float = about("time between actions", "s", minimum=0)


@dataclass(frozen=True)
class SafeguardRecord:
    """The safeguard."""

    name: str = about("preset name, e.g. ray-mask+passthrough", pattern=NAME, longest=64)
    module: str = about("the registered safeguard it configures, e.g. ray-mask", pattern=NAME, longest=64)
    certified: bool = about("whether it keeps every action in the certified safe action set")
    config: dict[str, Any] = about("full configuration, defaults included (JSON values only)")


@dataclass(frozen=True)
class LearnerRecord:
    """The learner."""

    name: str = about("registered name", pattern=NAME, longest=64)
    config: dict[str, Any] = about("full configuration, defaults included (JSON values only)")


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
class Evaluation:
    """The evaluation protocol: deterministic policy, safeguard and disturbance on, fixed keys."""

    episodes: int = about("episodes per evaluation, starts uniform in the safe set", minimum=1)
    horizon: int = about("steps of each", "steps", minimum=1)


@dataclass(frozen=True)
class Timing:
    """Wall-clock time of all seeds together."""

    compile_seconds: float = about("tracing and compiling", "s", minimum=0)
    train_seconds: float = about("training and evaluating, compilation excluded", "s", minimum=0)
    seconds_per_1000_interactions: float = about(
        "1000 train_seconds / (interactions x seeds)", "s", minimum=0
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


@dataclass(frozen=True)
class Result:
    """One cell: a task, a safeguard, a learner, all seeds."""

    schema_version: int = about("version of this schema", minimum=SCHEMA_VERSION, maximum=SCHEMA_VERSION)
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

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of `runs`, in order."""
        return tuple(run.seed for run in self.runs)

    @property
    def certified(self) -> bool:
        """Whether safety was promised: a verified certificate and a safeguard that keeps to it."""
        return self.certificate is not None and self.certificate.verified and self.safeguard.certified

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
    training = Counters(**{name: values[-1] for name, values in _columns(curve.training).items()})
    return Run(int(seed), curve, training, total(curve.evaluation), final(curve))


def total(columns: CounterColumns) -> Counters:
    """All entries together: sums, and the largest of the worst margins."""
    values = _columns(columns)
    margins = [margin for margin in values.pop("worst_margin") if margin is not None]
    corrections = values.pop("correction")
    known = [correction for correction in corrections if correction is not None]
    return Counters(
        **{name: sum(entries) for name, entries in values.items()},
        correction=math.fsum(known) if len(known) == len(corrections) else None,
        worst_margin=max(margins, default=None),
    )


def final(curve: Curve) -> Final:
    """Where a curve ends."""
    reference = curve.reference_return[-1] if curve.reference_return else None
    reached = stats.interactions_to_final(curve.interactions, curve.return_mean)
    return Final(curve.return_mean[-1], reference, reached)


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


def _columns(columns: CounterColumns) -> dict[str, tuple]:
    return {field.name: getattr(columns, field.name) for field in dataclasses.fields(columns)}


def cell_path(folder: str | Path, task: str, safeguard: str, learner: str) -> Path:
    """FOLDER/TASK/SAFEGUARD--LEARNER.json.

    Raises:
        ValueError: for a name that is not lower-case letters, digits, dots, plus and minus signs.
    """
    for name in (task, safeguard, learner):
        if not re.fullmatch(NAME, name) or len(name) > 64 or "--" in name:
            raise ValueError(f"{name[:80]!r} cannot name a result: use a-z, 0-9, '.', '+' and single '-'")
    return Path(folder) / task / f"{safeguard}--{learner}.json"


def write(result: Result, path: str | Path) -> None:
    """Write a result so that, at any interruption, the file is the old one, the new one or absent.

    Raises:
        ValueError: if the result breaks the schema (then nothing is written).
        OSError: one line, if the folder cannot be written.
    """
    path = Path(path)
    try:
        text = json.dumps(plain(result), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
        build(Result, json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not written: {error}") from None
    try:
        _write_atomically(text + "\n", path)
    except OSError as error:
        raise OSError(f"{path}: cannot be written: {error.strerror or error}") from None


def _write_atomically(text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    # The rename itself must survive a power loss too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: str | Path) -> Result:
    """Read a result.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        return parse(_read(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None


def parse(text: str) -> Result:
    """The result that a JSON text holds.

    Raises:
        ValueError: one line saying what is wrong with it.
    """
    try:
        data = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg} at character {error.pos}); is it truncated?") from None
    except RecursionError:
        raise ValueError("not a result: nested too deeply") from None
    if isinstance(data, dict) and type(data.get("schema_version")) is int:
        version = data["schema_version"]
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema_version: this version reads {SCHEMA_VERSION}, not {version}")
    return build(Result, data)


def _read(path: Path) -> str:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > LARGEST_FILE:
        raise ValueError(f"has {status.st_size} bytes, more than the {LARGEST_FILE} of the largest result")
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError(f"has more than the {LARGEST_FILE} bytes of the largest result")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start})") from None


def _refuse_constant(token: str) -> float:
    raise ValueError(f"the number {token} is not allowed: not-finite values are null")


def _finite(token: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise ValueError(f"the number {token[:40]} is too large")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise ValueError(f"the field {key[:40]!r} occurs twice")
        record[key] = value
    return record


def load_folder(folder: str | Path) -> tuple[list[Result], list[str]]:
    """Every result below a folder, sorted by path, and one line for each file that cannot be read.

    A cell found twice is read once; the other file is named in the lines.

    Raises:
        ValueError: if the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    results: list[Result] = []
    problems: list[str] = []
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.rglob("*--*.json")):
        try:
            result = load(path)
        except ValueError as error:
            problems.append(str(error))
            continue
        cell = (result.suite, result.title)
        if cell in found:
            problems.append(f"{path}: holds the same cell as {found[cell]}")
            continue
        found[cell] = path
        results.append(result)
    return results, problems
