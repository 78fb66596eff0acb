"""The node under a real ROS 2: its own process, DDS on loopback. `make test-ros2` runs it."""

import signal
import sys
import time

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2: make test-ros2")

from sensor_msgs.msg import CameraInfo, Image

from ship_deploy import Fuser
from ship_deploy.adapters.ros_images import stamp_of, to_image
from tests.ros2.rig import PACKAGE, SIZE, Rig, message, stamped

sys.path.insert(0, str(PACKAGE))
from ship_deploy_ros.node import CHANGEABLE, FIXED

PARAMETERS = "model:=ship-t", "threads:=1"


@pytest.fixture
def start(tmp_path):
    rigs = []

    def make(*parameters):
        rigs.append(Rig(*PARAMETERS, *parameters, output=tmp_path / "node.log"))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


class Cameras:
    """30 visible frames a second and 9 infrared ones, whose pictures differ from each other."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.visible, self.infrared = rig, {}, {}
        self._start, self._frames, self._thermals = time.time(), 0, 0
        self._held: list[Image] = []

    def play(self, seconds: float, infrared: bool = True, lose: int = 0, late: int = 0) -> None:
        """Publish in real time.

        Args:
            seconds: for how long.
            infrared: whether that camera delivers too.
            lose: each such visible frame is not sent.
            late: each such infrared frame is sent after the next one.
        """
        until = time.time() + seconds
        while (now := time.time()) < until:
            if now >= self._start + self._frames / 30:
                stamp = self._start + self._frames / 30
                image = np.roll(picture(3), self._frames, axis=1)
                self._frames += 1
                if not lose or self._frames % lose:
                    sent = message(image, "bgr8", stamped(stamp, "mast"))
                    self.visible[stamp_of(sent)] = image
                    self.rig.visible.publish(sent)
                    self.rig.camera.publish(CameraInfo(height=SIZE[0], width=SIZE[1]))
            if now >= self._start + self._thermals / 9:
                stamp = self._start + self._thermals / 9
                image = np.roll(picture(1), 5 * self._thermals, axis=0)
                self._thermals += 1
                if infrared:
                    self._send_infrared(image, stamp, late)
            time.sleep(0.002)

    def _send_infrared(self, image: np.ndarray, stamp: float, late: int) -> None:
        sent = message(image, "mono8", stamped(stamp, "thermal"))
        self.infrared[stamp_of(sent)] = image
        held, self._held = self._held, []
        if late and self._thermals % late == 0:
            self._held = [sent]
        else:
            self.rig.infrared.publish(sent)
        for other in held:
            self.rig.infrared.publish(other)


def picture(channels: int) -> np.ndarray:
    noise = np.random.default_rng(channels).integers(0, 256, (*SIZE, channels), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)


def is_of_a_pair(fuse, cameras: Cameras, sent: Image) -> bool:
    """Whether a picture is what its visible frame and one that is near in time give."""
    stamp = stamp_of(sent)
    near = [image for time, image in cameras.infrared.items() if abs(time - stamp) <= 1 / 17]
    image = to_image(sent)
    return any(np.array_equal(fuse(cameras.visible[stamp], infrared), image) for infrared in near)


def test_two_cameras_lost_and_late_frames(start):
    rig = start()
    cameras = Cameras(rig)
    rig.connected()
    cameras.play(3, lose=7, late=5)
    rig.until(lambda: len(rig.fused) > 20 and rig.status, "fused frames")
    count = len(rig.fused)
    cameras.play(1.5)
    rig.until(lambda: len(rig.fused) > count and rig.jpegs and rig.infos, "more of them")

    fuse = Fuser("ship-t", threads=1)
    # At the very start, thermal frames may come alone.
    known = [sent for sent in rig.fused if sent.header.frame_id == "mast"]
    assert len(known) > 40
    stamps = [stamp_of(sent) for sent in known]
    assert stamps == sorted(set(stamps)) and set(stamps) <= cameras.visible.keys()
    fused = [is_of_a_pair(fuse, cameras, sent) for sent in known[-20:]]
    assert all(fused), rig.latest()
    jpeg = rig.jpegs[-1]
    assert jpeg.header.frame_id == "mast" and to_image(jpeg).shape == (*SIZE, 3)
    assert (rig.infos[-1].height, rig.infos[-1].header.frame_id) == (SIZE[0], "mast")
    said = rig.latest()
    assert int(said["fused"]) > 0 and said["engine: model"].endswith("ship-t.onnx")
    assert 20 < float(said["visible: rate (Hz)"]) < 40
    assert 6 < float(said["infrared: rate (Hz)"]) < 12
    assert int(said["infrared: dropped, late"]) > 0


def test_a_publisher_that_is_restarted(start):
    rig = start()
    cameras = Cameras(rig)
    rig.connected()
    cameras.play(2)
    rig.until(lambda: rig.fused, "fused frames")
    rig.close_infrared()
    cameras.play(2.5, infrared=False)
    alone = rig.fused[-1]
    rig.open_infrared()
    rig.connected()
    cameras.play(2)

    assert np.array_equal(to_image(alone), cameras.visible[stamp_of(alone)])
    fuse = Fuser("ship-t", threads=1)
    again = [sent for sent in rig.fused if stamp_of(sent) > stamp_of(alone)]
    assert any(is_of_a_pair(fuse, cameras, sent) for sent in again[-20:])
    assert any("infrared is" in status.message for status in rig.status)  # and that was said


def test_parameters_while_it_runs(start):
    rig = start()
    cameras = Cameras(rig)
    rig.connected()

    refused = rig.set("model", "ship")
    wrong = rig.set("percentiles", [99.0, 1.0])
    missing = rig.set("calibration", "/no/such/file")
    taken = rig.set("black_hot", True)
    cameras.play(2)

    assert not refused.successful and "before the node is configured" in refused.reason
    assert not wrong.successful and "percentiles are" in wrong.reason
    assert not missing.successful and "/no/such/file" in missing.reason
    assert taken.successful
    inverted = Fuser("ship-t", threads=1)
    rig.until(lambda: rig.fused, "fused frames")
    fused = [
        is_of_a_pair(lambda v, i: inverted(v, 255 - i), cameras, sent) for sent in rig.fused[-20:]
    ]
    assert any(fused)


def test_a_steady_picture(start):
    rig = start("steady:=true")
    rig.connected()
    noise = np.random.default_rng(0).integers(0, 32, (2, *SIZE, 3), np.uint8)
    frames = picture(3) // 2 + noise  # in turns: nothing moves
    infrared = picture(1)
    for number in range(60):
        now = time.time()
        rig.visible.publish(message(frames[number % 2], "bgr8", stamped(now, "mast")))
        rig.infrared.publish(message(infrared, "mono8", stamped(now, "thermal")))
        time.sleep(1 / 30)
    rig.until(lambda: len(rig.fused) > 20, "fused frames")

    fuse = Fuser("ship-t", threads=1)
    both = [fuse(frame, infrared).astype(int) for frame in frames]
    for sent in rig.fused[-10:]:
        image = to_image(sent)
        assert not any(np.array_equal(image, plain) for plain in both)
        assert (image >= np.minimum(*both)).all() and (image <= np.maximum(*both)).all()


def test_its_life_cycle(start):
    rig = start("autostart:=false")
    cameras = Cameras(rig)
    assert rig.change_state("configure") and rig.change_state("activate")
    rig.connected()
    cameras.play(2)
    rig.until(lambda: rig.fused, "fused frames")

    assert rig.change_state("deactivate")
    time.sleep(0.5)
    count = len(rig.fused)
    cameras.play(1)
    assert len(rig.fused) == count
    assert rig.change_state("cleanup") and rig.change_state("configure")
    assert rig.change_state("activate")
    rig.connected()
    cameras.play(2)
    rig.until(lambda: len(rig.fused) > count, "fused frames after it was activated again")
    assert rig.change_state("shutdown")
    assert rig.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_told_to(start, number):
    rig = start()
    cameras = Cameras(rig)
    rig.connected()
    cameras.play(0.5)

    assert rig.end(number) == 0, rig.said()
    assert "Traceback" not in rig.said()


def test_a_model_that_is_not_there(start):
    rig = start("model:=/no/model.onnx")

    rig.until(lambda: "cannot read the model" in rig.said(), "complaint")

    assert rig.end() == 0 and "Traceback" not in rig.said()


def test_the_file_of_parameters_has_every_default():
    file = PACKAGE / "config" / "fusion.yaml"
    known = {name: default for name, (default, _) in {**FIXED, **CHANGEABLE}.items()}

    assert yaml.safe_load(file.read_text())["/**"]["ros__parameters"] == known
