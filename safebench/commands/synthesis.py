"""The search of `safebench certify --synthesise`: its progress, where its finding is written, its end."""

import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from safebench import registry
from safebench.commands.ending import Interrupted
from safebench.plugin import BrokenPlugin, speaking
from safebench.sets import certificate as certificates
from safebench.sets.certificate import Certificate
from safebench.sets.search import SynthesisError

SUFFIX = ".npz"


def search(name: str, console: Console, shown: str = "") -> Certificate:
    """Find a task's safe set from scratch, with a bar that says how far it is.

    shown: what the bar calls the task; its name by default.

    Raises:
        ValueError: if none was found (`SynthesisError`), or the task's `synthesise` is broken.
        KeyboardInterrupt: after saying that nothing was found yet.
    """
    plugin, shown = registry.find("task", name), shown or name
    columns = (
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    )  # fmt: skip
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(f"{shown}: searching", total=None)

            def report(doing: str, done: int, of: int) -> None:
                progress.update(bar, description=f"{shown}: {doing}", completed=done, total=of)

            with speaking(plugin.file, "synthesise"):
                found = plugin.module.synthesise(report, **plugin.options)
    except BrokenPlugin as error:
        if isinstance(error.__cause__, SynthesisError):
            raise error.__cause__ from None
        raise
    except KeyboardInterrupt:
        line = f"Stopped: no safe set of {shown} was found yet, and nothing is saved."
        console.print(Text(line), soft_wrap=True)
        raise Interrupted from None
    if not isinstance(found, Certificate):
        raise ValueError(f"{plugin.file}: synthesise() gives {type(found).__name__}, expected a Certificate")
    return found


def write(certificate: Certificate, path: Path, console: Console) -> None:
    """Write what was found, and say so."""
    certificates.save(certificate, path)
    console.print(Text(f"Wrote {path}"), soft_wrap=True)


def command(name: str) -> str:
    """The command line that finds the set of a task and keeps it: beside its file, or here under its name."""
    plugin = registry.find("task", name)
    stem = f"{plugin.name}{SUFFIX}"
    if name.endswith(".py"):
        path = Path(name)
        stem = str(path.parent / "certificates" / f"{path.stem}{SUFFIX}")
    return f"`safebench certify {name} --synthesise --save {stem}`"


def check_place(path: Path) -> None:
    """A certificate can be written there: asked before a search of minutes.

    Raises:
        ValueError: if it does not end in .npz. OSError: if it is a folder, or its folder cannot be written.
    """
    if path.suffix != SUFFIX:
        raise ValueError(f"--save {path}: a certificate's file ends in {SUFFIX}")
    if path.is_dir():
        raise IsADirectoryError(f"--save {path}: that is a folder; expected a file to write")
    existing = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    try:
        with tempfile.TemporaryFile(dir=existing):
            return
    except OSError as error:
        raise type(error)(f"--save {path}: cannot write in {existing}: {error.strerror}") from None
