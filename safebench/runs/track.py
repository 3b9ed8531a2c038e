"""Trackers: the figures of every evaluation written for TensorBoard or Weights & Biases. Off by default."""

import contextlib
import dataclasses
import importlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from safebench.runs.cell import Cell
from safebench.runs.events import Evaluated, Event, Handle, Snapshot
from safebench.runs.paths import path_of

FOLDER = "tracking"
"""Where they write, below the folder of the results."""


class Writer(NamedTuple):
    """One cell's open run directory. log: (interactions of each seed, figures by name)."""

    log: Callable[[int, Mapping[str, float]], None]
    close: Callable[[], None]


def figures(evaluated: Evaluated) -> dict[str, float]:
    """The figures of an evaluation by name; those not known are left out."""
    named = {
        "return/mean": evaluated.return_mean,
        "return/reference": evaluated.reference_return,
        "loss/policy": evaluated.policy_loss,
        "loss/value": evaluated.value_loss,
        "gradient_norm": evaluated.gradient_norm,
        "skipped_updates": evaluated.skipped,
        "goal/success": evaluated.success,
        "goal/seconds": evaluated.time_to_goal,
        "violated_episodes": evaluated.violated,
    }
    for period in ("training", "evaluation"):
        counters = dataclasses.asdict(getattr(evaluated, period))
        named |= {f"{period}/{name}": value for name, value in counters.items()}
    return {name: value for name, value in named.items() if value is not None and math.isfinite(value)}


@contextlib.contextmanager
def tracking(names: list[str], folder: Path) -> Iterator[Handle]:
    """Follow cells with the trackers named; every cell gets its own directory below FOLDER/tracking.

    Raises:
        LookupError: for an unknown tracker. ValueError: if its package is not installed.
    """
    openers = [_opener(name) for name in dict.fromkeys(names)]
    writers: dict[Cell, list[Writer]] = {}

    def close(cell: Cell) -> None:
        for writer in writers.pop(cell, ()):
            writer.close()

    def handle(event: Event) -> None:
        if event.state != "training":
            close(event.cell)  # done or failed; or its worker was lost and it begins anew
        if event.snapshot is None:
            return
        if event.cell not in writers:
            writers[event.cell] = [opener(event.cell, event.snapshot, folder / FOLDER) for opener in openers]
        if event.snapshot.evaluated is not None:
            for writer in writers[event.cell]:
                writer.log(event.snapshot.interactions, figures(event.snapshot.evaluated))

    try:
        yield handle
    finally:
        for cell in list(writers):
            close(cell)


def _opener(name: str) -> Callable[[Cell, Snapshot, Path], Writer]:
    if name not in OPENERS:
        raise LookupError(f"unknown tracker {name!r}; known: {', '.join(OPENERS)}")
    package, opener = OPENERS[name]
    try:
        importlib.import_module(package)
    except ImportError:
        raise ValueError(f"--track {name} needs a package: pip install 'safebench[{name}]'") from None
    return opener


def _tensorboard(cell: Cell, first: Snapshot, folder: Path) -> Writer:
    from tensorboardX import SummaryWriter

    # Whatever an interrupted run of this cell has written beyond this point is hidden.
    directory = path_of(cell, folder / "tensorboard").with_suffix("")
    writer = SummaryWriter(str(directory), purge_step=first.interactions)

    def log(step: int, named: Mapping[str, float]) -> None:
        for name, value in named.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return Writer(log, writer.close)


def _wandb(cell: Cell, first: Snapshot, folder: Path) -> Writer:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    # Nothing leaves the machine unless the user has set Weights & Biases up; `wandb sync` uploads later.
    online = "WANDB_MODE" in os.environ or "WANDB_API_KEY" in os.environ
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "safebench"),
        group=cell.suite,
        name=cell.title,
        config=dataclasses.asdict(cell),
        dir=str(folder),
        mode=None if online else "offline",
        reinit="create_new",
        settings=wandb.Settings(silent=True, console="off"),
    )

    def log(step: int, named: Mapping[str, float]) -> None:
        run.log({"interactions": step, **named}, step=step)

    return Writer(log, run.finish)


OPENERS: dict[str, tuple[str, Callable[[Cell, Snapshot, Path], Writer]]] = {
    "tensorboard": ("tensorboardX", _tensorboard),
    "wandb": ("wandb", _wandb),
}
