"""`python -m benchmarks targets` and `misalignment`: what they read, write, and go on from."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.methods import Method
from benchmarks.targets import measure, misalignment, plot, scores, subjects, summary
from benchmarks.targets.boxes import BOXES, read_boxes
from benchmarks.targets.scores import Result, shown
from benchmarks.targets.subjects import Offset, find_subjects
from ship_deploy import UserError
from ship_deploy.images import read_visible, write_png
from training.data import grey

ROOT = Path(__file__).parents[2]
PERSON = (40, 20, 12, 30)


@pytest.fixture
def data(tmp_path) -> Path:
    """Three pairs: the infrared alone shows a person, the visible alone stripes."""
    folder = tmp_path / "some" / "set"
    (tmp_path / "other").mkdir()
    for kind in ("visible", "infrared"):
        (folder / kind).mkdir(parents=True)
    for number, name in enumerate("abc"):
        visible = np.full((72, 96, 3), (90, 100, 120), np.uint8)
        visible[::4, 60:] += 50
        infrared = np.full((72, 96), 60 + number, np.uint8)
        infrared[22:48, 42:50] = 200
        write_png(folder / "visible" / f"{name}.png", visible)
        write_png(folder / "infrared" / f"{name}.png", infrared)
        write_png(tmp_path / "other" / f"{name}.png", visible)
    return folder


@pytest.fixture
def boxes(tmp_path) -> Path:
    of_pair = {
        "size": [72, 96],
        "targets": [{"box": list(PERSON), "class": "person", "note": "only infrared"}],
        "details": [{"box": [64, 8, 24, 40], "class": "marks"}],
    }
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({f"some/set/{name}": of_pair for name in "abc"}))
    return path


@pytest.fixture
def inside(monkeypatch):
    """Work in this process, and plot nothing: both take seconds."""
    monkeypatch.setattr(plot, "draw", lambda record: b"")
    monkeypatch.setattr(measure, "work", lambda function, jobs, _: map(function, jobs))


def run(data: Path, boxes: Path, output: Path, *methods: str, against: str | None = None) -> dict:
    measure.run([f"set={data}"], methods, output, boxes, against, None, False, None, 1)
    return json.loads((output / "targets.json").read_text())


def test_the_command_writes_everything_from_processes_of_its_own(data, boxes, tmp_path):
    output = tmp_path / "out"
    arguments = [f"set={data}", "-o", output, "--boxes", boxes, "-m", "average", "-m", "laplacian"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "targets", *map(str, arguments), "--workers", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((output / "targets.json").read_text())
    assert list(record["methods"]) == ["average", "laplacian"]
    assert record["against"] == "laplacian"
    assert (output / "targets.md").read_text() == measure.tabulate(record)
    assert (output / "targets.svg").read_bytes() == plot.draw(record)
    page = (output / "boxes" / "average.html").read_text()
    assert page.count('class="card"') == 2 * 3
    assert page.count("data:image/jpeg") == 3 * 2 * 3
    assert len(list((output / "pictures" / "set" / "average").iterdir())) == 3


def test_scores_are_those_of_the_measures(data, boxes, inside, tmp_path):
    record = run(data, boxes, tmp_path / "out", "visible", "infrared", "average")
    figures = record["data"]["set"]["summary"]
    assert record["data"]["set"]["targets"] == record["data"]["set"]["details"] == 3
    assert figures["visible"]["lost"]["value"] == 1
    assert figures["visible"]["detail"]["value"] == 1
    assert figures["visible"]["colour"]["value"] == pytest.approx(1, abs=0.02)
    assert figures["infrared"]["kept"]["value"] == 1
    assert figures["infrared"]["detail"]["value"] == pytest.approx(0, abs=1e-6)
    assert figures["infrared"]["colour"]["value"] == 0
    assert figures["average"]["kept"]["value"] == pytest.approx(0.5, abs=0.01)
    assert figures["average"]["detail"]["value"] == pytest.approx(0.5, abs=0.01)
    # The last is the one that others are compared with.
    assert figures["infrared"]["kept"]["difference"]["value"] == pytest.approx(-0.5, abs=0.01)
    assert "difference" not in figures["average"]["kept"]


def test_a_run_goes_on_where_it_was(data, boxes, inside, tmp_path, monkeypatch):
    first = run(data, boxes, tmp_path / "out", "average", "maximum")
    monkeypatch.setattr(Method, "fuse", None)
    monkeypatch.setattr(scores, "judge", None)
    assert run(data, boxes, tmp_path / "out", "average", "maximum")["data"] == first["data"]


def test_other_boxes_are_judged_on_the_same_pictures(data, boxes, inside, tmp_path, monkeypatch):
    first = run(data, boxes, tmp_path / "out", "average")
    boxes.write_text(boxes.read_text().replace("64, 8, 24, 40", "4, 8, 24, 40"))
    monkeypatch.setattr(Method, "fuse", None)
    second = run(data, boxes, tmp_path / "out", "average")
    figures = [record["data"]["set"]["summary"]["average"] for record in (first, second)]
    assert figures[0]["kept"] == figures[1]["kept"]
    assert figures[1]["detail"]["value"] is None  # there is none in the visible frame


def test_a_picture_that_is_missing_is_one_line_and_the_rest_is_kept(data, boxes, inside, tmp_path):
    (tmp_path / "other" / "b.png").unlink()
    with pytest.raises(UserError, match=r"complete but for 1: .*other/b\.\*: 0 pictures"):
        run(data, boxes, tmp_path / "out", "average", f"it={tmp_path / 'other'}")
    record = json.loads((tmp_path / "out" / "targets.json").read_text())
    assert record["data"]["set"]["images"] == ["some-a", "some-c"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("40, 20, 12, 30", "90, 20, 12, 30"), r"box \[90, 20, 12, 30\] is not within 96x72"),
        (("40, 20, 12, 30", "40, 20, 0, 30"), "is not within 96x72"),
        (('"class"', '"kind"'), "not a file of boxes: 'class'"),
        (("{", "["), "not a file of boxes"),
        (("some/set", "some/where"), "no pair has boxes; they are known as some/set/NAME"),
        (("[72, 96]", "[80, 96]"), r"\(72, 96\), but its boxes are of \(80, 96\)"),
    ],
)
def test_boxes_that_do_not_fit_are_one_line(change, message, data, boxes, inside, tmp_path):
    boxes.write_text(boxes.read_text().replace(*change))
    with pytest.raises(UserError, match=message):
        run(data, boxes, tmp_path / "out", "average")


def test_a_method_that_is_not_there_is_one_line(data, boxes, inside, tmp_path):
    with pytest.raises(UserError, match="'it' is none of the methods average"):
        run(data, boxes, tmp_path / "out", "average", against="it")


def test_the_boxes_are_many_and_in_place(shared):
    found = read_boxes(BOXES)
    assert len(found) == 75
    assert sum(len(regions.targets) for regions in found.values()) >= 250
    assert sum(len(regions.details) for regions in found.values()) >= 120
    folders = [f"real={shared / 'data' / name / 'test'}" for name in ("tno", "roadscene")]
    problems: list[str] = []
    chosen = find_subjects(folders, found, 3, problems)
    assert len(chosen) == 6 and not problems
    for subject in chosen:
        assert len(subject.read().targets) == len(subject.regions.targets)


def test_folders_of_one_name_are_one_set_and_pairs_stay_apart(data, boxes):
    found = read_boxes(boxes)
    with pytest.raises(UserError, match="two pairs are called set/some-a"):
        find_subjects([f"set={data}", f"set={data}"], found, None, [])
    assert len(find_subjects([f"set={data}", f"more={data}"], found, 2, [])) == 4


def test_rendered_scenes_have_exact_masks():
    rendered = find_subjects(["rendered"], {}, None, [])
    assert len(rendered) == 200
    assert {subject.seed for subject in rendered} == set(range(10_000, 10_200))
    seen = next(seen for seen in (s.read() for s in rendered) if seen.targets and seen.details)
    visible = grey(seen.visible)
    for target in seen.targets:
        assert not (target.mask & target.ring).any()
        assert target.kept({"visible": visible, "infrared": seen.infrared}[target.source]) == 1
    for x, y, width, height in seen.details:
        assert (width, height) == (subjects.TILE, subjects.TILE)
        assert not any(t.mask[y : y + height, x : x + width].any() for t in seen.targets)


def test_an_infrared_frame_out_of_place_takes_its_targets_along(data, boxes):
    (subject,) = find_subjects([f"set={data}"], read_boxes(boxes), 1, [])
    aligned = subject.read()
    moved = replace(subject, offset=Offset(4)).read()
    assert np.array_equal(moved.infrared[:, 4:], aligned.infrared[:, :-4])
    assert np.array_equal(moved.targets[0].mask[:, 4:], aligned.targets[0].mask[:, :-4])
    assert moved.targets[0].kept(moved.infrared) == 1
    assert moved.targets[0].kept(aligned.infrared) < 0.6
    larger = replace(subject, offset=Offset(scale=1.02)).read()
    assert larger.targets[0].kept(larger.infrared) == 1
    assert str(Offset()), str(Offset(2)) == ("aligned", "2 px")
    assert str(Offset(scale=1.02)) == "2% larger"


def test_misalignment_gives_a_table_for_each_measure(data, boxes, inside, tmp_path):
    table = misalignment.run([f"set={data}"], ["infrared"], tmp_path, boxes, 1, 1)
    record = json.loads((tmp_path / "misalignment.json").read_text())
    assert table == misalignment.tabulate(record)
    assert table.count("### set: ") == len(summary.MEASURES)
    kept = re.search(r"targets kept.*\n\n(.*)\n.*\n(.*)", table)
    assert kept[1] == "| | aligned | 1 px | 2 px | 3 px | 4 px | 2% larger |"
    assert kept[2].startswith("| infrared | 1.000 | 1.000 | 1.000 |")
    with pytest.raises(UserError, match="pictures of aligned pairs"):
        misalignment.run([f"set={data}"], [str(tmp_path)], tmp_path, boxes, 1, 1)


def test_grey_pictures_are_shown_in_the_visible_frames_colours(data, boxes):
    (subject,) = find_subjects([f"set={data}"], read_boxes(boxes), 1, [])
    seen = subject.read()
    average = shown(Method("average", "baseline"), "a", seen)
    expected = (grey(seen.visible).astype(int) + seen.infrared) / 2
    assert np.abs(grey(average) - expected).max() <= 1.5
    chroma = [cv2.cvtColor(x, cv2.COLOR_BGR2YCrCb)[0, 0, 1:] for x in (average, seen.visible)]
    assert np.abs(chroma[0].astype(int) - chroma[1]).max() <= 1
    assert shown(Method("infrared", "baseline"), "a", seen).ndim == 2
    path = data / "visible" / "a.png"
    assert np.array_equal(shown(Method("it", "", path.parent), "a", seen), read_visible(path))


def results(method: str, *kept: list[float]) -> list[Result]:
    return [
        Result("set", str(n), method, targets=list(of_image), details=[0.5], fine=0.1, coarse=0.2)
        for n, of_image in enumerate(kept)
    ]


def test_figures_are_of_all_targets_and_intervals_of_images():
    good = results("good", [1, 1, 1], [0.8], [0.2, 0.6])
    bad = results("bad", [0.5, 0.5, 0.5], [0.3], [0.1, 0.3])
    methods = [Method("good", ""), Method("bad", "")]
    figures = summary.record(good + bad, methods, "good")["data"]["set"]["summary"]
    assert figures["good"]["kept"]["value"] == pytest.approx(4.6 / 6, abs=1e-4)
    assert figures["good"]["lost"]["value"] == pytest.approx(1 / 6, abs=1e-4)
    assert figures["good"]["lost"]["count"] == 6
    assert figures["good"]["colour"]["value"] is None
    low, high = figures["good"]["kept"]["interval"]
    assert (low, high) == (pytest.approx(0.4), 1)  # thrice the last image, thrice the first
    difference = figures["bad"]["kept"]["difference"]
    assert difference["value"] == pytest.approx((4.6 - 2.2) / 6, abs=1e-4)
    assert difference["interval"][0] == pytest.approx(0.2)  # in every image the good one leads


def test_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(1).normal(0.5, 0.1, 400)
    found = results("it", *([v] for v in values))
    figure = summary.record(found, [Method("it", "")], None)["data"]["set"]["summary"]["it"]["kept"]
    error = values.std() / 20
    low, high = figure["interval"]
    assert (values.mean() - low) / error == pytest.approx(1.96, abs=0.1)
    assert (high - values.mean()) / error == pytest.approx(1.96, abs=0.1)


def test_methods_are_compared_on_the_images_that_all_have():
    one, other = results("one", [1], [0]), results("other", [1], [0])[:1]
    content = summary.record(one + other, [Method("one", ""), Method("other", "")], None)
    assert content["data"]["set"]["images"] == ["0"]


def test_the_front_is_what_no_other_is_ahead_of():
    points = [(0.1, 0.9), (0.5, 0.5), (0.4, 0.4), (0.9, 0.1), (0.5, 0.3), (0.9, 0.1)]
    assert plot.front(points) == [(0.1, 0.9), (0.5, 0.5), (0.9, 0.1)]


def test_mean_ranks_are_among_the_fusions(tmp_path):
    ranks = {"visible": (None, None), "good": (1, 2), "bad": (2, None)}
    summary = {m: {"A": {"rank": a}, "B": {"rank": b}} for m, (a, b) in ranks.items()}
    content = {"data": {"TNO": {"summary": summary}}}
    path = tmp_path / "quality.json"
    path.write_text(json.dumps(content))
    assert measure.mean_ranks(path) == {"TNO": {"good": 1.5, "bad": 2}}
    path.write_text("{}")
    with pytest.raises(UserError, match=r"quality\.json: not a quality\.json"):
        measure.mean_ranks(path)
