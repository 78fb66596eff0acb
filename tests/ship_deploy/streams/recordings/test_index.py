"""The index of a recording, whatever became of the one who wrote it."""

import json
import os
from pathlib import Path

import pytest

from ship_deploy.errors import UserError
from ship_deploy.streams.recordings import index as module
from ship_deploy.streams.recordings.index import Index, Part, read_index


def part(folder: Path, name: str, begin: float, seconds: float | None = 60.0) -> Part:
    """A file of ten bytes; nobody closed it if it has no length."""
    path = folder / name
    path.write_bytes(b"x" * 10)
    end = None if seconds is None else begin + seconds
    return Part(path, begin, 25.0, end, None if seconds is None else 10)


def test_what_is_written_is_read(tmp_path):
    index = Index(tmp_path / "o.jsonl")
    first, second, third = (part(tmp_path, f"{n}.mp4", 60.0 * n) for n in (1, 2, 3))
    for each in (second, first, third):
        index.begin(each)
        index.end(each, {"frames": 7})
    index.remove(third, "too old")
    index.close()
    found = read_index(tmp_path / "o.jsonl")
    assert [(p.path, p.begin, p.until, p.bytes) for p in found] == [
        (first.path, 60.0, 120.0, 10),
        (second.path, 120.0, 180.0, 10),
    ]
    assert found[0].facts["frames"] == 7


def test_damaged_lines_and_names_from_outside_are_passed_over(tmp_path):
    good = {"event": "begin", "file": "a.mp4", "begin": "2026-11-25T14:00:00+00:00", "rate": 25}
    outside = [{**good, "file": name} for name in ("../a.mp4", "/etc/passwd", "")]
    lines = [*map(json.dumps, [good, *outside]), "[]", "\0\0", '{"event": "end", "fi']
    (tmp_path / "o.jsonl").write_text("\n".join(lines))
    assert [p.path.name for p in read_index(tmp_path / "o.jsonl")] == ["a.mp4"]
    (tmp_path / "a.mp4").touch()
    index = Index(tmp_path / "o.jsonl")  # and what comes next is a line of its own
    index.begin(part(tmp_path, "b.mp4", 5.0))
    index.close()
    assert [p.path.name for p in read_index(tmp_path / "o.jsonl")] == ["b.mp4", "a.mp4"]


def test_a_file_of_a_process_that_died_is_closed_in_the_index(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "count_pictures", lambda path: 250 if path.stem == "a" else None)
    index = Index(tmp_path / "o.jsonl")
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        index.begin(part(tmp_path, name, 1000.0, None))
    os.utime(tmp_path / "b.mp4", (1030.0, 1030.0))
    (tmp_path / "c.mp4").unlink()
    index.close()  # as the kernel does
    Index(tmp_path / "o.jsonl").close()
    found = read_index(tmp_path / "o.jsonl")
    assert sorted((p.path.name, p.end, p.bytes) for p in found) == [
        ("a.mp4", 1010.0, 10),
        ("b.mp4", 1030.0, 10),
    ]
    assert (tmp_path / "a.mp4").read_bytes() == b"x" * 10


def test_two_processes_do_not_write_one_index(tmp_path):
    index = Index(tmp_path / "o.jsonl")
    with pytest.raises(UserError, match=r"o\.jsonl: another process records there"):
        Index(tmp_path / "o.jsonl")
    index.close()
    Index(tmp_path / "o.jsonl").close()


def test_what_a_full_disk_refuses_is_written_later(tmp_path, monkeypatch):
    index = Index(tmp_path / "o.jsonl")
    write = os.write

    def full(number, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "write", full)
    index.begin(part(tmp_path, "a.mp4", 1.0))
    monkeypatch.setattr(module.os, "write", lambda n, content: write(n, content[:5]))
    index.begin(part(tmp_path, "b.mp4", 2.0))
    monkeypatch.undo()
    index.begin(part(tmp_path, "c.mp4", 3.0))
    index.close()
    found = read_index(tmp_path / "o.jsonl")
    assert [p.path.name for p in found] == ["a.mp4", "b.mp4", "c.mp4"]
