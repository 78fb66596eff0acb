"""The live page in a real browser."""

import json
import urllib.request
from itertools import islice

import numpy as np
import pytest

from ship_deploy.serving import Server
from ship_deploy.streams import Pipeline, VideoFile

from .conftest import ENGINE, FUSED, INFRARED, STATISTICS, VISIBLE, result

MEAN = """name => {
  const canvas = document.querySelector("#" + name + " canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  const sum = [0, 0, 0];
  data.forEach((value, index) => index % 4 < 3 && (sum[2 - index % 4] += value));
  return [canvas.height, canvas.width, ...sum.map(s => s / data.length * 4)];
}"""  # height, width, mean blue, green, red
SHOWN = "number => Number(document.documentElement.dataset.sequence) >= number"


@pytest.fixture
def open_page(chromium, server):
    """A function: server to an open page, which must not complain or ask others for anything.

    Pages are closed before the server is; a test that ends a server before says `may_end`.
    """
    contexts, problems, allowed = [], [], ["data:", "blob:"]

    def open_it(server, width=1280, may_end=False, **options):
        allowed.append(server.url)
        if may_end:  # refused, reset, or ended without an answer
            allowed.extend(f"Failed to load resource: net::ERR_{e}" for e in ("CONN", "EMPTY_R"))
        viewport = {"width": width, "height": 860}
        contexts.append(chromium.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url))
        page.goto(server.url)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [p for p in problems if not p.startswith(tuple(allowed))] == []


def test_all_three_pictures_are_shown_as_they_come(open_page, server):
    page = open_page(server)
    for number, fused in ((1, FUSED), (2, (10, 200, 30))):
        server.write(result(fused=fused))
        page.wait_for_function(SHOWN, arg=number)
        for name, colour in (
            ("visible", VISIBLE),
            ("infrared", (INFRARED,) * 3),
            ("fused", fused),
        ):
            height, width, *mean = page.evaluate(MEAN, name)
            assert (height, width) == (48, 64)
            assert np.abs(np.subtract(mean, colour)).max() < 8


def test_a_camera_that_is_down_is_shown_as_such(open_page, server):
    server.write(result(infrared=None, reason="infrared down"))
    page = open_page(server)
    page.wait_for_function(SHOWN, arg=1)
    assert page.locator("figure.stale").get_attribute("id") == "infrared"
    state = page.get_by_role("status")
    page.wait_for_selector("#state.warn")
    assert state.inner_text() == "not fused: infrared down"
    server.written -= 60
    page.wait_for_selector("#state.bad")
    assert state.inner_text().startswith("no result for 6")


def cells(row):
    return row.locator("th, td").all_inner_texts()


def test_the_figures(open_page, server):
    server.write(result())
    page = open_page(server)
    page.wait_for_selector("#state.good")
    assert page.locator("#rate").inner_text().startswith("24.9 fps")
    assert page.locator("#latency").inner_text() == "42 ms · p99 88"
    assert page.locator("#offset").inner_text() == "-6.0 ms"
    assert page.locator("#results").inner_text() == "12,000 / 3"
    assert page.locator("#uptime").inner_text() == "1 h · 2 min"
    rows = {label: values for label, *values in map(cells, page.locator("#sources tr").all())}
    assert rows["source"] == ["rtsp://camera/v", 'a "quoted"\\name']
    assert rows["state"] == ["live", "down"]
    assert rows["dropped: overrun"] == ["345", "0"]
    assert rows["dropped: late"] == ["0", "7"]
    assert page.locator("#engine dd").all_inner_texts() == list(ENGINE.values())


def test_the_time_from_capture_to_display_is_measured(open_page, server):
    """Results that were captured over a minute ago, by the server's clock.

    Half a second over: clocks are known to half of the time that an answer takes.
    """
    page = open_page(server)
    page.wait_for_selector("#state.bad")  # the clocks were compared
    fresh = result()
    server.write(result(time=fresh.time - 60.5))
    page.wait_for_function("() => display.textContent.endsWith('ms')")  # by its id
    shown = float(page.locator("#display").inner_text().removesuffix(" ms"))
    assert 60_000 <= shown < 65_000


def test_the_server_is_gone_and_comes_back(open_page):
    server = Server("0", lambda: STATISTICS, ENGINE)
    for _ in range(2):
        server.write(result())
    page = open_page(server, may_end=True)
    page.wait_for_function(SHOWN, arg=2)
    page.wait_for_selector("#state.good")
    server.close()
    page.wait_for_selector("#state.bad")
    assert page.get_by_role("status").inner_text() == "no connection"
    again = Server(server.url[7:-1], lambda: STATISTICS, ENGINE)
    again.write(result(fused=(10, 200, 30)))
    try:
        page.wait_for_selector("#state.good")
        page.wait_for_function("() => document.documentElement.dataset.sequence === '1'")
        assert np.abs(np.subtract(page.evaluate(MEAN, "fused")[2:], (10, 200, 30))).max() < 8
    finally:
        again.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_page_never_scrolls_sideways(open_page, server, width):
    server.engine["digest"] = "0123456789abcdef" * 4
    server.engine["model"] = "name_" * 30
    server.write(result())
    page = open_page(server, width)
    page.wait_for_selector("#state.good")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_where_the_reader_prefers_it(open_page, server):
    light, dark = (
        open_page(server, color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    )
    assert light != dark


def test_a_real_clip(open_page, shared):
    """Two videos through the pipeline onto the page; the network is tested elsewhere."""
    folder = shared / "data" / "m3svd" / "video"
    videos = [VideoFile(folder / side / "1230_1202.mp4") for side in ("visible", "infrared")]

    def brightest(visible, infrared):
        return np.maximum(visible, infrared[..., None])

    with Pipeline(*videos, brightest) as pipeline:
        server = Server("0", pipeline.statistics, ENGINE)
        try:
            page = open_page(server, may_end=True)
            results = []
            for number, made in enumerate(islice(pipeline, 12), 1):
                server.write(made)
                results.append(made)
                if number in (1, 12):
                    page.wait_for_function(SHOWN, arg=number)
            for name, image in (
                ("visible", made.visible.image),
                ("infrared", np.repeat(made.infrared.image[..., None], 3, axis=2)),
                ("fused", made.image),
            ):
                height, width, *mean = page.evaluate(MEAN, name)
                assert (height, width) == (480, 640)
                assert np.abs(mean - image.mean(axis=(0, 1))).max() < 2
            page.wait_for_function(
                "() => document.getElementById('results').textContent === '12 / 0'"
            )
            with urllib.request.urlopen(server.url + "status.json") as answer:
                assert json.load(answer)["statistics"]["fused"] == 12
        finally:
            server.close()
