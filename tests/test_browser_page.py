"""The page of the docs that fuses in the browser, in a real one: the same picture as `Fuser`."""

import base64
import functools
import http.server
import re
import shutil
import threading

import cv2
import numpy as np
import pytest

from docs.hooks import DOCS, PARTS, RUNTIME
from ship_deploy import Fuser
from ship_deploy.images import write_png
from ship_deploy.models import find_model
from tests.ship_deploy.conftest import chromium
from training.scenes import render

__all__ = ["chromium"]

SIZE = 122, 170  # height and width; no multiple of what the network sees as one
STATUS = "document.getElementById('status').textContent"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page without what mkdocs puts around it, and its address."""
    if not RUNTIME.is_dir():
        pytest.skip("needs ONNX Runtime Web, which `make docs` installs by npm")
    folder = tmp_path_factory.mktemp("site")
    page = (DOCS / "in-the-browser.md").read_text()
    shown = re.search(r"<div.*</script>", page, re.DOTALL)[0]
    (folder / "index.html").write_text(f"<!doctype html><meta charset=utf-8>{shown}")
    shutil.copytree(DOCS / "browser", folder / "browser")
    shutil.copy(find_model("ship-t"), folder / "browser")
    (folder / "browser" / "onnxruntime-web").mkdir()
    for part in PARTS:
        (folder / "browser" / "onnxruntime-web" / part).symlink_to(RUNTIME / part)
    for name, frame in zip(("visible", "infrared"), render(1, *SIZE), strict=True):
        write_png(folder / "browser" / f"{name}.png", frame)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def page(chromium, site):
    """The open page, ready; it must neither complain nor ask for anything elsewhere."""
    problems = []

    def requested(request):
        if request.method != "GET" or not request.url.startswith((site[1], "blob:")):
            problems.append(f"{request.method} {request.url}")

    context = chromium.new_context()
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", requested)
    page.goto(site[1] + "index.html")
    page.wait_for_function(f"{STATUS} === 'Ready.'")
    yield page
    context.close()
    assert not [p for p in problems if "favicon" not in p and "404" not in p]


def choose(page, visible, infrared):
    """What the page says of two files."""
    page.reload()  # forgets what was chosen before
    page.wait_for_function(f"{STATUS} === 'Ready.'")
    page.set_input_files("#visible", str(visible))
    page.set_input_files("#infrared", str(infrared))
    page.wait_for_function(f"/ ms$|:|palette/.test({STATUS})")
    return page.evaluate(STATUS)


def fused(page):
    """The picture that it shows."""
    url = page.evaluate("document.getElementById('fused-picture').toDataURL('image/png')")
    png = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return cv2.imdecode(png, cv2.IMREAD_COLOR)


def test_the_picture_is_that_of_the_runtime(page, site):
    visible, infrared = render(1, *SIZE)
    expected = Fuser("ship-t", device="cpu")(visible, infrared).astype(int)
    files = [site[0] / "browser" / f"{name}.png" for name in ("visible", "infrared")]
    assert choose(page, *files).startswith("170x122 in ")
    assert np.abs(fused(page) - expected).max() <= 1
    page.click("#example")
    page.wait_for_function(f"/^170x122 in/.test({STATUS})")
    assert np.abs(fused(page) - expected).max() <= 1


def test_bad_input_is_said(page, site, tmp_path):
    visible, infrared = render(1, *SIZE)
    right = site[0] / "browser" / "visible.png"
    write_png(tmp_path / "square.png", infrared[:, :122])
    assert "same proportions" in choose(page, right, tmp_path / "square.png")
    write_png(tmp_path / "palette.png", visible)
    assert "false colour" in choose(page, right, tmp_path / "palette.png")
    (tmp_path / "notes.png").write_text("no picture")
    assert "notes.png: the browser cannot read it" in choose(page, right, tmp_path / "notes.png")
