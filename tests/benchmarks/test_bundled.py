"""Bundled models beside SHIP in PyTorch: one run, one table, one plot."""

import json

import pytest

from benchmarks import report
from benchmarks.latency import bundled, tradeoff
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


def test_the_plot_sets_what_is_kept_against_time_and_marks_what_papers_state(tmp_path):
    kept = {"value": 0.85, "interval": [0.8, 0.9]}
    names = ["ship-t", "maximum"]
    summary = {name: {"kept": kept, "detail": kept} for name in names}
    size, threads = tradeoff.PLOTTED
    results = [
        {"name": name, "size": size, "threads": threads, "percentiles": [0.02, 0.03]}
        for name in (*names, bundled.EAGER)
    ]
    contents = {"results": results}, {"data": {"real": {"summary": summary}}}
    drawn = tradeoff.draw(*contents).decode()
    for name in names:
        assert drawn.count(f">{name}<") == len(tradeoff.MEASURES)  # a panel for each
    assert bundled.EAGER not in drawn
    for paper in tradeoff.PAPERS:
        assert f">{paper.method}, its paper:<" in drawn
    assert report.plot(tmp_path) == {}
    for name, content in zip(("bundled", "targets"), contents, strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert report.plot(tmp_path) == {tmp_path / "bundled.svg": drawn.encode()}
