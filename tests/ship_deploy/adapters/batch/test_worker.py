from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ship_deploy import Fuser
from ship_deploy.adapters.batch.archive import Item
from ship_deploy.adapters.batch.places import digest
from ship_deploy.adapters.batch.worker import Job, SetUpError, Worker, digest_model, missed
from ship_deploy.images import read_infrared, read_visible, write_png
from tests.ship_deploy.adapters.recordings import INFRARED, VISIBLE, drive, write_mcap
from training.scenes import render

PAIRS = 7  # more than are read ahead


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    return Job(str(tmp_path / "target"), str(model), digest_model(model, None))


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    found = []
    for number in range(PAIRS):
        inputs = []
        for side, image in zip(("visible", "infrared"), render(number, 32, 48), strict=True):
            path = tmp_path / side / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            write_png(path, image)
            inputs.append(str(path))
        found.append(Item(f"day/{number}", tuple(inputs)))
    return found


def fresh(items: list[Item]) -> list[tuple[Item, None]]:
    return [(item, None) for item in items]


def test_outputs_are_what_a_fuser_gives_and_rows_say_so(job, items, model):
    rows = Worker(job).work(fresh(items))
    fuser = Fuser(model, device="cpu", threads=1)
    assert [row["name"] for row in rows] == [item.name for item in items]
    for item, row in zip(items, rows, strict=True):
        path = Path(job.target, f"{item.name}.png")
        expected = fuser(*(read(Path(p)) for read, p in zip(READERS, item.inputs, strict=True)))
        assert np.array_equal(read_visible(path), expected)
        assert row["output"] == str(path) and row["output_digest"] == digest(path)
        assert row["digests"] == [digest(Path(p)) for p in item.inputs]
        assert row["model"] == fuser.info.digest
        assert (row["frames"], row["error"]) == (1, "")
        assert row["seconds"] > 0 and row["finished"].tzinfo is not None


READERS = read_visible, read_infrared


def test_what_is_done_twice_gives_the_same_and_leaves_nothing_else(job, items):
    first, second = (Worker(job).work(fresh(items)) for _ in range(2))
    assert [r["output_digest"] for r in first] == [r["output_digest"] for r in second]
    files = [path.name for path in Path(job.target, "day").iterdir()]
    assert sorted(files) == [f"{number}.png" for number in range(PAIRS)]


def test_a_bad_pair_stops_no_other(job, items):
    Path(items[2].inputs[0]).write_bytes(b"not an image")
    write_png(Path(items[3].inputs[1]), np.zeros((48, 32), np.uint8))
    Path(items[4].inputs[0]).unlink()
    items[5] = Item("day/5", items[5].inputs[:1], "no partner")
    rows = Worker(job).work(fresh(items))
    errors = {number: row["error"] for number, row in enumerate(rows) if row["error"]}
    assert errors.keys() == {2, 3, 4, 5}
    assert "not an image" in errors[2] and "No such file" in errors[4]
    assert errors[5] == "no partner"
    assert [row["output"] == "" for row in rows] == [bool(row["error"]) for row in rows]
    assert not Path(job.target, "day", "2.png").exists()


def test_a_bug_with_one_pair_stops_no_other(job, items, monkeypatch):
    fuse = Fuser.__call__

    def fail_once(self, visible, infrared, failed=[]):  # noqa: B006
        if not failed:
            failed.append(True)
            raise ZeroDivisionError("by zero")
        return fuse(self, visible, infrared)

    monkeypatch.setattr(Fuser, "__call__", fail_once)
    rows = Worker(job).work(fresh(items))
    assert [row["error"] for row in rows] == ["ZeroDivisionError: by zero"] + [""] * (PAIRS - 1)


def test_what_was_done_is_not_done_again_unless_something_differs(job, items, monkeypatch):
    earlier = Worker(job).work(fresh(items))
    fused = []
    fuse = Fuser.__call__
    monkeypatch.setattr(Fuser, "__call__", lambda *a: fused.append(1) or fuse(*a))
    again = Worker(job).work(list(zip(items, earlier, strict=True)))
    assert not fused and all(a is b for a, b in zip(again, earlier, strict=True))

    visible, _ = render(99, 32, 48)
    write_png(Path(items[0].inputs[0]), visible)  # another input
    Path(earlier[1]["output"]).write_bytes(b"damaged")
    Path(earlier[2]["output"]).unlink()
    earlier[3] = {**earlier[3], "error": "disk full", "output": ""}
    again = Worker(job).work(list(zip(items, earlier, strict=True)))
    assert len(fused) == 4
    assert [a is b for a, b in zip(again, earlier, strict=True)] == [False] * 4 + [True] * 3
    assert all(digest(Path(row["output"])) == row["output_digest"] for row in again)

    changed = replace(job, percentiles=(2.0, 98.0))
    Worker(changed).work(list(zip(items, again, strict=True)))
    assert len(fused) == 4 + PAIRS


def test_another_model_under_the_same_path_or_another_version_is_refused(job, items):
    with pytest.raises(SetUpError, match="another model"):
        Worker(replace(job, digest="0" * 64)).work(fresh(items))
    with pytest.raises(SetUpError, match=r"has ship-deploy .+, the job 0\.0\.0"):
        Worker(replace(job, version="0.0.0")).work(fresh(items))
    with pytest.raises(SetUpError, match="cannot read the model"):
        Worker(replace(job, model="nowhere.onnx")).work(fresh(items))


def test_a_recording_gets_its_topic_and_a_cut_one_a_note(job, tmp_path):
    whole = write_mcap(tmp_path / "a.mcap", drive(size=(32, 48)), chunk=2000)
    cut = tmp_path / "b.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    items = [Item(p.stem, (str(p),)) for p in (whole, cut, tmp_path / "c.mcap")]
    job = replace(job, topics=(VISIBLE, INFRARED, "/fused/image"))
    first, second, third = Worker(job).work(fresh(items))
    assert first["frames"] == 10 and first["note"] == ""
    assert 0 < second["frames"] < 10 and "cut short" in second["note"]
    assert "no such file" in third["error"]
    assert digest(Path(job.target, "a.mcap")) == first["output_digest"]
    (again,) = Worker(job).work([(items[0], first)])
    assert again is first


def test_the_row_of_an_item_that_killed_its_workers_says_so(job, items):
    row = missed(job, items[0])
    assert row["name"] == items[0].name and "died" in row["error"] and row["output"] == ""
