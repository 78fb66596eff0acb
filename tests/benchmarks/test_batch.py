from pathlib import Path

from benchmarks import batch
from ship_deploy.images import find_pairs, read_visible


def test_a_source_has_as_many_pairs_as_it_should(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "DIFFERENT", 3)
    batch.make_source(tmp_path, 1002, 16, 32)
    pairs = find_pairs(tmp_path / "archive" / "visible", tmp_path / "archive" / "infrared")
    assert len(pairs) == 1002 and pairs[-1].name == "001/001001"
    assert read_visible(pairs[0].visible).shape == (16, 32, 3)
    assert len({pair.visible.stat().st_ino for pair in pairs}) == 3


def test_a_plain_loop_is_timed(tmp_path, model: Path):
    batch.make_source(tmp_path, 3, 32, 48)
    assert batch.loop(tmp_path / "archive", str(model), 3) > 0


def run(workers: int, pairs: int, **changed: float) -> dict:
    values = {"seconds": 10.0, "start": 5.0, "rate": pairs / 10, "driver": 200e6, "ray": 300e6}
    values |= {"workers_memory": 400e6, "driver_cpu": 3.0, "ray_cpu": 4.0, "worker_cpu": 9.0}
    return {
        "workers": workers,
        "pairs": pairs,
        "manifest": 300 * pairs,
        "block": 16,
        **values,
        **changed,
    }


def test_tables_compare_with_one_worker_and_reckon_for_a_thousand_nodes():
    content = {
        "machine": {"processor": "P", "cores": "2", "measured": "2026-11-27T", "onnxruntime": "1"},
        "ray": "2.60.0",
        "model": "ship-t",
        "size": "48x64",
        "loop": 120.0,
        "runs": [run(1, 1000), run(2, 1000, rate=180.0), run(2, 11_000, driver=205e6)],
        "bytes": {"visible": 500_000, "infrared": 200_000, "fused": 400_000},
    }
    table = batch.tabulate(content)
    assert "| 2 | 1,000 | 5 s | 10 s | 180 | 1.80 |" in table
    assert "| Pairs a second | 34,000 |" in table
    assert "| Read from the store | 23.8 GB/s, 68,000 requests/s |" in table
    assert "| Held by the command, 500 bytes a pair as measured | 5.0 GB |" in table
    assert "| Blocks of pairs, which workers are given | 1,000 pairs, 29 s |" in table
    assert "0.0 ms a block as measured, in cores | 0.0 |" in table
