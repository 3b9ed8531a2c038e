"""What is known here of tasks, safeguards and suites without importing one: no jax is loaded.

Result files are held against it by `safebench report` and `safebench leaderboard`.
"""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from safebench import registry
from safebench.record import submission
from safebench.record.result import Result
from safebench.runs import presets, suites
from safebench.sets import certificate as certificates


def known_certificates() -> dict[str, frozenset[str]]:
    """The digests of the certificates of every installed task, by its name.

    A task's certificate is `certificates/STEM.npz` beside its module, a variant's `certificates/NAME.npz`; a
    task without a readable one is not in it, nor is a name that two plug-ins claim.
    """
    known: dict[str, frozenset[str]] = {}
    for name, module in registry.modules("task").items():
        file = _file_of(module)
        if file is None:
            continue
        try:
            own = file.parent / "certificates" / f"{name.replace('-', '_')}.npz"
            found = certificates.load(own if own.is_file() else own.with_stem(file.stem))
        except (OSError, ValueError):
            continue
        known[name] = certificates.known_digests(found)
    return known


def contradictions(result: Result) -> Iterator[str]:
    """What contradicts a result's claim to be the standard experiment of its cell, as far as can be seen."""
    yield from _safeguard(result)
    if not result.settings.standard:
        return
    try:
        cell = suites.standard_cell(result)
    except LookupError as error:
        yield f"suite: {error.args[0] if error.args else result.suite}"
        return
    yield from submission.protocol(
        result, cell.seeds, cell.interactions, cell.evaluation_starts, cell.evaluations, cell.precision
    )
    if result.physics != "plain":  # a task that is no mechanism has no other
        yield from submission.physics(result, cell.physics)


def _safeguard(result: Result) -> Iterator[str]:
    """Whether a safeguard of this name is installed as what the result says it is."""
    found = result.safeguard
    if found.source is not None:
        return
    if found.name in presets.PRESETS and found.module != presets.PRESETS[found.name].safeguard:
        yield f"safeguard.module: {found.module} instead of {presets.PRESETS[found.name].safeguard}"
    certified = _certified(registry.modules("safeguard").get(found.module))
    if certified is not None and certified != found.certified:
        yield f"safeguard.certified: {found.certified} instead of {certified}"


def _file_of(module: str | None) -> Path | None:
    """A module's file, without importing the module (the package that it lies in is imported)."""
    try:
        spec = importlib.util.find_spec(module) if module else None
    except (Exception, SystemExit):  # its package is a stranger's code
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _certified(module: str | None) -> bool | None:
    """What a safeguard's module assigns to CERTIFIED; None if that cannot be told from its text."""
    file = _file_of(module)
    try:
        body = ast.parse(file.read_bytes()).body if file is not None else []
    except (OSError, ValueError, SyntaxError):
        return None
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            if "CERTIFIED" in names and isinstance(statement.value.value, bool):
                return statement.value.value
    return None
