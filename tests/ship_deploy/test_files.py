import errno
import fcntl
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ship_deploy import UserError
from ship_deploy.files import copy_atomically, make_folder, remove_unfinished, write_atomically


def test_writes_all_and_leaves_nothing_else(tmp_path):
    write_atomically(tmp_path / "a.bin", b"one")
    write_atomically(tmp_path / "a.bin", b"two")
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"two"


def test_a_copy_is_whole_or_not_there(tmp_path):
    (tmp_path / "from.bin").write_bytes(b"x" * 3_000_000)
    copy_atomically(tmp_path / "from.bin", tmp_path / "to.bin")
    assert (tmp_path / "to.bin").read_bytes() == b"x" * 3_000_000
    with pytest.raises(UserError, match=r"nothing\.bin: cannot read"):
        copy_atomically(tmp_path / "nothing.bin", tmp_path / "other.bin")
    with pytest.raises(UserError, match="cannot write"):
        copy_atomically(tmp_path / "from.bin", tmp_path / "nowhere" / "to.bin")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["from.bin", "to.bin"]


def test_the_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.bin", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(UserError, match=r"a\.bin: cannot write \(No space left on device\)"):
        write_atomically(path, b"new")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_an_interrupt_leaves_no_half_written_file(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.bin", b"new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["/proc/ship-deploy", "/dev/null/folder"])
def test_a_folder_that_cannot_be_made(place):
    with pytest.raises(UserError, match="cannot write there"):
        make_folder(Path(place))


def test_a_file_system_that_cannot_flush_folders_is_no_failure(tmp_path, monkeypatch):
    real = os.fsync

    def fsync(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_a_name_may_be_as_long_as_the_system_takes(tmp_path):
    path = tmp_path / ("\u591c" * 83 + ".png")  # 253 bytes of 255
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def kind(number: int) -> str:
    return "folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file"


def test_after_a_power_cut_the_name_has_the_old_content_or_the_new(tmp_path, monkeypatch):
    """The file is on the disk before its name, and the name before anybody is told."""
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda n: (done.append(f"flush {kind(n)}"), fsync(n)))
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("rename"), replace(*a)))
    write_atomically(tmp_path / "a.bin", b"new")
    assert done == ["flush file", "rename", "flush folder"]


class Faulty:
    """A file on a disk that fails at one call."""

    def __init__(self, file, call, number):
        self._file, self._call, self._number = file, call, number

    def __getattr__(self, name):
        if name == self._call:
            raise OSError(self._number, os.strerror(self._number))
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize(
    "call", ["open", "write", "flush", "flush the file", "rename", "open the folder"]
)
def test_whatever_fails_the_old_file_stays_and_no_other(tmp_path, monkeypatch, call, number):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    opened, real = Path.open, os.open

    def fail(*_):
        raise OSError(number, os.strerror(number))

    if call == "open":
        monkeypatch.setattr(Path, "open", fail)
    elif call in ("write", "flush"):
        monkeypatch.setattr(Path, "open", lambda *a, **k: Faulty(opened(*a, **k), call, number))
    elif call == "open the folder":
        monkeypatch.setattr(os, "open", lambda p, *a: fail() if p == tmp_path else real(p, *a))
    else:
        monkeypatch.setattr(os, "replace" if call == "rename" else "fsync", fail)
    with pytest.raises(UserError, match=r"a\.bin: cannot write \("):
        write_atomically(path, b"new")
    monkeypatch.undo()
    kept = b"new" if call == "open the folder" else b"old"  # then it has its name already
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [kept]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_folder_that_fails_to_be_flushed_is_told(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def fail(n):
        if kind(n) == "folder":
            raise OSError(number, os.strerror(number))
        fsync(n)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="cannot write"):
        write_atomically(tmp_path / "a.bin", b"new")


WRITER = """
import sys
from pathlib import Path
from ship_deploy.files import write_atomically
print("ready", flush=True)
for number in range(1_000_000):
    write_atomically(Path(sys.argv[1]) / f"{number % 5}.bin", bytes([number % 256]) * 200_000)
"""


def test_a_killed_writer_leaves_whole_files_and_the_next_run_clears_the_rest(tmp_path):
    chance = random.Random(0)
    for _ in range(15):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE
        ) as writer:
            writer.stdout.readline()
            time.sleep(chance.random() * 0.02)
            writer.send_signal(signal.SIGKILL)
    for path in tmp_path.glob("[!.]*"):
        content = path.read_bytes()
        assert len(content) == 200_000 and len(set(content)) == 1
    make_folder(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_what_others_write_now_and_what_is_not_ours_stays(tmp_path):
    mine = tmp_path / ".a.png.0123456789abcdef.part"
    others = [tmp_path / ".a.part", tmp_path / "a.0123456789abcdef.part"]
    for path in (mine, *others):
        path.write_bytes(b"half")
    with mine.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_unfinished(tmp_path)
        assert mine.exists()
    remove_unfinished(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_pipe_or_a_link_of_such_a_name_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / ".a.png.0123456789abcdef.part")
    (tmp_path / ".b.png.0123456789abcdef.part").symlink_to(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"whole")
    code = "import pathlib, sys; from ship_deploy import files; "
    code += "files.make_folder(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=60)  # it hung
    assert len([*tmp_path.iterdir()]) == 3


def test_a_file_that_is_removed_before_it_is_locked_is_begun_again(tmp_path, monkeypatch):
    real, calls = fcntl.flock, []

    def flock(file, how):
        if not calls:
            Path(file.name).unlink()
        calls.append(how)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    write_atomically(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new" and len(calls) == 2


def test_a_file_system_without_locks_is_no_failure(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    write_atomically(tmp_path / "a.bin", b"new")
    make_folder(tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]
