"""Where a result comes from: versions, machine, commit, command line."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import jax

from safebench.record import result
from safebench.runs import packages

READ = ("JAX_", "XLA_")
"""How the environment variables begin that jax and XLA read."""


def without_place(argument: str) -> str:
    """An argument as a result may show it: of an absolute path the last part, since a machine is private."""
    head, equals, value = argument.rpartition("=")
    return head + equals + (Path(value).name if Path(value).is_absolute() else value)


def collect(compiler_options: Mapping[str, str] = MappingProxyType({})) -> result.Provenance:
    """Of a result that finishes now, in this process.

    compiler_options: what XLA was told of its programs (see safebench.runs.programs.recorded).
    """
    commit, dirty = commit_of(Path(__file__))
    device = jax.devices()[0]
    kind = device.device_kind if device.platform != "cpu" else f"cpu ({os.cpu_count()} cores)"
    return result.Provenance(
        packages=packages.installed(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=kind,
        commit=commit,
        dirty=dirty,
        utc=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        environment={name: value for name, value in sorted(os.environ.items()) if name.startswith(READ)}
        | dict(compiler_options),
        command=shlex.join([Path(sys.argv[0]).name, *map(without_place, sys.argv[1:])]),
    )


def commit_of(file: Path) -> tuple[str | None, bool | None]:
    """The commit of the checkout that holds a file, and whether any of its tracked files differs from it.

    What lies below `results` does not count: it decides no number, and a run writes there itself.
    (None, None) for a file of no checkout, as one that was installed.
    """
    folder = file.resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", file.name) is None:
        return None, None
    code = (":(top)", ":(top,exclude)results")
    commit, status = (
        git("rev-parse", "HEAD"),
        git("status", "--porcelain", "--untracked-files=no", "--", *code),
    )
    return (commit, bool(status)) if commit and status is not None else (None, None)
