import threading

import cv2
import numpy as np

from ship_deploy.serving import latest as module
from ship_deploy.serving.latest import PICTURES, Latest
from ship_deploy.streams import Frame

from .conftest import FUSED, INFRARED, VISIBLE, result


def decode(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_only_the_newest_is_kept():
    latest = Latest()
    for shade in range(3):
        latest.put(result(fused=(shade, 0, 0)))
    assert latest.snapshot.sequence == 3
    assert latest.wait(0, 0).result.image[0, 0, 0] == 2
    assert latest.wait(3, 0) is None


def test_the_number_of_another_run_does_not_block():
    """A viewer that stayed while the server was started again has seen number 900."""
    latest = Latest()
    latest.put(result())
    assert latest.wait(900, 0).sequence == 1


def test_pictures_are_encoded_once_and_only_if_somebody_looks(monkeypatch):
    encoded = []
    encode = module._encode
    monkeypatch.setattr(module, "_encode", lambda image: encoded.append(1) or encode(image))
    latest = Latest()
    for _ in range(5):
        latest.put(result())
    assert not encoded
    snapshot = latest.snapshot
    viewers = [threading.Thread(target=snapshot.jpeg, args=("fused",)) for _ in range(8)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    assert len(encoded) == 1


def test_the_three_pictures():
    latest = Latest()
    latest.put(result())
    for name, colour in zip(PICTURES, (VISIBLE, INFRARED, FUSED), strict=True):
        picture = decode(latest.snapshot.jpeg(name))
        assert picture.shape[:2] == (48, 64)
        assert np.abs(picture.astype(int) - colour).max() < 8


def test_a_camera_that_is_down_has_no_picture_and_16_bits_have_one():
    latest = Latest()
    deep = Frame(np.full((48, 64), 200 << 8, np.uint16), 0.0, 0)
    latest.put(result(infrared=None, visible=deep))
    assert latest.snapshot.jpeg("infrared") == b""
    assert np.abs(decode(latest.snapshot.jpeg("visible")).astype(int) - 200).max() < 3


def test_waiting_ends_with_a_result_or_with_the_end():
    latest, got = Latest(), []
    for put in (lambda: latest.put(result()), latest.close):
        seen = latest.snapshot.sequence if latest.snapshot else 0
        waiting = threading.Thread(target=lambda s=seen: got.append(latest.wait(s, 60)))
        waiting.start()
        put()
        waiting.join(30)
        assert not waiting.is_alive()
    assert got[0].sequence == 1 and got[1] is None
