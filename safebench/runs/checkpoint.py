"""Checkpoints: the final policy of every seed of a cell, in a folder beside its result file.

SAFEGUARD--LEARNER.checkpoint/cell.json    what rebuilds the cell, and the returns its policies reached
SAFEGUARD--LEARNER.checkpoint/policy/      the policies (orbax), leading axis: seeds
"""
# ruff: noqa: RUF009 (`about` only wraps dataclasses.field)

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from safebench.atomic import replacing
from safebench.learning.learner import Policy
from safebench.record import files
from safebench.record.result import LearnerRecord, Result, SafeguardRecord, TaskRecord
from safebench.record.strict_json import about, build, plain
from safebench.runs.arrays import cause
from safebench.runs.arrays import checkpointer as _checkpointer
from safebench.runs.cell import Cell, spelt_out

SCHEMA_VERSION = 1
CELL = "cell.json"
POLICY = "policy"


@dataclass(frozen=True)
class Description:
    """What a checkpoint is of. returns: the last evaluation of every seed, as in the result file."""

    schema_version: int = about("version of this file", minimum=SCHEMA_VERSION, maximum=SCHEMA_VERSION)
    suite: str = about("the suite the cell was run in")
    task: str = about("registered name, or the file or dotted path it was given by")
    task_version: int = about("task version", minimum=0)
    safeguard: str = about("preset name, or file or dotted path")
    learner: str = about("registered name, or file or dotted path")
    seeds: tuple[int, ...] = about("seeds, in the order of the policies", minimum=0, shortest=1)
    interactions: int = about("training steps asked for, of each seed", "steps", minimum=1)
    physics: str = about("implementation of the dynamics", pattern="mjx|compiled|plain")
    precision: str = about("of physics and safety", pattern="float64|float32")
    learner_config: dict[str, Any] = about("full configuration, defaults included")
    safeguard_config: dict[str, Any] = about("full configuration, defaults included")
    certificate: str = about("SHA-256 of the certificate", pattern="[0-9a-f]{64}")
    returns: tuple[float | None, ...] = about("final return of every seed; null: not finite", "reward")
    sources: dict[str, str] | None = about(
        "SHA-256 of the files that task, safeguard and learner were given by; null: of none",
        pattern="[0-9a-f]{64}",
        default=None,
    )
    task_options: dict[str, Any] | None = about("of the task, where changed; null: none", default=None)


def beside(result_path: str | Path) -> Path:
    """The checkpoint folder that belongs to a result file."""
    return Path(result_path).with_suffix(".checkpoint")


def find(source: Path) -> Path:
    """The checkpoint folder that a path means: itself, or the one beside a result file.

    Raises:
        ValueError: if there is none, or it is of another run than the result file.
    """
    if (source / CELL).exists():
        return source
    if source.is_dir():
        raise ValueError(f"{source}: is no checkpoint (it holds no {CELL})")
    found = files.load(source)
    folder = beside(source)
    if not folder.exists():
        raise ValueError(f"{source}: has no checkpoint beside it; run the cell again with --checkpoint")
    if load(folder).returns != tuple(run.final.return_mean for run in found.runs):
        raise ValueError(f"{folder}: is of another run than {source.name}; run the cell with --checkpoint")
    return folder


def describe(cell: Cell, found: Result) -> Description:
    """The description of the policies that training `cell` to `found` gave."""
    return Description(
        schema_version=SCHEMA_VERSION,
        suite=cell.suite,
        task=cell.task,
        task_version=found.task.version,
        safeguard=cell.safeguard,
        learner=cell.learner,
        seeds=cell.seeds,
        interactions=cell.interactions,
        physics=found.physics,
        precision=found.precision,
        learner_config=plain(found.learner.config),
        safeguard_config=plain(found.safeguard.config),
        certificate=found.certificate.sha256 if found.certificate else "0" * 64,
        returns=tuple(run.final.return_mean for run in found.runs),
        sources=sources_of(found.task, found.safeguard, found.learner),
        task_options=plain(found.task.options),
    )


def sources_of(task: TaskRecord, safeguard: SafeguardRecord, learner: LearnerRecord) -> dict[str, str] | None:
    """The digests of the files that plug-ins were given by; None if all are registered."""
    named = {"task": task.source, "safeguard": safeguard.source, "learner": learner.source}
    return {kind: source for kind, source in named.items() if source is not None} or None


def cell_of(description: Description) -> Cell:
    """The cell that trained a checkpoint, every setting spelt out: later defaults change nothing."""
    return Cell(
        suite=description.suite,
        task=description.task,
        safeguard=description.safeguard,
        learner=description.learner,
        seeds=description.seeds,
        interactions=description.interactions,
        physics="mjx" if description.physics == "plain" else description.physics,
        precision=description.precision,
        learner_changes=spelt_out(description.learner_config),
        safeguard_changes=spelt_out(description.safeguard_config),
        task_changes=spelt_out(description.task_options or {}),
    )


def belongs(folder: Path, cell: Cell, found: Result) -> bool:
    """Whether `folder` holds the policies of this very result; False if it is absent or damaged."""
    try:
        return load(folder) == describe(cell, found)
    except ValueError:
        return False


def save(folder: Path, description: Description, policies: Policy) -> None:
    """Write a checkpoint so that, at any interruption, the folder is whole or absent.

    Raises:
        OSError: one line, if the folder cannot be written.
    """
    folder = Path(folder).absolute()
    text = json.dumps(plain(description), allow_nan=False, indent=1)
    build(Description, json.loads(text))
    try:
        with replacing(folder) as fresh:
            fresh.mkdir()
            (fresh / CELL).write_text(text + "\n", encoding="utf-8")
            with _checkpointer() as checkpointer:
                checkpointer.save(fresh / POLICY, jax.tree.map(np.asarray, policies))
    except Exception as error:  # orbax passes on the errors of several storage libraries
        raise OSError(f"{folder}: cannot be written: {cause(error)}") from None


def load(folder: str | Path) -> Description:
    """What a checkpoint is of.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    path = Path(folder) / CELL
    try:
        return build(Description, json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def restore(folder: str | Path, like: Policy) -> Policy:
    """The policies of all seeds, leading axis: seeds.

    like: their shapes and types (`jax.eval_shape` of what was saved).

    Raises:
        ValueError: if they are damaged or have other shapes.
    """
    path = Path(folder).absolute() / POLICY
    blank = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
    try:
        with _checkpointer() as checkpointer:
            policies = checkpointer.restore(path, blank)
    except Exception as error:  # orbax passes on the errors of several storage libraries
        raise ValueError(f"{path}: cannot be restored: {cause(error)}") from None
    for found, wanted in zip(jax.tree.leaves(policies), jax.tree.leaves(blank), strict=True):
        if found.shape != wanted.shape:
            raise ValueError(f"{path}: holds an array of shape {found.shape} where {wanted.shape} is wanted")
    return policies
