"""Whole-or-nothing writing: at any interruption a file or folder is the old one, the new one or absent."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"
"""Suffix of the hidden folder that holds what is not complete; one that stays is left over from a kill."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Where to write what becomes `path`, a file or a folder, when the block ends without an exception.

    A folder takes the place of the old one with all its contents. After an exception `path` is as it was.

    Raises:
        OSError: if the folder that `path` lies in cannot be written, or the block wrote nothing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent))
    try:
        fresh = holder / path.name
        yield fresh
        for part in (fresh, *fresh.rglob("*")):
            _to_disk(part)
        _move(fresh, path, aside=holder / f"{path.name}.old")
        _to_disk(path.parent)  # the move itself must survive a power loss too
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write(path: str | os.PathLike, content: str | bytes) -> None:
    """Write a whole file; text as UTF-8.

    Raises:
        OSError: as `replacing`.
    """
    with replacing(path) as fresh:
        fresh.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def unfinished(path: Path) -> bool:
    """Whether a path lies in the hidden folder of something that was not written to its end."""
    return any(part.startswith(".") and part.endswith(PART) for part in path.parts)


def _move(fresh: Path, path: Path, aside: Path) -> None:
    """`fresh` to `path`; an old folder, which nothing can be moved onto, goes to `aside` first."""
    try:
        if fresh.is_dir() and os.path.lexists(path):
            os.rename(path, aside)
        os.replace(fresh, path)
    except BaseException:
        if os.path.lexists(aside) and not os.path.lexists(path):
            os.rename(aside, path)
        raise


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
