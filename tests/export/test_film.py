import time

import cv2
import numpy as np
import pytest

from export import film
from ship_deploy.results import Frame, Result


def grey(value, *shape):
    return np.full(shape, value, np.uint8)


def test_a_camera_plays_its_frames_over_and_over_when_they_are_due():
    start = time.monotonic()
    frames = [grey(0, 4, 4), grey(1, 4, 4)]
    capture = film.Camera("infrared", frames, start - 2 / film.RATE).open()
    seen = [capture.read() for _ in range(4)]
    assert time.monotonic() >= start + 1 / film.RATE  # the fourth was not due before
    assert [image[0, 0] for image, _ in seen] == [0, 1, 0, 1]
    assert [stamp - start for _, stamp in seen] == pytest.approx(
        [k / film.RATE for k in (-2, -1, 0, 1)]
    )


def test_result_and_sources_side_by_side():
    visible, infrared = Frame(grey(50, 40, 60, 3), 0, 0), Frame(grey(100, 40, 60), 0, 0)
    result = Result(grey(200, 40, 60, 3), visible, infrared, True, "", 0, 0)
    picture = film.side_by_side(result)
    assert picture.shape == (40, 90, 3)
    assert (picture[:, :60] == 200).all()
    assert (picture[:20, 60:] == 50).all() and (picture[20:, 60:] == 100).all()


def test_the_film_runs_as_fast_as_the_results_came():
    webp = film.encode([grey(v, 32, 48, 3) for v in (10, 100, 200)], [5, 5.1, 5.35])
    read, animation = cv2.imdecodeanimation(np.frombuffer(webp, np.uint8))
    assert read and animation.loop_count == 0  # for ever
    assert list(animation.durations) == [100, 250, 100]
    assert [round(float(f[..., 0].mean()), -1) for f in animation.frames] == [10, 100, 200]


def test_a_street_is_fused_live():
    shown = []

    def fuse(visible, infrared):
        shown.append(np.maximum(visible, infrared[..., None]))
        return shown[-1]

    made = film.shoot(fuse, frames=2)
    assert (made.still[:, : film.WIDTH] == shown[0]).all()
    read, animation = cv2.imdecodeanimation(np.frombuffer(made.webp, np.uint8))
    assert read and len(animation.frames) == 2
    assert "2 pairs" in made.note
