"""The examples run, with stand-ins for what is not here."""

import importlib
import os
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from examples import minimal, ros2_node, threaded
from ship_deploy.errors import UserError
from ship_deploy.images import write_png
from tests.ship_deploy.streams.cameras import ScriptedCamera


def average(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    return visible // 2 + infrared[..., None] // 2


def test_the_minimal_loop(tmp_path, fuser, frames):
    for name, frame in zip(("v.png", "i.png"), frames, strict=True):
        write_png(tmp_path / name, frame)
    shown = []

    minimal.main(str(tmp_path / "v.png"), str(tmp_path / "i.png"), fuser, shown.append)

    (result,) = shown
    assert np.array_equal(result.image, fuser(*frames))


def test_the_threaded_pipeline_gives_the_newest_result():
    made_on = []

    def make_fuser():
        made_on.append((threading.current_thread().name, os.sched_getaffinity(0)))
        return average

    core = {min(os.sched_getaffinity(0))}
    before = os.sched_getaffinity(0)
    cameras = ScriptedCamera("v", (32, 40, 3)), ScriptedCamera("i", (32, 40))
    with threaded.FusedCamera(*cameras, make_fuser, cores=core) as camera:
        while (result := camera.newest()) is None:
            pass
        while (later := camera.newest()) is result:
            pass

    assert result.fused and later.time > result.time
    assert made_on == [("fuse", core)] and os.sched_getaffinity(0) == before


def test_the_threaded_pipeline_passes_errors_on():
    def make_fuser():
        raise UserError("no model")

    with threaded.FusedCamera(
        ScriptedCamera("v", (32, 40)), ScriptedCamera("i", (32, 40)), make_fuser
    ) as camera:
        camera._thread.join()
        with pytest.raises(UserError, match="no model"):
            camera.newest()


def message(
    image: np.ndarray, encoding: str, padding: int = 0, bigendian: bool = False, nanosec: int = 0
):
    """A sensor_msgs/Image without ROS."""
    height = image.shape[0]
    if bigendian:
        image = image.astype(image.dtype.newbyteorder(">"))
    rows = image.reshape(height, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=1_700_000_000, nanosec=nanosec)),
        height=height,
        width=image.shape[1],
        encoding=encoding,
        is_bigendian=bigendian,
        step=rows.shape[1],
        data=rows.tobytes(),
    )


COLOUR = np.arange(20 * 24 * 3, dtype=np.uint8).reshape(20, 24, 3)
COUNTS = (np.arange(20 * 24, dtype=np.uint16) * 50).reshape(20, 24)


@pytest.mark.parametrize(
    ("sent", "image"),
    [
        (message(COLOUR, "bgr8"), COLOUR),
        (message(COLOUR, "bgr8", padding=8), COLOUR),
        (message(COLOUR, "rgb8"), COLOUR[..., ::-1]),
        (message(COLOUR[..., 0].copy(), "mono8"), COLOUR[..., 0]),
        (message(COUNTS, "mono16", padding=4), COUNTS),
        (message(COUNTS, "16UC1", bigendian=True), COUNTS),
    ],
)
def test_ros_images_become_arrays(sent, image):
    found = ros2_node.to_image(sent)

    assert found.dtype == image.dtype and np.array_equal(found, image)


def test_an_unknown_encoding_is_named():
    with pytest.raises(UserError, match="bayer_rggb8"):
        ros2_node.to_image(message(COLOUR, "bayer_rggb8"))


def test_without_ros_the_node_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "rclpy", None)

    with pytest.raises(UserError, match="ROS 2 is not here"):
        ros2_node.import_ros()


def test_the_node_pairs_by_header_stamps_and_publishes(monkeypatch, frames):
    """Against a ROS of a few functions; visible messages come long after infrared ones."""
    visible, infrared = frames
    stamps = [n * 10_000_000 for n in range(6)]
    published, callbacks, destroyed, answered = [], {}, [], threading.Semaphore(0)

    def publish(sent):
        published.append(sent)
        answered.release()
        if len(published) == len(stamps):
            raise KeyboardInterrupt

    class Node:
        def create_publisher(self, kind, topic, depth):
            return SimpleNamespace(publish=publish)

        def create_subscription(self, kind, topic, callback, qos):
            callbacks[topic] = callback

        def destroy_node(self):
            destroyed.append(True)

    def spin(node):
        for n, stamp in enumerate(stamps):
            callbacks["infrared"](message(np.roll(infrared, n, 0), "mono8", nanosec=stamp))
        for stamp in stamps:
            callbacks["visible"](message(visible, "bgr8", nanosec=stamp))
            answered.acquire(timeout=20)

    ros = SimpleNamespace(
        rclpy=SimpleNamespace(init=lambda: None, create_node=lambda name: Node(), spin=spin),
        Image=SimpleNamespace,
        qos=None,
    )
    monkeypatch.setattr(ros2_node, "import_ros", lambda: ros)
    monkeypatch.setattr(ros2_node, "Fuser", lambda threads: average)

    ros2_node.main()

    assert destroyed and [sent.header.stamp.nanosec for sent in published] == stamps
    for n, sent in enumerate(published):
        assert (sent.height, sent.width, sent.step, sent.encoding) == (64, 96, 288, "bgr8")
        fused = np.frombuffer(sent.data, np.uint8).reshape(64, 96, 3)
        assert np.array_equal(fused, average(visible, np.roll(infrared, n, 0)))


def test_a_topic_gives_the_header_of_a_frame():
    topic = ros2_node.Topic("visible")
    sent = [message(COLOUR, "bgr8", nanosec=n * 33_333_333) for n in range(3)]
    for each in sent:
        topic.receive(each)

    stamps = [topic.read()[1] for _ in sent]

    assert [topic.header(stamp) for stamp in stamps] == [each.header for each in sent]
    assert topic.header(None) is sent[-1].header


def test_the_server_of_the_example_needs_no_more_than_gstreamer():
    """It runs under the system's Python, which has nothing of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ship_deploy", None)
        patch.setitem(sys.modules, "gi", SimpleNamespace(require_version=lambda *_: None))
        repository = SimpleNamespace(GLib=None, Gst=None, GstRtspServer=None)
        patch.setitem(sys.modules, "gi.repository", repository)
        assert importlib.import_module("examples.rtsp_server").serve
