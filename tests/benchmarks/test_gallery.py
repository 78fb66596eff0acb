"""The page of best, median and worst pictures."""

import json
import re
import shutil

import numpy as np
import pytest

from benchmarks.quality import gallery
from ship_deploy.images import FilePair, write_png

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
NASTY = '"><script>document.title = "owned"</script>'


@pytest.fixture
def scene(tmp_path):
    """A record of five images, scored 0 to 4 (and one without), and their pictures."""
    names = ["e", "d", "c", "b", "a", "n"]
    scores = {"N_abf": [4, 3, 2, 1, 0, None], "Qabf": [0.4, 0.3, 0.2, 0.1, 0.05, 0.01]}
    pairs = []
    for level, name in enumerate(names):
        frame = np.full((30, 40), 20 * level, np.uint8)
        for path in (f"{name}.png", f"pictures/set/{NASTY[:2]}/{name}.png"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            write_png(tmp_path / path, frame)
        pairs.append(FilePair(name, tmp_path / f"{name}.png", tmp_path / f"{name}.png"))
    record = {
        "convention": "paper",
        "metrics": {"N_abf": {"higher_is_better": False}, "Qabf": {"higher_is_better": True}},
        "methods": {NASTY[:2]: NASTY},
        "data": {"set": {"images": names, "scores": {NASTY[:2]: scores}}},
    }
    return record, {"set": pairs}, tmp_path


def chosen(page: bytes) -> list[tuple[str, str]]:
    return re.findall(r"<b>(\w+)</b><p>set (\w)</p>", page.decode())


def test_chooses_by_the_metric_and_its_better_side(scene):
    by_artifacts = gallery.page(*scene, "N_abf")
    assert chosen(by_artifacts) == [("best", "a"), ("median", "c"), ("worst", "e")]
    by_edges = gallery.page(*scene, "Qabf")
    assert chosen(by_edges) == [("best", "e"), ("median", "c"), ("worst", "n")]
    assert b"Qabf 0.01\n" not in by_edges.split(b"<main>")[0]
    assert b"N_abf n/a" in by_edges


def test_names_are_text(scene):
    assert b"<script>" not in gallery.page(*scene, "Qabf")


def test_nothing_scored_is_an_empty_page(scene):
    record = json.loads(json.dumps(scene[0]))
    of_method = record["data"]["set"]["scores"][NASTY[:2]]
    of_method["Qabf"] = [None] * 6
    assert chosen(gallery.page(record, *scene[1:], "Qabf")) == []


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
def test_a_picture_grows_when_it_is_chosen(scene):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = scene[2] / "gallery.html"
    path.write_bytes(gallery.page(*scene, "Qabf"))
    problems = []
    with playwright.sync_playwright() as running:
        options = {"executable_path": BROWSER, "args": ["--no-sandbox", "--disable-gpu"]}
        with running.chromium.launch(**options) as browser:
            page = browser.new_page(viewport={"width": 1000, "height": 800})
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("request", lambda request: problems.append(request.url))
            page.goto(path.as_uri())
            first = page.locator(".card").first
            small = first.bounding_box()["width"]
            first.locator("label").click()
            assert first.bounding_box()["width"] > 2.5 * small
            assert page.locator("img").evaluate_all("all => all.every(i => i.naturalWidth > 0)")
            assert page.title() == "Fusion quality: best, median, worst"
    assert [p for p in problems if not p.startswith(("data:", path.as_uri()))] == []
