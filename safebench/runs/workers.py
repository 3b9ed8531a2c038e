"""Cells in worker processes of this machine: one fresh process per cell, so that a death costs only its own.

Nothing of jax is imported before a worker has set itself up.
"""

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from safebench.runs import events
from safebench.runs.cell import Cell
from safebench.runs.events import Event, Folders, Handle, Place
from safebench.runs.threads import cores, limits

RETRIES = 2
"""How often a cell is started again after its worker died."""

SHOWN = 4000
"""Characters of a dead worker's output that are kept."""


@dataclass(frozen=True)
class Worker:
    """A process that runs one cell. log: where its output goes. tries: how many had it before."""

    process: BaseProcess
    cell: Cell
    log: Path
    tries: int


def workers(count: int) -> Place:
    """At most `count` cells at a time, each in a process with its share of the cores.

    Raises:
        ValueError: if `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"at least one worker is needed, not {count}")
    return lambda cells, handle: _place(cells, handle, count)


def _place(cells: Mapping[Cell, Folders], handle: Handle, count: int) -> None:
    threads = max(1, cores() // min(count, len(cells)))
    waiting = deque((cell, 0) for cell in cells)
    running: dict[Connection, Worker] = {}
    with tempfile.TemporaryDirectory(prefix="safebench-") as logs:
        try:
            while waiting or running:
                while waiting and len(running) < count:
                    cell, tries = waiting.popleft()
                    connection, worker = _start(cell, cells[cell], tries, threads, Path(logs))
                    running[connection] = worker
                    handle(Event(cell, "compiling"))
                for connection in [ready for ready in wait(list(running)) if isinstance(ready, Connection)]:
                    try:
                        event = connection.recv()
                    except (EOFError, OSError):  # the process ended, perhaps in the middle of a message
                        worker = running.pop(connection)
                        event = _buried(worker)
                        if event.state == "retrying":
                            waiting.appendleft((worker.cell, worker.tries + 1))
                    handle(event)
                    if event.state in ("done", "failed") and connection in running:
                        _end(running.pop(connection))  # it has nothing left to do
        finally:
            for worker in running.values():
                _end(worker)


def _start(cell: Cell, folders: Folders, tries: int, threads: int, logs: Path) -> tuple[Connection, Worker]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    descriptor, log = tempfile.mkstemp(dir=logs)
    os.close(descriptor)
    process = context.Process(target=_work, name=cell.title, args=(cell, folders, log, sender), daemon=True)
    with _environment(limits(threads)), _deaf_to_interrupts():
        process.start()
    sender.close()
    return receiver, Worker(process, cell, Path(log), tries)


def _end(worker: Worker) -> None:
    worker.process.kill()
    worker.process.join()


def _buried(worker: Worker) -> Event:
    """The event that follows a worker's death."""
    worker.process.join()
    code = worker.process.exitcode or 0
    cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    if -code == signal.SIGKILL:
        cause += ", perhaps for want of memory"
    output = worker.log.read_text(errors="replace")[-SHOWN:]
    if worker.tries < RETRIES:
        return Event(worker.cell, "retrying", problem=f"its worker died ({cause})", details=output)
    problem = f"its worker died {worker.tries + 1} times ({cause})"
    return Event(worker.cell, "failed", problem=problem, details=f"{problem}\n\n{output}")


def _work(cell: Cell, folders: Folders, log: str, connection: Connection) -> None:
    """The life of a worker."""
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    connection.send(train(cell, folders, connection.send))


def train(cell: Cell, folders: Folders, send: Handle) -> Event:
    """Set this process up for a cell and train it."""
    try:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from safebench.runs.precision import start

        start(cell.precision)  # type: ignore[arg-type]
        from safebench.runs.here import work
    except Exception as error:
        return events.failed(cell, error)
    return work(cell, folders, send)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C; ours comes through at the end."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
