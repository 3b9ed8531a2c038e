"""Cells as tasks of a Ray cluster. Scheduling, retries and transport are Ray's; results come back as data.

Every machine of the cluster needs the same safebench; a task given as a file must be at the same path there.
"""

import contextlib
import importlib
import io
import logging
import os
import socket
import sys
import tarfile
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safebench import atomic
from safebench.runs import events
from safebench.runs.cell import Cell
from safebench.runs.events import Event, Folders, Handle, Place
from safebench.runs.threads import limits
from safebench.runs.workers import RETRIES, train

POLL = 0.2
"""Seconds between two looks at the cluster."""


@dataclass(frozen=True)
class Returned:
    """What a task gives back: the event that ended its cell, and the checkpoint's folder as a tar file."""

    event: Event
    checkpoint: bytes


@dataclass(frozen=True)
class Shared:
    """A folder on the driver's machine, which others may see too. inode: of the folder it lies in."""

    path: Path | None
    inode: int

    @classmethod
    def of(cls, path: Path | None) -> "Shared":
        """As the driver sees it."""
        return cls(path, 0 if path is None else path.parent.stat().st_ino)

    def here(self) -> Path | None:
        """The path, if it is the same folder here; None if it cannot be reached."""
        try:
            same = self.path is not None and self.path.parent.stat().st_ino == self.inode
        except OSError:
            return None
        return self.path if same else None


class Mailbox:
    """The events of all tasks, kept in the cluster until the driver takes them."""

    def __init__(self):
        self.events: list[Event] = []

    def put(self, event: Event) -> None:
        """Called by tasks."""
        self.events.append(event)

    def take(self) -> list[Event]:
        """Called by the driver: every event since the last call."""
        events, self.events = self.events, []
        return events


def on_ray(address: str | None, most: int | None = None) -> Place:
    """Cells as tasks of the cluster at `address` ("auto": the one this machine is part of; None: a new one
    on this machine), at most so many at a time (None: as many as it has room for).

    Raises:
        ValueError: if Ray is not installed.
    """
    _ray()
    return lambda cells, handle: _place(cells, handle, address, most)


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ValueError("--on ray needs a package: pip install 'safebench[ray]'") from None


def _place(cells: Mapping[Cell, Folders], handle: Handle, address: str | None, most: int | None) -> None:
    ray = _ray()
    with _connected(address):
        most = min(most or len(cells), len(cells))
        threads, accelerators = share(ray.nodes(), most)
        # Should its machine fail, it begins anew elsewhere: some events are lost, no result is.
        mailbox = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Mailbox).remote()
        # A process per cell (max_calls): memory and settings of one cell never reach the next.
        options = {"num_cpus": threads, "num_gpus": accelerators, "max_retries": RETRIES, "max_calls": 1}
        task = ray.remote(**options)(_task)
        waiting = list(cells)
        running: dict[Any, Cell] = {}
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    cell = waiting.pop(0)
                    wanted = cells[cell].checkpoint is not None
                    kept = Shared.of(cells[cell].state)
                    running[task.remote(cell, wanted, kept, os.getcwd(), sys.argv, threads, mailbox)] = cell
                ended, _ = ray.wait(list(running), timeout=POLL)
                for event in ray.get(mailbox.take.remote()):
                    handle(event)
                for reference in ended:
                    cell = running.pop(reference)
                    handle(_result(reference, cell, cells[cell].checkpoint))
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """A connection to the cluster; one made by the caller is used and left as it is."""
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    _check_reachable(address)
    new: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        with warnings.catch_warnings():
            # Ray's own processes are forked from this one, but start programs of their own at once.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **new)
    except ConnectionError:
        raise ConnectionError(f"no Ray cluster at {address!r}; --on ray starts one on this machine") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster at {address!r}: {error}") from None


def share(nodes: list[dict], most: int) -> tuple[int, int]:
    """Cores and accelerators of one cell, when at most so many cells run at once: an even share of all
    cores, which must fit on the smallest machine; one accelerator if there are any.

    nodes: as `ray.nodes()` lists them.
    """
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    processors = [int(found["CPU"]) for found in resources if found.get("CPU", 0) >= 1]
    threads = max(1, min(sum(processors) // most, *processors)) if processors else 1
    return threads, int(any(found.get("GPU", 0) >= 1 for found in resources))


def _task(
    cell: Cell,
    wanted: bool,
    kept: Shared,
    directory: str,
    arguments: list[str],
    threads: int,
    mailbox: Any,
) -> Returned:
    """What runs in the cluster. wanted: whether a checkpoint is."""
    ray = _ray()
    sent = []

    def send(event: Event) -> None:
        # Not waited for: Ray would count this task's cores as free meanwhile and start another.
        sent.append(mailbox.put.remote(event))

    send(Event(cell, "compiling"))
    with contextlib.suppress(OSError):
        os.chdir(directory)  # for tasks given as files
    sys.argv = arguments  # for the result's provenance
    os.environ.update(limits(threads))
    with tempfile.TemporaryDirectory(prefix="safebench-") as scratch:
        folder = Path(scratch) / "checkpoint"
        event = train(cell, Folders(folder if wanted else None, kept.here()), send)
        returned = Returned(event, _packed(folder) if folder.exists() else b"")
    ray.get(sent)
    return returned


def _result(reference: Any, cell: Cell, folder: Path | None) -> Event:
    ray = _ray()
    try:
        returned: Returned = ray.get(reference)
    except ray.exceptions.WorkerCrashedError:
        problem = f"its worker died {RETRIES + 1} times"
        return Event(cell, "failed", problem=problem, details=problem)
    except ray.exceptions.RayError as error:
        return events.failed(cell, error)
    if returned.checkpoint and folder is not None:
        try:
            _unpack(returned.checkpoint, folder)
        except OSError as error:
            return events.failed(cell, OSError(f"{folder}: cannot be written: {error.strerror or error}"))
    return returned.event


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()


def _unpack(data: bytes, folder: Path) -> None:
    """Write a checkpoint's folder; at any interruption it is whole or absent."""
    with atomic.replacing(folder) as fresh, tarfile.open(fileobj=io.BytesIO(data)) as archive:
        fresh.mkdir()
        archive.extractall(fresh, filter="data")
