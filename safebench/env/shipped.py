"""What lies beside a task's file: its model and its certificate; the same inside this package and outside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import resources
from pathlib import Path

import mujoco

from safebench.physics.dynamics import Dynamics
from safebench.sets import certificate
from safebench.sets.certificate import Certificate

_candidate: ContextVar[Certificate | None] = ContextVar("candidate", default=None)


class MissingCertificate(ValueError):
    """A task has no certificate file yet; the message says how to make one."""


@contextmanager
def with_certificate(certificate: Certificate) -> Iterator[None]:
    """Tasks made inside the block have this certificate, whatever lies beside their files."""
    token = _candidate.set(certificate)
    try:
        yield
    finally:
        _candidate.reset(token)


def shipped_model(file: str | os.PathLike) -> mujoco.MjModel:
    """The model `assets/NAME.xml` beside the task file NAME.py: write `shipped_model(__file__)`.

    What it includes and its meshes are found relative to it. The bare name of a built-in task ("pendulum")
    gives that task's.

    Raises:
        FileNotFoundError: if there is none. ValueError: if MuJoCo does not read it; both name the file.
    """
    path = _beside(file, "assets", ".xml")
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {_short(path)}{_advice(file, 'shipped_model')}")
    try:
        return mujoco.MjModel.from_xml_path(str(path))
    except (ValueError, mujoco.FatalError) as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise ValueError(f"{_short(path)}: {reason}") from None


def shipped_certificate(
    file: str | os.PathLike, dynamics: Dynamics, variant: str | None = None
) -> Certificate:
    """The certificate `certificates/NAME.npz` beside the task file NAME.py: pass `__file__`.

    variant: the registered name of a variant, which has a certificate of its own.
    The bare name of a built-in task ("pendulum") gives that task's. Inside `with_certificate` it is that one.

    Raises:
        MissingCertificate: if there is none.
        ValueError: if it is damaged or was proven for other dynamics.
    """
    path = _beside(file, "certificates", ".npz")
    typed = _as_typed(file)
    if variant is not None and variant != typed:
        path, typed = path.with_name(f"{variant.replace('-', '_')}.npz"), variant
    search = f"`safebench certify {typed} --synthesise --save {_short(path)}`"
    found, where = _candidate.get(), "the certificate"
    if found is None:
        if not path.exists():
            advice = _advice(file, "shipped_certificate") or f"; find one with {search}"
            raise MissingCertificate(f"there is no certificate {_short(path)}{advice}")
        found, where = certificate.load(path), _short(path)
    certificate.check_fingerprint(found, dynamics.fingerprint, where, search)
    return found


def _beside(file: str | os.PathLike, folder: str, suffix: str) -> Path:
    path = Path(file)
    home = Path(str(resources.files("safebench.tasks"))) if _is_name(file) else path.parent
    return home / folder / f"{path.stem}{suffix}"


def _is_name(file: str | os.PathLike) -> bool:
    """Whether it is the bare name of a built-in task, not a file."""
    path = Path(file)
    return not path.suffix and path.name == os.fspath(file)


def _advice(file: str | os.PathLike, function: str) -> str:
    return f": a task in a file of its own writes {function}(__file__)" if _is_name(file) else ""


def _as_typed(file: str | os.PathLike) -> str:
    """What the command line calls a task: its name if it is built in, else its file."""
    path = Path(file)
    built_in = _is_name(file) or path.parent == Path(str(resources.files("safebench.tasks")))
    return path.stem.replace("_", "-") if built_in else _short(path)


def _short(path: Path) -> str:
    """Relative to the working folder where it lies inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
