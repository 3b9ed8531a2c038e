"""Result files: one JSON file per cell, written atomically, read strictly.

Nothing in a file is executed or trusted: what breaks the schema is refused with one line that says why.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from safebench import atomic
from safebench.record import json_text
from safebench.record.result import NAME, OLDEST_VERSION, SCHEMA_VERSION, Result
from safebench.record.strict_json import build, plain

LARGEST_FILE = json_text.LARGEST_FILE
NAMED_LIKE_A_RESULT = re.compile(r".*--.*\.json(\.damaged)?")
SET_ASIDE = ".damaged"
"""Suffix of a result that was cut short and that `safebench run` put aside."""


class Found(NamedTuple):
    """A result and its file."""

    path: Path
    result: Result


class Unread(NamedTuple):
    """A file that is no readable result, and why."""

    path: Path
    reason: str


def cell_path(folder: str | Path, task: str, safeguard: str, learner: str) -> Path:
    """FOLDER/TASK/SAFEGUARD--LEARNER.json.

    Raises:
        ValueError: for a name that is not lower-case letters, digits, dots, plus and minus signs.
    """
    for name in (task, safeguard, learner):
        if not re.fullmatch(NAME, name) or len(name) > 64 or "--" in name:
            raise ValueError(f"{name[:80]!r} cannot name a result: use a-z, 0-9, '.', '+' and single '-'")
    return Path(folder) / task / f"{safeguard}--{learner}.json"


def write(result: Result, path: str | Path) -> None:
    """Write a result so that, at any interruption, the file is the old one, the new one or absent.

    Raises:
        ValueError: if the result breaks the schema (then nothing is written).
        OSError: one line, if the folder cannot be written.
    """
    path = Path(path)
    try:
        text = json.dumps(plain(result), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
        build(Result, json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not written: {error}") from None
    try:
        atomic.write(path, text + "\n")
    except OSError as error:
        raise OSError(f"{path}: cannot be written: {error.strerror or error}") from None


def load(path: str | Path) -> Result:
    """Read a result.

    Raises:
        ValueError: one line naming the file and what is wrong with it.
    """
    try:
        return _load(Path(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _load(path: Path) -> Result:
    try:
        return parse(json_text.read(path))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None


def parse(text: str) -> Result:
    """The result that a JSON text holds.

    Raises:
        ValueError: one line saying what is wrong with it.
    """
    data = json_text.decode(text)
    if isinstance(data, dict) and type(data.get("schema_version")) is int:
        version = data["schema_version"]
        if not OLDEST_VERSION <= version <= SCHEMA_VERSION:
            raise ValueError(
                f"schema_version: this version reads {OLDEST_VERSION} to {SCHEMA_VERSION}, not {version}"
            )
    return build(Result, data)


def find(folder: str | Path) -> tuple[list[Found], list[Unread]]:
    """Every result below a folder, sorted by path, and what is named like one but cannot be read.

    Raises:
        ValueError: if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    unread: list[Unread] = []
    found: list[Found] = []
    for path in sorted(_below(folder, unread)):
        if not NAMED_LIKE_A_RESULT.fullmatch(path.name):
            continue
        if path.name.endswith(SET_ASIDE):
            unread.append(Unread(path, "a damaged result that `safebench run` set aside"))
            continue
        try:
            found.append(Found(path, _load(path)))
        except ValueError as error:
            unread.append(Unread(path, str(error)))
    return found, unread


def others(folder: str | Path) -> list[Path]:
    """The .json files below a folder that are not named like results."""
    below = _below(Path(folder), [])
    return sorted(path for path in below if path.suffix == ".json" and "--" not in path.name)


def _below(folder: Path, unread: list[Unread]) -> Iterator[Path]:
    """Every file below a folder, but for unfinished ones; folders that cannot be read go to `unread`."""

    def note(error: OSError) -> None:
        unread.append(Unread(Path(error.filename), f"folder cannot be read: {error.strerror}"))

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not atomic.unfinished(Path(name))]
        yield from (Path(place) / name for name in names if not atomic.unfinished(Path(name)))
        # A folder that is called like a result is named too.
        yield from (Path(place) / name for name in folders if NAMED_LIKE_A_RESULT.fullmatch(name))


def load_folder(folder: str | Path) -> tuple[list[Result], list[str]]:
    """Every result below a folder, sorted by path, and one line for each file that cannot be read.

    A cell found twice is read once; the other file is named in the lines. Whether a result is consistent is
    not looked at: safebench.record.admission does that.

    Raises:
        ValueError: if the folder does not exist.
    """
    found, unread = find(folder)
    kept, repeated = once(found)
    return [result for _, result in kept], [f"{path}: {reason}" for path, reason in [*unread, *repeated]]


def once(found: list[Found]) -> tuple[list[Found], list[Unread]]:
    """The first file of each cell and suite, and the others."""
    first: dict[tuple[str, str], Path] = {}
    kept: list[Found] = []
    repeated: list[Unread] = []
    for path, result in found:
        cell = (result.suite, result.title)
        if cell in first:
            repeated.append(Unread(path, f"holds the same cell as {first[cell]}"))
        else:
            first[cell] = path
            kept.append(Found(path, result))
    return kept, repeated
