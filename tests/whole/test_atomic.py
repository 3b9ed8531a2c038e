"""Whole-or-nothing writing: interrupted anywhere, the target is the old one, the new one or absent."""

import errno
import itertools
import os
import re
import signal
import stat
import subprocess
import sys

import pytest

from safebench.atomic import check_writable, replacing, unfinished, write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(tmp_path):
    """A folder with a file and a folder from before."""
    (tmp_path / "file.txt").write_text("old")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "a").write_text("old")
    (tmp_path / "folder" / "only-old").write_text("old")
    return tmp_path


def fill(fresh):
    (fresh / "deep").mkdir(parents=True)
    (fresh / "deep" / "a").write_text("new")
    (fresh / "only-new").write_text("new")


def test_a_file_appears_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write(path, "text: ä\n")
    assert path.read_bytes() == "text: ä\n".encode()
    write(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert names(path.parent) == ["c.txt"]


def test_what_is_not_complete_lies_beside_its_target_and_is_known_as_such(tmp_path):
    with replacing(tmp_path / "c.txt") as fresh:
        assert fresh.name == "c.txt"
        assert not fresh.exists()
        (holder,) = tmp_path.iterdir()
        assert fresh.parent == holder
        assert holder.name.startswith(".c.txt.")
        assert holder.name.endswith(".part")
        assert unfinished(fresh)
        fresh.write_text("new")
        assert not (tmp_path / "c.txt").exists()
    assert names(tmp_path) == ["c.txt"]
    assert not unfinished(tmp_path / "c.txt")
    assert not unfinished(tmp_path / "my.part" / ".hidden" / "c.txt")


@pytest.mark.parametrize("stop", [ValueError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("target", ["file.txt", "folder", "absent"])
def test_an_interrupted_write_leaves_the_old_and_no_litter(old, stop, target):
    before, listed = contents(old), names(old)

    def interrupted():
        with replacing(old / target) as fresh:
            fill(fresh) if target == "folder" else fresh.write_text("ne")
            raise stop

    with pytest.raises(stop):
        interrupted()
    assert contents(old) == before
    assert names(old) == listed


def test_a_block_that_writes_nothing_is_an_error_and_changes_nothing(old):
    before = contents(old)
    with pytest.raises(FileNotFoundError), replacing(old / "file.txt"):
        pass
    assert contents(old) == before
    assert names(old) == ["file.txt", "folder"]


def test_a_folder_is_replaced_with_all_its_contents(old):
    with replacing(old / "folder") as fresh:
        fill(fresh)
        assert (old / "folder" / "only-old").exists()
    assert contents(old / "folder") == {"deep/a": "new", "only-new": "new"}
    assert names(old) == ["file.txt", "folder"]


@pytest.mark.parametrize("call", ["rename", "replace"])
@pytest.mark.parametrize("target", ["file.txt", "folder"])
def test_an_interrupted_move_puts_the_old_back(old, monkeypatch, call, target):
    before = contents(old)
    moves = []
    real = getattr(os, call)

    def stop(*arguments):
        moves.append(arguments)
        if len(moves) == 1:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(os, call, stop)

    def move():
        with replacing(old / target) as fresh:
            fill(fresh) if target == "folder" else fresh.write_text("new")

    if call == "rename" and target == "file.txt":
        move()  # a file needs no second move
        assert not moves
        assert (old / "file.txt").read_text() == "new"
    else:
        with pytest.raises(KeyboardInterrupt):
            move()
        assert contents(old) == before
    assert names(old) == ["file.txt", "folder"]


def test_a_file_never_takes_the_place_of_a_folder(old):
    before = contents(old)
    with pytest.raises(IsADirectoryError):
        write(old / "folder", "a file")
    assert contents(old) == before
    assert names(old) == ["file.txt", "folder"]


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_permissions_are_those_of_a_plain_open(tmp_path, mask, file, folder):
    before = os.umask(mask)
    try:
        write(tmp_path / "file.txt", "new")
        with replacing(tmp_path / "folder") as fresh:
            fill(fresh)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == file
    assert stat.S_IMODE((tmp_path / "folder" / "deep" / "a").stat().st_mode) == file
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == folder


def test_everything_is_on_the_disk_before_it_is_moved(old, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace

    def watch(descriptor):
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    monkeypatch.setattr(os, "replace", lambda *pair: (done.append("moved"), replace(*pair)))
    with replacing(old / "folder") as fresh:
        fill(fresh)
    before, after = done[: done.index("moved")], done[done.index("moved") + 1 :]
    assert {str(fresh), str(fresh / "deep"), str(fresh / "deep" / "a"), str(fresh / "only-new")} == {*before}
    assert after == [str(old)]


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("target", "step"),
    [*itertools.product(("file.txt", "folder"), ("mkdir", "fsync", "replace")), ("folder", "rename")],
)
def test_a_full_disk_names_the_target_whatever_the_step(old, monkeypatch, step, target):
    before = contents(old)

    def full(*_, **__):
        raise OSError(*FULL.args)

    def attempt():
        with replacing(old / target) as fresh:
            fill(fresh) if target == "folder" else fresh.write_text("new")
            monkeypatch.setattr(os, step, full)

    if step == "mkdir":
        monkeypatch.setattr(os, step, full)
    message = f"^{re.escape(str(old / target))}: cannot be written: No space left on device$"
    with pytest.raises(OSError, match=message) as caught:
        attempt()
    monkeypatch.undo()
    assert caught.value.strerror == "No space left on device"
    assert contents(old) == before
    assert names(old) == ["file.txt", "folder"]


def test_a_full_disk_in_the_block_names_the_target_and_another_file_its_own(old):
    def attempt(error):
        with replacing(old / "file.txt"):
            raise error

    with pytest.raises(OSError, match=r"file\.txt: cannot be written: No space left on device$"):
        attempt(OSError(*FULL.args))  # as the write to an open file says it
    with pytest.raises(FileNotFoundError) as caught:
        attempt(FileNotFoundError(errno.ENOENT, "No such file or directory", "ffmpeg"))
    assert caught.value.filename == "ffmpeg"


LIMITED = """
import resource, signal, sys
from safebench.atomic import write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write(sys.argv[1], "x" * 5000)
except OSError as error:
    print(error)
"""


def test_a_file_that_may_not_grow_so_far_is_named(tmp_path):
    path = tmp_path / "large.json"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{path}: cannot be written: File too large\n", done.stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize("action", [check_writable, lambda path: write(path, "new")])
@pytest.mark.parametrize(
    ("place", "kind", "cause"),
    [
        ("folder", IsADirectoryError, "Is a directory"),
        ("file.txt/below.json", OSError, "{old}/file.txt is not a folder"),
        ("file.txt/far/below.json", OSError, "{old}/file.txt is not a folder"),
        ("x" * 300, OSError, "File name too long"),
        ("/proc/nowhere/x.json", OSError, "No such file or directory"),
    ],
)
def test_places_that_cannot_be_written_are_named_with_the_cause(old, action, place, kind, cause):
    before = contents(old)
    with pytest.raises(kind) as caught:
        action(old / place)
    assert str(caught.value) == f"{old / place}: cannot be written: {cause.format(old=old)}"
    assert contents(old) == before


def test_a_folder_without_permission_is_named_before_the_work(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "somewhere")

    if os.getuid() == 0:  # who may write everywhere
        monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"x\.json: cannot be written: Permission denied$"):
        check_writable(tmp_path / "x.json")
    tmp_path.chmod(0o700)


def test_the_check_before_the_work_leaves_nothing_and_refuses_nothing_good(old):
    before = contents(old)
    for place in ("file.txt", "fresh.json", "a/b/c.json", "y" * 240):
        check_writable(old / place)
    assert contents(old) == before
    assert names(old) == ["file.txt", "folder"]


WRITER = """
import os, signal, sys
from pathlib import Path
{replacing}
left = int(sys.argv[2])
def tick():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def ticking(call):
    def wrapped(*arguments, **options):
        tick()
        return call(*arguments, **options)
    return wrapped
for name in ("fsync", "mkdir", "rename", "replace", "rmdir", "unlink"):
    setattr(os, name, ticking(getattr(os, name)))
folder = Path(sys.argv[1])
with replacing(folder / "file") as fresh, fresh.open("w") as file:
    for _ in range(3):
        file.write("new ")
        file.flush()
        tick()
with replacing(folder / "folder") as fresh:
    fresh.mkdir()
    for name in "abc":
        (fresh / name).write_text("new ")
        tick()
"""
ATOMIC = "from safebench.atomic import replacing"
DIRECT = """
import shutil
from contextlib import contextmanager
@contextmanager
def replacing(path):
    if path.is_dir():
        shutil.rmtree(path)
    yield path
"""


WHOLE = {("old old old ", "old old old "), ("new new new ", "old old old ")}
WHOLE |= {("new new new ", "absent"), ("new new new ", "new new new ")}


def left_by_kills(tmp_path, replacing):
    """The texts of file and folder after a kill -9 at each step of the writer."""
    code = WRITER.format(replacing=replacing)
    seen, steps, done = set(), itertools.count(), None
    while done is None or done.returncode:
        step = next(steps)
        folder = tmp_path / str(step)
        (folder / "folder").mkdir(parents=True)
        for path in (folder / "folder" / name for name in "abc"):
            path.write_text("old ")
        (folder / "file").write_text("old old old ")
        done = subprocess.run([sys.executable, "-c", code, str(folder), str(step)], check=False)
        assert done.returncode in (0, -signal.SIGKILL)
        parts = folder / "folder"
        texts = "".join(path.read_text() for path in sorted(parts.iterdir())) if parts.exists() else "absent"
        seen.add(((folder / "file").read_text(), texts))
        others = {*names(folder)} - {"file", "folder"}
        assert all(unfinished(folder / name) for name in others)
    assert not others
    return seen


def test_a_kill_at_any_step_leaves_the_old_the_new_or_nothing(tmp_path):
    assert left_by_kills(tmp_path, ATOMIC) == WHOLE


def test_a_kill_is_noticed_where_writing_is_not_atomic(tmp_path):
    """The control: the same writer straight to its targets leaves halves of both."""
    seen = left_by_kills(tmp_path, DIRECT)
    assert ("new new ", "old old old ") in seen
    assert ("new new new ", "new new ") in seen
