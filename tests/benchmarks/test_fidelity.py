import json
from dataclasses import replace
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from benchmarks import report
from benchmarks.candidates import Candidate
from benchmarks.fidelity import plot as fidelity_plot
from benchmarks.fidelity.measure import Comparison, run, summarise, tabulate
from benchmarks.pairs import MADE, made_pairs
from export.verify import Deviation
from ship_deploy import UserError
from ship_deploy.files import make_folder
from ship_deploy.images import write_png
from training.scenes import render

RUNTIME, MISSING = Candidate("onnxruntime", "cpu", "fp32"), Candidate("tensorrt", "cpu", "fp32")
ROUNDED = Candidate("rounded", "cpu", "fp16")
EXACT = Deviation(raw_error=0, psnr=300, levels=0, off=0, far_off=0, non_finite=0, samples=100)


@pytest.fixture
def data(tmp_path):
    """Two pairs on disk, of unequal size."""
    for number, size in enumerate([(48, 64), (40, 72)]):
        for kind, frame in zip(("visible", "infrared"), render(number, *size), strict=True):
            make_folder(tmp_path / "data" / kind)
            write_png(tmp_path / "data" / kind / f"{number}.png", frame)
    return tmp_path / "data"


def found(candidate=ROUNDED, source="real", **changes) -> Comparison:
    deviation = replace(EXACT, **changes)
    return Comparison(candidate.key, source, "name", "1x1", 1.0, deviation)


def test_compares_what_runs_and_names_what_does_not(made, data, tmp_path):
    table = run(made, [RUNTIME, MISSING], [data], tmp_path / "out", made=False)

    content = json.loads((tmp_path / "out" / "fidelity.json").read_text())
    assert (tmp_path / "out" / "fidelity.md").read_text() == table == tabulate(content)
    (only,) = content["candidates"].values()
    assert [(p["name"], p["size"]) for p in only["pairs"]] == [("0", "48x64"), ("1", "40x72")]
    assert 0 < only["fidelity"]["raw_error"] < 1e-4 and only["fidelity"]["levels"] <= 1
    assert only["problems"] == [] and "passes" in table
    (reason,) = content["not_run"].values()
    assert "tensorrt" in reason and reason in table
    plot = (tmp_path / "out" / "fidelity.svg").read_bytes()
    assert plot == fidelity_plot.draw(content)
    ElementTree.fromstring(plot)
    picture = cv2.imread(str(tmp_path / "out" / "worst" / f"{RUNTIME.key}.png"))
    assert picture.shape in {(48, 3 * 64, 3), (40, 3 * 72, 3)}


def test_fails_when_out_of_tolerance_and_writes_all_the_same(made, data, tmp_path, monkeypatch):
    def off_by_a_level(candidate, models):
        def fuse(visible, infrared):
            frames, luminance = load(candidate, models)(visible, infrared)
            return np.where(frames < 255, frames + 1, 254), luminance

        return fuse

    import benchmarks.fidelity.measure

    load = benchmarks.fidelity.measure.load_graphs
    monkeypatch.setattr(benchmarks.fidelity.measure, "load_graphs", off_by_a_level)
    with pytest.raises(UserError, match=r"share of samples off is 1, the limit 0\.001"):
        run(made, [RUNTIME], [data], tmp_path / "out", made=False)
    assert "out of tolerance" in (tmp_path / "out" / "fidelity.md").read_text()
    assert (tmp_path / "out" / "worst" / f"{RUNTIME.key}.png").exists()


def test_nothing_to_run_is_an_error(made, data, tmp_path):
    with pytest.raises(UserError, match="no candidate runs here"):
        run(made, [MISSING], [data], tmp_path)


def test_one_bad_pair_is_seen():
    def problems(*comparisons):
        return summarise(comparisons, [ROUNDED], {})["candidates"][ROUNDED.key]["problems"]

    good = found(psnr=75)
    assert problems(good, good) == []
    assert "worst PSNR is 57.9" in problems(good, found(psnr=57.9))[0]
    assert "mean PSNR is 61.5" in problems(found(psnr=63), found(psnr=60))[0]
    assert "share far off is 0.002" in problems(good, found(psnr=75, far_off=0.004))[0]
    nan = problems(good, found(psnr=np.nan, raw_error=np.nan, non_finite=3))
    assert any("worst PSNR is nan" in p for p in nan) and any("count of NaN" in p for p in nan)


def test_made_up_frames_count_for_nan_alone():
    problems = summarise([found(psnr=70), found(source=MADE, psnr=40)], [ROUNDED], {})[
        "candidates"
    ][ROUNDED.key]["problems"]
    assert problems == []
    problems = summarise(
        [found(psnr=70), found(source=MADE, psnr=np.nan, non_finite=5)], [ROUNDED], {}
    )["candidates"][ROUNDED.key]["problems"]
    assert len(problems) == 1 and "5 NaN and Inf" in problems[0]


def test_made_up_frames_reach_the_ends():
    frames = {(pair.name, pair.infrared.shape): pair for pair in made_pairs()}
    assert len(frames) == 6
    assert frames["saturated", (96, 128)].visible.min() == 255
    assert frames["black", (96, 128)].visible.max() == 0
    assert ("rendered", (1080, 1920)) in frames


def test_the_committed_figures_are_whole(shared):
    """All pairs of both test sets, and the made-up frames, in FP16 arithmetic and in FP32."""
    content = json.loads((report.RESULTS / "fidelity.json").read_text())
    assert content["checkpoint"] == "SHIP_model.pth"
    for key in ("rounded-cpu-fp16", "onnxruntime-cpu-fp32", "onnxruntime-cpu-fp16"):
        candidate = content["candidates"][key]
        pairs = candidate["pairs"]
        for source, count in (("tno/test", 25), ("roadscene/test", 50)):
            assert len({p["name"] for p in pairs if p["source"] == source}) == count
        made = {(p["name"], p["size"]) for p in pairs if p["source"] == MADE}
        assert {("noise", "1080x1920"), ("rendered", "1080x1920"), ("black", "96x128")} <= made
        assert candidate["problems"] == []
