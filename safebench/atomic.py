"""Whole-or-nothing writing: at any interruption a file or folder is the old one, the new one or absent."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"
"""Suffix of the hidden folder that holds what is not complete; one that stays is left over from a kill."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Where to write what becomes `path`, a file or a folder, when the block ends without an exception.

    A folder takes the place of the old one with all its contents. After an exception `path` is as it was.

    Raises:
        OSError: one line naming `path` if it cannot be written (no space, no permission, a folder in its
            way), whatever the step, or the block wrote nothing; of the class that the cause has.
    """
    path = Path(path)
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = _holder(path)
    try:
        fresh = holder / path.name
        with _naming(path, holder):
            yield fresh
        with _naming(path):
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


def check_writable(path: str | os.PathLike) -> None:
    """Refuse a file that could not be written, before the work whose outcome goes there; nothing is left.

    Raises:
        OSError: one line naming the file, as `replacing`.
    """
    path = Path(path)
    with _naming(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rmdir(_holder(path))
        finally:
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()


def unfinished(path: Path) -> bool:
    """Whether a path lies in the hidden folder of something that was not written to its end."""
    return any(part.startswith(".") and part.endswith(PART) for part in path.parts)


def _holder(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{path.name[:50]}.", suffix=PART, dir=path.parent))


@contextmanager
def _naming(path: Path, holder: Path | None = None) -> Iterator[None]:
    """An OSError of the block names the target; with a holder, unless it is not about what lies in there."""
    try:
        yield
    except OSError as error:
        if holder is not None and not _about(error, holder):
            raise
        blocked = [folder for folder in path.parents if folder.exists() and not folder.is_dir()]
        cause = f"{blocked[0]} is not a folder" if blocked else error.strerror or str(error)
        kind = OSError if isinstance(error, ConnectionError) else type(error)
        named = kind(f"{path}: cannot be written: {cause}")
        named.strerror = cause  # for those who name the file themselves
        raise named from error


def _about(error: OSError, holder: Path) -> bool:
    if error.filename is None:
        return error.errno is not None  # a write to an open file, which has no name any more
    return isinstance(error.filename, str | bytes) and holder in Path(os.fsdecode(error.filename)).parents


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
