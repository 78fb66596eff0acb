import errno
import os
import stat
from pathlib import Path

import pytest

from ship_deploy import UserError
from ship_deploy.files import make_folder, write_atomically


def test_writes_all_and_leaves_nothing_else(tmp_path):
    write_atomically(tmp_path / "a.bin", b"one")
    write_atomically(tmp_path / "a.bin", b"two")
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"two"


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
