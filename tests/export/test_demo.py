"""What stands around the pairs, in a real browser."""

import numpy as np

from export.demo import frame
from export.film import Film, encode
from ship_deploy.models import CATALOGUE
from ship_deploy.report import Panel, write_report
from tests.ship_deploy.conftest import chromium

__all__ = ["chromium"]

PICTURE = np.full((60, 90, 3), 120, np.uint8)


def test_the_page_has_a_film_a_slider_for_each_pair_and_all_models(chromium, tmp_path):
    film = Film(encode([PICTURE, PICTURE // 2], [0, 0.1]), PICTURE, "2 < 3 pairs")
    above, below = frame(film)
    page = tmp_path / "index.html"
    pair = Panel("street", PICTURE, PICTURE[..., 0], PICTURE)
    write_report(page, [pair, pair], {}, "Demo", above=above, below=below)
    for motion, kind in (("no-preference", "data:image/webp"), ("reduce", "data:image/jpeg")):
        context = chromium.new_context(
            viewport={"width": 360, "height": 640}, reduced_motion=motion
        )
        shown = context.new_page()
        problems = []
        shown.on("console", lambda message, problems=problems: problems.append(message.text))
        shown.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
        shown.goto(page.as_uri())
        image = shown.locator(".film img")
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 90
        assert image.evaluate("image => image.currentSrc").startswith(kind)
        assert shown.locator(".film .note").inner_text() == "2 < 3 pairs"
        assert shown.locator(".stage").count() == 2
        assert shown.locator(".models td:first-child").all_inner_texts() == list(CATALOGUE)
        assert shown.evaluate("document.documentElement.scrollWidth") == 360
        assert problems == []
        context.close()
