"""Scenes in which people are lost to methods with good metrics."""

import json

import cv2

from benchmarks.targets import unseen


def test_each_scene_is_judged_by_targets_and_by_metrics(tmp_path):
    table = unseen.run(["visible", "maximum"], tmp_path)
    written = json.loads((tmp_path / "unseen.json").read_text())
    assert unseen.tabulate(written) == table == (tmp_path / "unseen.md").read_text()
    assert [(r["scene"], r["method"]) for r in written["results"]] == [
        (scene, method) for scene in unseen.SCENES for method in ("visible", "maximum")
    ]
    for result in written["results"]:
        assert result["kept"] and result["scores"].keys() == set(unseen.COLUMNS)
    assert cv2.imread(str(tmp_path / "unseen.jpg")).shape[1] == 2 * (unseen.WIDTH + unseen.GAP)


def test_the_best_of_a_scene_is_bold():
    def entry(method, kept, vif):
        scores = dict.fromkeys(unseen.COLUMNS, 0.5) | {"VIF": vif}
        return {"scene": "snow", "method": method, "kept": kept, "scores": scores}

    results = [entry("one", [0.9, 0.1], 0.4), entry("other", [0.7, 0.6], 0.3)]
    first, second = unseen.tabulate({"results": results}).splitlines()[2:]
    assert first.startswith("| snow | one | 1 of 2 | 0.50 | **0.4** |")
    assert second.startswith("| snow | other | **0 of 2** | **0.65** | 0.3 |")
