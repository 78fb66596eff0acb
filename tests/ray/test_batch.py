"""`ship-deploy batch` under a real Ray, with nodes that die. `make test-ray` runs it."""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs Ray: make test-ray")

import pyarrow as pa
from pyarrow import parquet

from ship_deploy import Fuser, UserError
from ship_deploy.adapters.batch.archive import find_items
from ship_deploy.adapters.batch.cluster import Cluster, block_size
from ship_deploy.adapters.batch.manifest import Manifest, schema
from ship_deploy.adapters.batch.places import digest, digest_at, find_place
from ship_deploy.adapters.batch.worker import Job, Worker, digest_model
from ship_deploy.commands import batch as command
from ship_deploy.images import read_infrared, read_visible
from ship_deploy.models import find_model
from tests.ray.rig import (
    ROOT,
    batch,
    cluster,
    finish,
    known_rows,
    make_pairs,
    rows_of,
    start,
    wait,
    workers,
    works,
    written,
)

LONG = 300, 240, 320  # pairs, height, width: some ten seconds of work


def check(source: Path, target: Path, count: int) -> dict:
    """Each pair has one row without an error, and one output, which is what the row says."""
    rows = rows_of(target)
    assert len(rows) == written(target) == count
    for row in rows.values():
        assert not row["error"]
        assert digest(Path(row["output"])) == row["output_digest"]
        assert row["digests"] == [digest(Path(path)) for path in row["inputs"]]
    assert not list(target.rglob(".*"))
    name, row = next(iter(rows.items()))
    fused = Fuser("ship-t", device="cpu", threads=1)(
        read_visible(source / "visible" / f"{name}.png"),
        read_infrared(source / "infrared" / f"{name}.png"),
    )
    assert np.array_equal(read_visible(Path(row["output"])), fused)
    return rows


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """Where Ray's processes find our modules, and a server of S3 on this machine with a bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = {
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.items():
            patch.setenv(name, value)
        find_place("s3://archive").mkdir()
        yield
    server.stop()


@pytest.fixture(scope="module")
def nodes(environment: None) -> Iterator[Any]:
    with cluster(3) as made:
        yield made


@pytest.fixture
def there(nodes: Any) -> tuple[str, str]:
    """Options that send a job to the cluster of three nodes, which is up already."""
    return "--address", nodes.address


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    return make_pairs(tmp_path_factory.mktemp("long"), *LONG)


def test_a_worker_and_a_node_are_killed_and_nothing_is_lost_or_repeated(long, nodes, tmp_path):
    process = start(long, "-o", tmp_path, "--address", nodes.address)
    known = wait(lambda: known_rows(tmp_path))
    victim = int(known[0]["worker"].split(":")[1])
    os.kill(victim, signal.SIGKILL)
    before = written(tmp_path)
    wait(lambda: written(tmp_path) > before + 20)
    node = next(iter(filter(works, nodes.worker_nodes)))
    nodes.remove_node(node, allow_graceful=False)
    assert process.poll() is None and written(tmp_path) < LONG[0]
    code, out, err = finish(process)
    nodes.add_node(num_cpus=1, object_store_memory=80 << 20)  # for the other tests
    assert code == 0, err
    assert out.strip() == str(tmp_path / "manifest.parquet")
    assert f"Fused {LONG[0]} of {LONG[0]} pairs" in err
    rows = check(long, tmp_path, LONG[0])
    assert all(rows[row["name"]] == row for row in known)


def test_a_job_that_was_killed_is_resumed_where_it_was(long, there, tmp_path):
    process = start(long, "-o", tmp_path)
    parts = tmp_path / "manifest.parts"
    wait(lambda: known_rows(tmp_path))
    left = workers(process)
    process.kill()
    wait(lambda: not any(each.is_running() for each in left))
    assert 0 < written(tmp_path) < LONG[0]
    known = known_rows(tmp_path)
    assert 0 < len(known) <= written(tmp_path)

    code, _, err = batch(long, "-o", tmp_path)
    assert code == 1 and "go on with --resume" in err

    code, _, err = batch(long, "-o", tmp_path, "--resume", *there)
    assert code == 0, err
    assert f"{len(known)} were done earlier" in err
    rows = check(long, tmp_path, LONG[0])
    assert all(rows[row["name"]] == row for row in known)
    assert not parts.exists()


def test_an_interrupt_ends_cleanly_and_keeps_what_is_done(long, tmp_path):
    process = start(long, "-o", tmp_path)
    wait(lambda: known_rows(tmp_path))
    left = workers(process)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130, err
    assert "interrupted; what was finished is kept" in err and "Traceback" not in err
    wait(lambda: not any(each.is_running() for each in left))
    rows = rows_of(tmp_path)
    assert 0 < len(rows) <= written(tmp_path) < LONG[0]
    assert all(digest(Path(row["output"])) == row["output_digest"] for row in rows.values())


def test_bad_pairs_are_in_the_manifest_and_in_the_exit_code(there, tmp_path):
    source = make_pairs(tmp_path / "in", 12)
    (source / "visible" / "1" / "0004.png").write_bytes(b"no image")
    (source / "infrared" / "2" / "0005.png").unlink()
    code, out, err = batch(source, "-o", tmp_path / "out", "--workers", "1", *there)
    assert code == 1
    assert out.strip() == str(tmp_path / "out" / "manifest.parquet")
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: 2 of 12 pairs could not be fused")
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 12
    assert {name for name, row in rows.items() if row["error"]} == {"1/0004", "2/0005"}
    assert "not an image" in rows["1/0004"]["error"]

    shutil.copy(source / "visible" / "0" / "0000.png", source / "visible" / "1" / "0004.png")
    shutil.copy(source / "infrared" / "0" / "0000.png", source / "infrared" / "2" / "0005.png")
    code, _, err = batch(source, "-o", tmp_path / "out", "--resume", *there)
    assert code == 0 and "Fused 2 of 12 pairs" in err and "10 were done earlier" in err
    check(source, tmp_path / "out", 12)


class Deadly(Worker):
    """Dies of one pair, as of a bug in a codec."""

    def work(self, items):
        if any(item.name == "2/0005" for item, _ in items):
            os._exit(139)
        return super().work(items)


def test_a_pair_that_kills_its_worker_takes_no_other_with_it(nodes, tmp_path, monkeypatch):
    from ray import cloudpickle

    from ship_deploy.adapters.batch import cluster as module

    for each in (module, sys.modules[__name__]):  # so that workers have what is put there
        cloudpickle.register_pickle_by_value(each)
    monkeypatch.setattr(module, "RETRIES", 1)
    monkeypatch.setattr(module, "Worker", Deadly)
    items = find_items(str(make_pairs(tmp_path / "in", 12)), None, bags=False)
    job = Job(str(tmp_path / "out"), "ship-t", digest_model(find_model("ship-t"), None))
    manifest = Manifest(tmp_path / "out")
    with Cluster(nodes.address) as joined:
        for rows, _ in joined.fuse(job, items, manifest.read(), 2):
            manifest.add(rows)
    rows = {row["name"]: row for row in manifest.finish().to_pylist()}
    assert len(rows) == 12
    assert {name: bool(row["error"]) for name, row in rows.items()} == {
        item.name: item.name == "2/0005" for item in items
    }
    assert "died" in rows["2/0005"]["error"]


def test_a_worker_that_cannot_begin_ends_the_job_in_one_line(there, tmp_path):
    source = make_pairs(tmp_path / "in", 3)
    code, _, err = batch(source, "-o", tmp_path / "out", "--device", "cuda", *there)
    assert code == 1
    assert err.strip().splitlines()[-1] == "error: the cluster has no GPU for a worker"
    code, _, err = batch(source, "-o", tmp_path / "out", "--backend", "tensorrt", *there)
    assert code == 1
    assert "TensorRT runs on the GPU" in err.strip().splitlines()[-1]


def test_no_thread_asks_for_a_cluster_that_has_ended(nodes, tmp_path, monkeypatch):
    from ray.data._internal.execution.streaming_executor import _ClosingIterator as Results

    known, left = {*threading.enumerate()}, set()
    get_next = Results.get_next

    def slowly(*arguments):  # on a busy machine, a thread hears late that all ends
        try:
            return get_next(*arguments)
        finally:
            time.sleep(1.0)

    def fail(*_):
        time.sleep(0.5)  # the thread waits for more rows now
        raise UserError("no space left on device")

    class Watched(Cluster):
        def __exit__(self, *error):
            left.update(each.name for each in {*threading.enumerate()} - known)
            super().__exit__(*error)

    monkeypatch.setattr(Results, "get_next", slowly)
    monkeypatch.setattr(Manifest, "add", fail)
    monkeypatch.setattr(command, "Cluster", Watched)
    source = str(make_pairs(tmp_path / "in", 12))
    with pytest.raises(UserError, match="no space left"):
        command.fuse_archive(source, None, str(tmp_path), address=nodes.address, model="ship-t")
    assert "Prefetcher" in left  # so there were threads; this one only waits
    assert "iter_threaded" not in left


def test_source_and_target_in_an_object_store(there, tmp_path):
    source = make_pairs(tmp_path / "in", 8)
    bucket = find_place("s3://archive")
    bucket.fs.put(str(source), "archive/in", recursive=True)
    (bucket / "in" / "visible" / "0" / "0003.png").write_bytes(b"no image")
    arguments = "s3://archive/in", "-o", "s3://archive/out", *there
    code, out, err = batch(*arguments)
    assert code == 1, err
    assert out.strip() == "s3://archive/out/manifest.parquet"
    bucket.fs.invalidate_cache()
    rows = {row["name"]: row for row in Manifest(bucket / "out").read().to_pylist()}
    assert len(rows) == 8 and [n for n, row in rows.items() if row["error"]] == ["0/0003"]
    for row in rows.values():
        if not row["error"]:
            assert digest_at(find_place(row["output"])) == row["output_digest"]
    names = sorted(path.name for path in (bucket / "out").rglob("*") if path.suffix)
    assert names == sorted([*(f"{n[2:]}.png" for n in rows if n != "0/0003"), "manifest.parquet"])

    shutil.copy(source / "visible" / "0" / "0000.png", tmp_path / "good.png")
    content = (tmp_path / "good.png").read_bytes()
    (bucket / "in" / "visible" / "0" / "0003.png").write_bytes(content)
    code, _, err = batch(*arguments, "--resume")
    assert code == 0 and "7 were done earlier" in err


def test_a_bucket_that_is_not_there_is_one_line(tmp_path):
    source = make_pairs(tmp_path / "in", 2)
    code, _, err = batch(source, "-o", "s3://nowhere/out")
    assert code == 1
    (line,) = err.strip().splitlines()
    assert line.startswith("error: s3://nowhere/out")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_lists_name_pairs_and_their_outputs(tmp_path, suffix):
    columns = {"visible": ["v/1.png", "s3://bucket/2.png"], "infrared": ["i/1.png", "/i/2.png"]}
    path = tmp_path / f"pairs.{suffix}"

    def items(table: dict) -> list:
        if suffix == "csv":
            lines = [",".join(table), *(map(",".join, zip(*table.values(), strict=True)))]
            path.write_text("\n".join(lines) + "\n")
        else:
            parquet.write_table(pa.table(table), path)
        return find_items(str(path), None, bags=False)

    first, second = items(columns)
    assert first == ("v/1", (str(tmp_path / "v/1.png"), str(tmp_path / "i/1.png")), "")
    assert second == ("bucket/2", ("s3://bucket/2.png", "/i/2.png"), "")
    named = items({**columns, "name": ["001", "day/002"]})
    assert [item.name for item in named] == ["001", "day/002"]
    for name in ("../1", "/1", "a/../../b"):
        with pytest.raises(UserError, match=r"row 1: .+ is no name"):
            items({**columns, "name": [name, "2"]})
    with pytest.raises(UserError, match="would both become a"):
        items({**columns, "name": ["a", "a"]})
    with pytest.raises(UserError, match="row 1: expected text in the columns visible and infrared"):
        items({"visible": ["v/1.png"], "thermal": ["i/1.png"]})
    path.write_bytes(b"\xff\xfe nonsense")
    with pytest.raises(UserError, match=r"cannot read the list|expected text"):
        find_items(str(path), None, bags=False)


def row(name: str, error: str = "") -> pa.Table:
    values = {field.name: None for field in schema()} | {"name": name, "error": error}
    return pa.Table.from_pylist([values], schema())


def test_the_latest_row_of_a_name_counts_and_parts_are_made_one(tmp_path):
    first = Manifest(tmp_path)
    first.begin()
    first.add(row("b"))
    first.add(row("a", "bad"))
    first.flush()
    second = Manifest(tmp_path)  # the first one was killed
    second.begin()
    second.add(row("a"))
    second.add(row("c"))
    found = second.finish().to_pylist()
    assert [(r["name"], r["error"]) for r in found] == [("a", ""), ("b", ""), ("c", "")]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.parquet"]
    assert Manifest(tmp_path).read().to_pylist() == found


def test_a_file_that_is_no_manifest_is_said(tmp_path):
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "manifest.parquet")
    with pytest.raises(UserError, match="not a manifest"):
        Manifest(tmp_path).read()
    (tmp_path / "manifest.parquet").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a manifest"):
        Manifest(tmp_path).read()


@pytest.mark.parametrize(
    ("items", "workers", "size"), [(1, 8, 1), (12, 2, 2), (100_000, 2, 16), (10**8, 1000, 10**4)]
)
def test_blocks_are_small_for_few_items_and_few_for_many(items, workers, size):
    assert block_size(items, workers) == size
