"""Bundled models beside SHIP in PyTorch: one run, one table, one plot."""

import json

import pytest

from benchmarks.latency import bundled
from ship_deploy.models import CATALOGUE


@pytest.fixture
def few(monkeypatch):
    """One bundled model and two trivial fusions, for they take long together."""
    monkeypatch.setattr(bundled, "CATALOGUE", {"ship-t": CATALOGUE["ship-t"]})
    few = {name: bundled.TRIVIAL[name] for name in ("maximum", "FCDFusion")}
    monkeypatch.setattr(bundled, "TRIVIAL", few)


def test_every_size_and_number_of_threads_has_its_rows(few, small_checkpoint, tmp_path):
    table = bundled.run(small_checkpoint, tmp_path, [(32, 48)], [2, 1], 1, tmp_path / "none.json")
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines()[4:]]
    names = [bundled.EAGER, "ship-t", "maximum", "FCDFusion"]
    assert [row[:3] for row in rows] == [["32x48", t, name] for t in ("2", "1") for name in names]
    assert rows[0][-1] == "1" and rows[1][-1].count("x") == 1
    written = json.loads((tmp_path / "bundled.json").read_text())
    assert bundled.tabulate(written) == (tmp_path / "bundled.md").read_text()
    assert not (tmp_path / "bundled.svg").exists()


def test_the_plot_sets_time_against_what_is_kept():
    kept = {"value": 0.85, "interval": [0.8, 0.9]}
    summary = {n: {"kept": kept, "lost": {"value": 0.027}} for n in ("ship-t", "maximum")}
    size, threads = bundled.PLOTTED
    results = [
        {"name": name, "size": size, "threads": threads, "percentiles": [0.02, 0.03]}
        for name in ("ship-t", "maximum", bundled.EAGER)
    ]
    drawn = bundled.draw({"results": results}, {"data": {"real": {"summary": summary}}}).decode()
    assert "ship-t, 2.7% lost" in drawn and "maximum, 2.7% lost" in drawn
    assert bundled.EAGER not in drawn
