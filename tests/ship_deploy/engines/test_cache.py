"""Engines are kept where nobody else can put one."""

import fcntl
import os
import stat
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ship_deploy import UserError
from ship_deploy.engines import cache
from ship_deploy.engines.cache import build_cached, cache_folder, list_cached, remove_cached
from ship_deploy.engines.passport import passport_path

ARTIFACT = SimpleNamespace(path=Path("small.onnx"))


@pytest.fixture
def recipe(monkeypatch, tmp_path) -> SimpleNamespace:
    """A recipe whose engine is a few bytes; what is cached is not good, so each call builds."""

    def build(artifact, recipe, device):
        return SimpleNamespace(engine=b"engine")

    def write(path: Path, engine: bytes, recipe) -> None:
        path.write_bytes(engine)
        passport_path(path).write_bytes(b"{}")

    monkeypatch.setattr(cache, "build_engine", build)
    monkeypatch.setattr(cache, "write_engine", write)
    monkeypatch.setenv("SHIP_DEPLOY_CACHE", str(tmp_path / "a" / "cache"))
    return SimpleNamespace(key="0123456789abcdef0")


def test_files_are_this_user_s_alone_whatever_the_umask(recipe):
    before = os.umask(0)
    try:
        path = build_cached(ARTIFACT, recipe)
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(modes) == 3 and set(modes.values()) == {0o600}
    assert build_cached(ARTIFACT, recipe) == path


@pytest.mark.parametrize("place", ["folder", "engine", "passport", "lock"])
def test_what_others_may_write_to_is_refused(recipe, place):
    path = build_cached(ARTIFACT, recipe)
    places = {"folder": path.parent, "engine": path, "passport": passport_path(path)}
    found = places.get(place, path.with_suffix(".lock"))
    found.chmod(found.stat().st_mode | 0o020)
    with pytest.raises(UserError, match=f"others may write to it.*chmod go-w {found}"):
        build_cached(ARTIFACT, recipe)


@pytest.mark.parametrize("place", ["folder", "engine", "lock"])
def test_what_belongs_to_another_user_is_refused(recipe, place, monkeypatch):
    path = build_cached(ARTIFACT, recipe)
    found = {"folder": path.parent, "engine": path}.get(place, path.with_suffix(".lock"))
    check = cache._check

    def foreign(path: Path, status: os.stat_result, is_right) -> None:
        owner = 4711 if path == found else os.geteuid()
        check(path, SimpleNamespace(st_uid=owner, st_mode=status.st_mode), is_right)

    monkeypatch.setattr(cache, "_check", foreign)
    with pytest.raises(UserError, match="belongs to another user"):
        build_cached(ARTIFACT, recipe)


def test_a_link_and_a_pipe_in_place_of_a_file_are_refused(recipe, tmp_path):
    path = build_cached(ARTIFACT, recipe)
    target = tmp_path / "precious"
    target.write_text("kept")
    lock = path.with_suffix(".lock")
    lock.unlink()
    lock.symlink_to(target)
    with pytest.raises(UserError, match="cannot lock it"):
        build_cached(ARTIFACT, recipe)
    lock.unlink()
    os.mkfifo(lock, 0o600)
    with pytest.raises(UserError, match="not what a cache of engines holds"):
        build_cached(ARTIFACT, recipe)
    lock.unlink()
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(UserError, match="not what a cache of engines holds"):
        build_cached(ARTIFACT, recipe)
    assert target.read_text() == "kept"


def test_a_wait_for_another_process_is_said(recipe, caplog):
    lock = build_cached(ARTIFACT, recipe).with_suffix(".lock")
    waiting = threading.Thread(target=build_cached, args=(ARTIFACT, recipe))
    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()
    assert f"waiting for another process that builds this engine ({lock})" in caplog.text


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch, tmp_path):
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SHIP_DEPLOY_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UserError, match="set SHIP_DEPLOY_CACHE"):
        cache_folder()
    monkeypatch.setenv("SHIP_DEPLOY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def build(*keys: str) -> list[Path]:
    """Engines of these keys, each used later than the one before."""
    paths = [build_cached(ARTIFACT, SimpleNamespace(key=key * 16)) for key in keys]
    for seconds, path in enumerate(paths):
        os.utime(path, (1e9 + seconds, 1e9 + seconds))
    return paths


def test_engines_are_listed_and_nothing_else(recipe):
    assert list_cached() == []
    first, second = build("1", "2")
    for name in ("notes.txt", "mine.engine"):
        (first.parent / name).write_text("kept")
    (first.parent / f"small-{'3' * 16}.engine").symlink_to("notes.txt")
    assert [(e.path, e.size, e.used) for e in list_cached()] == [
        (second, 6, 1e9 + 1),
        (first, 6, 1e9),
    ]


def test_an_engine_is_removed_with_all_that_belongs_to_it(recipe):
    first, second = build("1", "2")
    assert remove_cached(first)
    assert {path.name for path in first.parent.iterdir()} == {
        second.name,
        passport_path(second).name,
        second.with_suffix(".lock").name,
    }


def test_an_engine_that_is_being_built_stays(recipe):
    (path,) = build("1")
    with path.with_suffix(".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not remove_cached(path)
    assert path.exists()


def test_a_lock_that_was_removed_during_the_wait_is_taken_anew(recipe):
    """Else two processes could build the same engine at once."""
    (path,) = build("1")
    lock = path.with_suffix(".lock")
    held = threading.Event()
    end = threading.Event()

    def hold() -> None:
        with cache._locked(lock):
            held.set()
            assert end.wait(60)

    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Thread(target=hold)
        waiting.start()
        assert not held.wait(0.5)
        lock.unlink()
    assert held.wait(60)
    try:
        with pytest.raises(BlockingIOError), cache._locked(lock, wait=False):
            pass
    finally:
        end.set()
        waiting.join(60)


def test_the_longest_unused_go_when_there_are_too_many(recipe, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 3 * len(b"engine"))
    first, second, third = build("1", "2", "3")
    monkeypatch.setattr(cache, "read_whole", lambda path: (b"", SimpleNamespace(recipe=used)))
    used = SimpleNamespace(key="1" * 16)
    assert build_cached(ARTIFACT, used) == first
    used = None
    (fourth,) = build("4")
    assert {engine.path for engine in list_cached()} == {first, third, fourth}
    assert not passport_path(second).exists()


def test_the_newest_stays_even_if_it_is_too_large_alone(recipe, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 1)
    assert [engine.path for engine in list_cached()] == []
    build("1")
    (second,) = build("2")
    assert [engine.path for engine in list_cached()] == [second]


def test_a_folder_that_is_not_safe_is_not_listed(recipe):
    (path,) = build("1")
    path.parent.chmod(0o770)
    with pytest.raises(UserError, match="others may write to it"):
        list_cached()
