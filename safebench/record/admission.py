"""Which results of a folder may be shown: those that are what they claim to be, as far as files tell.

The checks are those of `safebench verify` that need no jax: schema, place, consistency, certificate, and
what a result with standard settings must have.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from safebench.record import files, submission
from safebench.record.result import Result

Known = Mapping[str, frozenset[str]]
"""Task name -> SHA-256 digests of its certificates, of every task whose certificates are known here."""
Claims = Callable[[Result], Iterable[str]]
"""What contradicts a result's claim to be the standard experiment, one line each."""
MOST_NAMED = 5
"""Files that an error message names."""


class LeftOut(NamedTuple):
    """What is not shown, and why."""

    name: str
    reason: str
    kind: Literal["file", "result", "table", "figure"] = "result"


class Admission(NamedTuple):
    """The results of a folder that may be shown, and everything that may not."""

    results: list[Result]
    left_out: list[LeftOut]


def admit(
    folder: str | Path, known: Known | None = None, claims: Claims | None = None, purpose: str = "to show"
) -> Admission:
    """The results below a folder that pass all checks, once each.

    known: None: certificates are not checked. claims: None: nor is what standard settings imply.
    purpose: of the results, for the message.

    Raises:
        ValueError: if there is no such folder, or no readable result in it; the message names the files.
    """
    found, unread = files.find(folder)
    if not found:
        raise ValueError(f"{folder}: no results {purpose}{_instead(folder, unread)}")
    left_out = [LeftOut(str(path), reason, "file") for path, reason in unread]
    passed = []
    for path, result in found:
        wrong = next(iter(submission.place(result, path)), None) or fault(result, known, claims)
        if wrong:
            left_out.append(LeftOut(str(path), wrong, "file"))
        else:
            passed.append(files.Found(path, result))
    kept, repeated = files.once(passed)
    left_out += [LeftOut(str(path), reason, "file") for path, reason in repeated]
    return Admission([result for _, result in kept], left_out)


def fault(result: Result, known: Known | None = None, claims: Claims | None = None) -> str | None:
    """The first thing that is wrong with a result; None if nothing is."""
    problems = [*submission.consistency(result)]
    if not problems and not unknown_task(result, known):
        problems += submission.certificate(result, (known or {})[result.task.name]) if known else ()
    if not problems and claims is not None:
        problems += claims(result)
    return problems[0] if problems else None


def unknown_task(result: Result, known: Known | None) -> bool:
    """Whether nothing is known here of the certificates of a result's task."""
    return known is not None and (result.task.source is not None or result.task.name not in known)


def grouped(left_out: Iterable[LeftOut]) -> list[str]:
    """One line for each reason: the reason once, and everything it applies to."""
    groups: dict[tuple[str, str], list[str]] = {}
    for entry in left_out:
        groups.setdefault((entry.kind, entry.reason), []).append(entry.name)
    return [_line(kind, reason, names) for (kind, reason), names in groups.items()]


def _line(kind: str, reason: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]}: {reason}"
    return f"{len(names)} {kind}s: {reason}: {', '.join(names)}"


def _instead(folder: str | Path, unread: Sequence[files.Unread]) -> str:
    """What a folder without results holds in their place."""
    if unread:
        named = "; ".join(f"{path}: {reason}" for path, reason in unread[:MOST_NAMED])
        more = f"; and {len(unread) - MOST_NAMED} more" if len(unread) > MOST_NAMED else ""
        count = "1 file" if len(unread) == 1 else f"{len(unread)} files"
        return f": {count} cannot be read: {named}{more}"
    others = files.others(folder)
    if others:
        named = ", ".join(map(str, others[:MOST_NAMED])) + (", ..." if len(others) > MOST_NAMED else "")
        return f": none of its files is named TASK/SAFEGUARD--LEARNER.json, as results are: {named}"
    return ""
