"""The page in a real browser. Flat colours, one per picture, say what is seen where."""

import weakref

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.report import Panel, write_report

VISIBLE, INFRARED, FUSED = (0, 0, 200), (90, 90, 90), (200, 60, 0)  # BGR: red, grey, blue
NASTY = '"><script>document.title = "owned"</script><img src=x onerror="document.title = 1">'


def flat(colour, size):
    return np.full((*size, 3), colour, np.uint8)


def pair(name="pair", size=(60, 80), note=""):
    infrared = np.full(size, INFRARED[0], np.uint8)
    return Panel(name, flat(VISIBLE, size), infrared, flat(FUSED, size), note)


@pytest.fixture
def open_page(chromium, tmp_path):
    """A function: pairs to an open page, which must not complain or request anything."""
    contexts, problems = [], []

    def open_it(*pairs, info=None, title="Pairs", **options):
        path = tmp_path / "page.html"
        write_report(path, pairs, info or {}, title)
        contexts.append(chromium.new_context(viewport={"width": 1000, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [p for p in problems if not p.startswith(("data:", "file:"))] == []
    assert len([p for p in problems if p.startswith("file:")]) == len(contexts)


def seen(page, share, index=0):
    """The colour (BGR) on the screen, `share` of the way across a stage, above its middle."""
    box = page.locator(".stage").nth(index).bounding_box()
    png = page.screenshot()
    screen = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return screen[round(box["y"] + box["height"] * 0.3), round(box["x"] + box["width"] * share)]


def is_colour(pixel, colour):
    return np.abs(pixel.astype(int) - colour).max() < 8  # JPEG


def hold(page, start, stop):
    box = page.locator(".stage").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * stop, y, steps=3)


def test_every_picture_is_there_in_full_size(open_page):
    page = open_page(pair("a", (60, 80)), pair("b", (233, 317), "a note"))
    sizes = page.eval_on_selector_all(
        "img", "all => all.map(i => [i.naturalHeight, i.naturalWidth])"
    )
    assert sizes == [[60, 80]] * 5 + [[233, 317]] * 5  # two on the stage, three below
    assert page.locator("h2").all_inner_texts() == ["a", "b"]
    assert page.get_by_text("a note").is_visible()


def test_divider_starts_in_the_middle_and_follows_the_mouse(open_page):
    page = open_page(pair())
    assert is_colour(seen(page, 0.45), VISIBLE)
    assert is_colour(seen(page, 0.55), FUSED)
    hold(page, 0.5, 0.2)
    assert is_colour(seen(page, 0.15), VISIBLE)
    assert is_colour(seen(page, 0.25), FUSED)
    page.mouse.up()
    hold(page, 0.2, 2.0)  # out of the stage
    assert is_colour(seen(page, 0.97), VISIBLE)


def test_divider_moves_only_while_it_is_held(open_page):
    page = open_page(pair())
    hold(page, 0.5, 0.8)
    page.mouse.up()
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    assert is_colour(seen(page, 0.75), VISIBLE)


def test_divider_follows_a_finger(open_page):
    page = open_page(pair(), has_touch=True)
    box = page.locator(".stage").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    assert is_colour(seen(page, 0.75), VISIBLE)
    assert is_colour(seen(page, 0.85), FUSED)


def test_divider_follows_the_keyboard(open_page):
    page = open_page(pair())
    divider = page.get_by_role("slider", name="pair: divider between visible and fused")
    page.keyboard.press("Tab")  # to the buttons
    page.keyboard.press("Tab")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert divider.get_attribute("aria-valuetext") == "40 % visible"
    assert is_colour(seen(page, 0.37), VISIBLE)
    assert is_colour(seen(page, 0.43), FUSED)
    page.keyboard.press("Home")
    assert is_colour(seen(page, 0.03), FUSED)


def test_buttons_choose_the_left_picture_of_their_own_pair(open_page):
    page = open_page(pair("a", (20, 160)), pair("b", (20, 160)))
    assert is_colour(seen(page, 0.2, 0), VISIBLE)
    page.get_by_text("infrared", exact=True).first.click()
    assert (
        page.get_by_role("slider").first.get_attribute("aria-label").endswith("infrared and fused")
    )
    assert is_colour(seen(page, 0.2, 0), INFRARED)
    assert is_colour(seen(page, 0.8, 0), FUSED)
    assert is_colour(seen(page, 0.2, 1), VISIBLE)
    assert page.get_by_role("radio", name="visible").nth(1).is_checked()
    page.get_by_role("radio", name="visible").first.check(force=True)
    assert is_colour(seen(page, 0.2, 0), VISIBLE)


def test_names_are_text(open_page):
    page = open_page(
        pair(NASTY, note=NASTY), info={NASTY: NASTY, "cost": "$5 & $name"}, title=NASTY
    )
    assert page.title() == NASTY
    assert page.locator("h1").inner_text() == page.locator("h2").inner_text() == NASTY
    assert page.locator("dt").all_inner_texts()[0].lower() == NASTY.lower()  # shown in capitals
    assert page.locator("dd").all_inner_texts() == [NASTY, "$5 & $name"]
    assert page.locator("figure.fused img").get_attribute("alt") == f"{NASTY}, fused"
    assert page.locator("script").count() == 1


def test_without_scripts_and_on_paper_the_pictures_remain(open_page):
    page = open_page(pair(), java_script_enabled=False)
    assert page.locator(".frames img").count() == 3
    assert page.locator(".stage").count() == 0
    page = open_page(pair())
    page.emulate_media(media="print")
    assert page.locator(".frames img").first.is_visible()
    assert not page.locator(".stage").is_visible()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_page_never_scrolls_sideways(open_page, width):
    page = open_page(pair("name_" * 30, (48, 640)), info={"digest": "0123456789abcdef" * 8})
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_where_the_reader_prefers_it(open_page):
    light, dark = (
        open_page(pair(), color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).background"
        )
        for scheme in ("light", "dark")
    )
    assert light != dark


def test_pairs_are_encoded_as_they_come(tmp_path):
    alive = []

    def pairs():
        for index in range(3):
            fresh = np.zeros((16, 16, 3), np.uint8)
            alive.append(weakref.ref(fresh))
            assert sum(ref() is not None for ref in alive) <= 2
            yield Panel(str(index), fresh, fresh[..., 0], fresh)
            del fresh

    write_report(tmp_path / "page.html", pairs(), {}, "t")
    assert len(alive) == 3


def test_a_name_that_is_not_unicode_is_written(tmp_path):
    write_report(tmp_path / "page.html", [pair("b\udcffd")], {}, "t")
    assert "b?d" in (tmp_path / "page.html").read_text("utf-8")


def test_a_failure_leaves_no_page(tmp_path):
    def pairs():
        yield pair()
        raise UserError("the second frame is damaged")

    with pytest.raises(UserError):
        write_report(tmp_path / "page.html", pairs(), {}, "t")
    assert list(tmp_path.iterdir()) == []
