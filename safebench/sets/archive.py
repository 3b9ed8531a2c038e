"""An npz archive with a JSON header, from bytes that nobody trusts; nothing in it is ever executed."""

import io
import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_RAISED = (
    ValueError, OSError, KeyError, TypeError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError,
    RuntimeError, AttributeError, OverflowError, MemoryError, struct.error, tokenize.TokenError,
)  # fmt: skip
"""What numpy raises for the bytes of a damaged archive."""


class Damaged(ValueError):
    """What is wrong with a file, in our words: numpy's would advise to load it unsafely."""


def read(path: Path, what: str) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: in our words, if there is no such file or it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {what} file {path}") from None
    except IsADirectoryError:
        raise IsADirectoryError(f"{path} is a folder, not a {what} file") from None
    except OSError as error:
        raise OSError(f"the {what} file {path} cannot be read: {error.strerror}") from None


def unpack(content: bytes, names: Sequence[str]) -> tuple[dict, dict[str, np.ndarray]]:
    """The header, and of the arrays called `names` those that the archive has.

    Raises:
        Damaged: if it is no such archive.
    """
    if not content.startswith(b"PK"):
        raise Damaged("it is no npz archive" if content else "it is empty")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            present = [name for name in ("header", *names) if name in archive]
            arrays = {name: archive[name] for name in present}
    except _RAISED as error:
        pickled = isinstance(error, ValueError) and "pickle" in str(error)
        reason = "it holds pickled objects, which are never loaded" if pickled else None
        raise Damaged(reason or "its archive is cut short or altered") from None
    foreign = [name for name in present if not isinstance(arrays[name], np.ndarray)]
    if foreign:
        raise Damaged(f"{', '.join(foreign)} is no array")
    if "header" not in arrays:
        raise Damaged("it is an npz archive of something else: it has no header")
    return _header(arrays.pop("header")), arrays


def _header(text: np.ndarray) -> dict:
    try:
        header = json.loads(str(text[()]))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise Damaged("its header is no JSON object")
    return header
