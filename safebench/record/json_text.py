"""JSON files of strangers: their text, and what it holds; one line that says why where it is neither."""

import json
import math
import re
import stat
from pathlib import Path
from typing import Any

LARGEST_FILE = 64 * 2**20
"""Bytes; a larger file is refused unread."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OTHER_KINDS = {
    b"\xff\xfe": "is UTF-16 or UTF-32, not UTF-8 text",
    b"\xfe\xff": "is UTF-16 or UTF-32, not UTF-8 text",
    b"\x1f\x8b": "is compressed (gzip), not JSON",
    b"PK\x03\x04": "is a zip archive, not JSON",
}
"""What a file that begins with these bytes is."""
PART_OF_A_NUMBER = re.compile(r"\.|[eE][+-]?")
"""What stands behind its first digits where a number is cut."""
PART_OF_AN_ESCAPE = re.compile(r"\\?u?[0-9a-fA-F]{0,4}")
WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


def read(path: Path) -> str:
    """The text of a file.

    Raises:
        ValueError: if it is no regular file, too large or no UTF-8 text. OSError: if it cannot be read.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("is a folder, not a regular file")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > LARGEST_FILE:
        raise ValueError(f"has {status.st_size} bytes, more than the {LARGEST_FILE} of the largest result")
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError(f"has more than the {LARGEST_FILE} bytes of the largest result")
    for start, kind in OTHER_KINDS.items():
        if data.startswith(start):
            raise ValueError(kind)
    if data.startswith(BYTE_ORDER_MARK):
        raise ValueError("starts with a byte order mark (BOM): save it as UTF-8 without one")
    if b"\0" in data:
        raise ValueError(
            f"holds NUL bytes, the first at byte {data.index(0)}: not UTF-8 text, or damaged by a crash"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start})") from None


def decode(text: str) -> Any:
    """What a JSON text holds; no field twice, no number that is not finite.

    Raises:
        ValueError: one line saying what is wrong with it.
    """
    if not text.strip():
        raise ValueError("not valid JSON: it is empty; is it truncated?")
    if text.startswith("\ufeff"):
        raise ValueError("starts with a byte order mark (BOM): save it as UTF-8 without one")
    if text.lstrip().startswith("<"):
        raise ValueError("not valid JSON but HTML or XML (it starts with '<'); is it a saved web page?")
    try:
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise ValueError(_why(error)) from None
    except RecursionError:
        raise ValueError("not a result: nested too deeply") from None


def _why(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return f"not valid JSON: there is something after its end (at character {error.pos})"
    where = f"not valid JSON ({error.msg} at character {error.pos})"
    return f"{where}; is it truncated?" if _ends_early(error) else where


def _ends_early(error: json.JSONDecodeError) -> bool:
    """Whether more text could have made it valid."""
    rest = error.doc[error.pos :].strip()
    if not rest or error.msg.startswith("Unterminated string"):
        return True
    if PART_OF_A_NUMBER.fullmatch(rest):
        return True
    if error.msg == "Expecting value":
        return any(word.startswith(rest) for word in WORDS)
    return error.msg.startswith("Invalid \\u") and PART_OF_AN_ESCAPE.fullmatch(rest) is not None


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
