"""Kept states: how far the training of a cell has come, in a folder beside its result file to be.

SAFEGUARD--LEARNER.state/POINTS/run.json   what decides the bits of the training, and a digest of the arrays
SAFEGUARD--LEARNER.state/POINTS/arrays/    everything after so many evaluations (orbax)

A training that was interrupted goes on from there with the bits of one that was not; where anything differs
that decides them, it begins anew. The folder is removed when the cell's result is written.
"""

import hashlib
import importlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from safebench import registry
from safebench.atomic import replacing
from safebench.record.strict_json import plain
from safebench.runs import devices, packages, presets, threads
from safebench.runs.arrays import cause
from safebench.runs.arrays import checkpointer as _checkpointer
from safebench.runs.precision import NUMBERS
from safebench.runs.prepare import Prepared, evaluation_of
from safebench.sets import certificate as certificates

EVERY = 1.0
"""Seconds of training after which the next evaluation is kept: a long cell is one that takes longer."""

VERSION = 2
RUN = "run.json"
ARRAYS = "arrays"

WINGS = ("env", "learning", "physics", "record", "runs", "sets", "tasks", "safeguards", "baselines")
"""The packages whose code may decide a bit of a result; commands and reports only show it."""

SETTINGS = (
    *("interactions", "seeds", "physics", "precision", "evaluation"),
    *("task", "safeguard", "learner", "certificate"),
)
"""What of an identity the user chooses."""

MEMORY = "XLA_PYTHON_CLIENT_"
"""How the variables begin that say where XLA takes its memory from; a worker sets some for itself."""


class Found(NamedTuple):
    """A kept state. points: the evaluations made before it. tree: as it was saved, arrays of numpy."""

    points: int
    tree: Any


def beside(result_path: str | Path) -> Path:
    """The folder of kept states that belongs to a result file."""
    return Path(result_path).with_suffix(".state")


def identity(prepared: Prepared) -> dict[str, Any]:
    """Everything that decides the bits of a training, by name, as plain JSON."""
    cell, device = prepared.cell, jax.local_devices()[0]
    learner, safeguard = registry.find("learner", cell.learner), presets.resolved(cell.safeguard)[0]
    nested = {
        "interactions": cell.interactions,
        "seeds": cell.seeds,
        "physics": prepared.task.dynamics.physics,
        "precision": cell.precision,
        "evaluation": plain(evaluation_of(prepared)),
        "task": plain(prepared.task_record),
        "safeguard": plain(prepared.safeguard_record),
        "learner": plain(prepared.learner_record),
        "certificate": certificates.digest(prepared.task.certificate),
        "code of the task": _digest(registry.find("task", cell.task).module.__file__),
        "code of the safeguard": _digest(safeguard.module.__file__),
        "code of the learner": _digest(learner.module.__file__),
        "code of safebench": _code(),
        "version": {name: number for name, number in packages.installed().items() if name != "safebench"},
        "device": f"{device.platform}: {_processor() if device.platform == 'cpu' else device.device_kind}",
        "devices": devices.used(len(cell.seeds)),
        "threads": threads.of_xla(),
        "jax": {name: jax.config.values.get(name) for name in (*NUMBERS, "jax_enable_x64")},
        "environment": {
            name: value
            for name, value in os.environ.items()
            if name.startswith("XLA_") and not name.startswith(MEMORY)
        },
    }
    return json.loads(json.dumps(_flat(nested), default=repr))


def of_physics(prepared: Prepared) -> dict[str, Any]:
    """What of the identity decides a step of the task's physics."""
    other = (
        *("learner", "safeguard", "seeds", "interactions", "evaluation", "precision", "devices"),
        *("code of the learner", "code of the safeguard", "jax.jax_enable_x64"),
    )
    return {name: value for name, value in identity(prepared).items() if not name.startswith(other)}


def save(folder: Path, points: int, run: Mapping[str, Any], tree: Any) -> None:
    """Keep `tree`, an `identity` with it, in place of what was kept before; a kill leaves one or the other.

    Raises:
        OSError: one line, if it cannot be written.
    """
    folder = Path(folder).absolute()
    target = folder / f"{points:06d}"
    leaves = {str(index): np.asarray(leaf) for index, leaf in enumerate(_numbers(tree))}
    arrays = {name: leaf for name, leaf in leaves.items() if leaf.size}  # orbax takes no empty ones
    about = {"version": VERSION, "run": dict(run), "digest": _digest_of(arrays)}
    try:
        with replacing(target) as fresh:
            fresh.mkdir()
            (fresh / RUN).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            with _checkpointer() as checkpointer:
                checkpointer.save(fresh / ARRAYS, arrays)
    except Exception as error:  # orbax passes on the errors of several storage libraries
        raise OSError(f"{folder}: cannot be written: {cause(error)}") from None
    for other in folder.iterdir():
        if other != target:  # older, or what a killed run left unfinished
            shutil.rmtree(other, ignore_errors=True)


def load(folder: Path, run: Mapping[str, Any], like: Callable[[int], Any]) -> Found | None:
    """What was kept last; None if nothing was.

    like: from a number of evaluations to a tree of the shapes and types saved.

    Raises:
        ValueError: in one line, why what is there cannot be used.
    """
    problems: list[str] = []
    for path in sorted(Path(folder).absolute().glob("[0-9]*"), reverse=True):
        try:
            return Found(int(path.name), _load(path, run, like(int(path.name))))
        except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{path}: {cause(error)}")
    if problems:
        raise ValueError(problems[0])
    return None


def conflict(folder: Path, prepared: Prepared) -> str | None:
    """The first setting in which an interrupted training kept there is another than the one asked for.

    None if there is none, it is damaged, or nothing differs but code, versions or the machine.
    """
    for path in sorted(Path(folder).glob("[0-9]*"), reverse=True):
        try:
            old = json.loads((path / RUN).read_text(encoding="utf-8"))["run"]
            new = identity(prepared)
            return difference(
                *({name: run[name] for name in _settings(old) if name in new} for run in (old, new))
            )
        except (ValueError, OSError, KeyError, TypeError, AttributeError):
            continue  # damaged: said when the training begins
    return None


def _settings(run: Mapping[str, Any]) -> list[str]:
    return [name for name in run if name.partition(".")[0] in SETTINGS]


def remove(folder: Path) -> None:
    """Remove what is kept, if anything is."""
    shutil.rmtree(folder, ignore_errors=True)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first thing in which two identities differ, in words; None if they are the same."""
    for name in dict.fromkeys([*new, *old]):
        if (before := old.get(name)) != (after := new.get(name)):
            texts = [json.dumps(value) for value in (before, after)]
            long = any(len(text) > 60 for text in texts)
            return f"{name} differs" if long else f"{name} was {texts[0]}, is {texts[1]}"
    return None


def _load(path: Path, run: Mapping[str, Any], like: Any) -> Any:
    try:
        about = json.loads((path / RUN).read_text(encoding="utf-8"))
        kept, expected = about["run"], about["digest"]
    except (ValueError, OSError, KeyError, TypeError):
        raise ValueError(f"is damaged ({RUN})") from None
    if about.get("version") != VERSION or not isinstance(kept, dict):
        raise ValueError(f"was kept by another version of safebench ({RUN})")
    differs = difference(kept, run)
    if differs is not None:
        raise ValueError(f"is of another training ({differs})")
    blanks = {str(index): np.zeros(leaf.shape, leaf.dtype) for index, leaf in enumerate(_numbers(like))}
    wanted = {name: blank for name, blank in blanks.items() if blank.size}
    try:
        with _checkpointer() as checkpointer:
            arrays = checkpointer.restore(path / ARRAYS, wanted)
    except Exception as error:  # orbax passes on the errors of several storage libraries
        raise ValueError(f"is damaged ({cause(error)})") from None
    if _digest_of(arrays) != expected:
        raise ValueError("is damaged (its arrays are not those that were saved)")
    for name, blank in wanted.items():
        if arrays[name].shape != blank.shape or arrays[name].dtype != blank.dtype:
            raise ValueError(f"holds {arrays[name].shape} where {blank.shape} is wanted")
    leaves, structure = jax.tree.flatten(like)
    found = [_typed((blanks | arrays)[str(index)], leaf) for index, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, found)


def _numbers(tree: Any) -> list[Any]:
    """The leaves of a tree; for random keys the numbers they hold."""
    return [jax.random.key_data(leaf) if _is_key(leaf) else leaf for leaf in jax.tree.leaves(tree)]


def _typed(array: np.ndarray, like: Any) -> Any:
    if not _is_key(like):
        return array
    return jax.random.wrap_key_data(jax.numpy.asarray(array), impl=jax.random.key_impl(like))


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _digest(file: str | Path | None) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""


@cache
def _code() -> str:
    """A digest over the installed files of `WINGS`, models and certificates too."""
    found = hashlib.sha256()
    for wing in WINGS:
        for folder in importlib.import_module(f"safebench.{wing}").__path__:
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix == ".pyc" or not path.is_file():
                    continue
                found.update(f"{wing}/{path.relative_to(folder).as_posix()} {_digest(path)}\n".encode())
    return found.hexdigest()


def _processor() -> str:
    """The processor's model, where the system tells: others round differently."""
    try:
        lines = (
            Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
        )
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    entries = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return ", ".join(entries.get(name, "") for name in ("model name", "cpu family", "model"))


def _flat(nested: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat
