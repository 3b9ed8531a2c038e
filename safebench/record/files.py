"""Result files: one JSON file per cell, written atomically, read strictly.

Nothing in a file is executed or trusted: what breaks the schema is refused with one line that says why.
"""

import json
import math
import re
import stat
from pathlib import Path
from typing import Any

from safebench import atomic
from safebench.record.result import NAME, OLDEST_VERSION, SCHEMA_VERSION, Result
from safebench.record.strict_json import build, plain

LARGEST_FILE = 64 * 2**20
"""Bytes; a larger file is refused unread."""


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
    path = Path(path)
    try:
        return parse(_read(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None


def parse(text: str) -> Result:
    """The result that a JSON text holds.

    Raises:
        ValueError: one line saying what is wrong with it.
    """
    try:
        data = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg} at character {error.pos}); is it truncated?") from None
    except RecursionError:
        raise ValueError("not a result: nested too deeply") from None
    if isinstance(data, dict) and type(data.get("schema_version")) is int:
        version = data["schema_version"]
        if not OLDEST_VERSION <= version <= SCHEMA_VERSION:
            raise ValueError(
                f"schema_version: this version reads {OLDEST_VERSION} to {SCHEMA_VERSION}, not {version}"
            )
    return build(Result, data)


def _read(path: Path) -> str:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > LARGEST_FILE:
        raise ValueError(f"has {status.st_size} bytes, more than the {LARGEST_FILE} of the largest result")
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError(f"has more than the {LARGEST_FILE} bytes of the largest result")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start})") from None


def _refuse_constant(token: str) -> float:
    raise ValueError(f"the number {token} is not allowed: not-finite values are null")


def _finite(token: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise ValueError(f"the number {token[:40]} is too large")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise ValueError(f"the field {key[:40]!r} occurs twice")
        record[key] = value
    return record


def load_folder(folder: str | Path) -> tuple[list[Result], list[str]]:
    """Every result below a folder, sorted by path, and one line for each file that cannot be read.

    A cell found twice is read once; the other file is named in the lines.

    Raises:
        ValueError: if the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    results: list[Result] = []
    problems: list[str] = []
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.rglob("*--*.json")):
        if atomic.unfinished(path.relative_to(folder)):
            continue
        try:
            result = load(path)
        except ValueError as error:
            problems.append(str(error))
            continue
        cell = (result.suite, result.title)
        if cell in found:
            problems.append(f"{path}: holds the same cell as {found[cell]}")
            continue
        found[cell] = path
        results.append(result)
    return results, problems
