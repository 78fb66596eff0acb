"""`ship-deploy fuse BAG`: a recording in, the same and a fused topic out; killed, and taken up."""

import fcntl
import time

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from ship_deploy import UserError
from ship_deploy.adapters.bags import Bag, decode
from ship_deploy.adapters.fused_bag import FusedBag
from ship_deploy.adapters.ros_images import to_image
from ship_deploy.commands import fuse_bag as command
from ship_deploy.streams import Thermal
from tests.ship_deploy.adapters.recordings import (
    INFRARED,
    SECOND,
    START,
    VISIBLE,
    drive,
    write_mcap,
)
from tests.ship_deploy.commands.process import check_refused, ship_deploy, start

TOPICS = "--visible", VISIBLE, "--infrared", INFRARED


@pytest.fixture
def recording(tmp_path):
    return write_mcap(tmp_path / "drive.mcap", drive())


def fused_of(path):
    return [m for m in Bag(path).messages() if m.topic.name == "/fused/image"]


def test_every_topic_is_kept_and_a_fused_one_added(recording, model, fuser, tmp_path):
    output = tmp_path / "out" / "fused.mcap"

    result = ship_deploy("fuse", recording, *TOPICS, "-o", output, "--model", model)

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(output)
    assert "visible: 10 frames = 10 fused" in result.stderr
    found = list(Bag(output).messages())
    assert [m for m in found if m.topic.name != "/fused/image"] == list(drive())
    thermal, felt = Thermal(), {}
    for number, message in enumerate(m for m in drive() if m.topic.name == INFRARED):
        felt[number] = thermal(to_image(decode(message)), number * 0.2)
    seen = [m for m in drive() if m.topic.name == VISIBLE]
    for number, (message, visible) in enumerate(zip(fused_of(output), seen, strict=True)):
        image = decode(message)
        assert image.header == decode(visible).header
        assert (message.logged, message.published) == (visible.logged, visible.published)
        # Between two infrared frames, the one that is nearer: their stamps lie 1 us late.
        pair = fuser(to_image(decode(visible)), felt[number // 2])
        assert np.array_equal(to_image(image), pair), number
    assert [path.name for path in output.parent.iterdir()] == ["fused.mcap"]


def test_other_readers_read_it(recording, model, tmp_path):
    output = tmp_path / "fused.mcap"
    command.fuse_bag(recording, VISIBLE, INFRARED, output, model=model, device="cpu")

    with output.open("rb") as file:  # Foxglove's library
        summary = make_reader(file).get_summary()
        count = sum(1 for _ in make_reader(file).iter_messages("/fused/image"))
    with AnyReader([output]) as reader:
        sizes = {
            (image.height, image.width, image.encoding)
            for connection, _, data in reader.messages()
            if connection.topic == "/fused/image"
            for image in [reader.deserialize(data, connection.msgtype)]
        }
    assert summary.statistics.message_count == 29 and count == 10
    assert sizes == {(64, 96, "bgr8")}
    assert {c.topic for c in summary.channels.values()} >= {VISIBLE, INFRARED, "/notes"}


def test_a_recording_that_was_cut_short(recording, model, tmp_path):
    content = recording.read_bytes()
    recording.write_bytes(content[: len(content) // 2])

    result = ship_deploy(
        "fuse", recording, *TOPICS, "-o", tmp_path / "fused.mcap", "--model", model
    )

    assert result.returncode == 0, result.stderr
    assert "was cut short; it was read up to its last whole message" in result.stderr
    assert 0 < len(fused_of(tmp_path / "fused.mcap")) < 10


def test_a_bag_of_ros_1(model, tmp_path):
    """In its MCAP form, as `mcap convert` makes it."""
    recording, output = write_mcap(tmp_path / "one.mcap", drive("ros1")), tmp_path / "fused.mcap"

    command.fuse_bag(recording, VISIBLE, INFRARED, output, model=model, device="cpu")

    fused = fused_of(output)
    assert len(fused) == 10 and fused[0].topic.schema[:2] == ("sensor_msgs/Image", "ros1msg")
    assert decode(fused[3]).header.frame_id == "cam"


def test_a_video_and_images_too(recording, model, tmp_path):
    places = {"video": tmp_path / "fused.mp4", "images": tmp_path / "images"}

    command.fuse_bag(
        recording, VISIBLE, INFRARED, tmp_path / "f.mcap", topic="/f", model=model, **places
    )

    pictures = [cv2.imread(str(path)) for path in sorted(places["images"].iterdir())]
    fused = [m for m in Bag(tmp_path / "f.mcap").messages() if m.topic.name == "/f"]
    assert [to_image(decode(m)).tolist() for m in fused] == [p.tolist() for p in pictures]
    assert cv2.VideoCapture(str(places["video"])).read()[0]


def test_a_run_that_was_interrupted_is_taken_up(recording, model, tmp_path, monkeypatch):
    """Twice, the second time sooner than the first. In the end it is the same, bit for bit."""
    whole, output = tmp_path / "whole.mcap", tmp_path / "fused.mcap"
    command.fuse_bag(recording, VISIBLE, INFRARED, whole, model=model, device="cpu")
    original, left, fused = FusedBag.fuse, [], []

    def until(self, fuse):
        def count(visible, infrared):
            fused.append(1)
            return fuse(visible, infrared)

        inner = original(self, count)

        def stop(visible, infrared):
            if not left:
                raise KeyboardInterrupt
            left.pop()
            return inner(visible, infrared)

        return stop

    monkeypatch.setattr(FusedBag, "fuse", until)
    for count in (7, 3):
        left[:] = range(count)
        with pytest.raises(KeyboardInterrupt):
            command.fuse_bag(recording, VISIBLE, INFRARED, output, model=model, device="cpu")
        assert not output.exists()
    before, left[:] = len(fused), range(99)
    command.fuse_bag(recording, VISIBLE, INFRARED, output, model=model, device="cpu")

    assert output.read_bytes() == whole.read_bytes()
    assert before >= 7 and len(fused) < 10 + 3  # what the first run flushed was not fused again
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("drive.mcap", "fused.mcap", "whole.mcap")
    ]


def test_with_other_options_it_begins_anew(recording, model, tmp_path):
    output = tmp_path / "fused.mcap"
    bag = Bag(recording)
    found = next(bag.messages()).topic
    with FusedBag(bag, output, found, "/fused/image", {"model": "another"}) as other:
        next(other._source)

    command.fuse_bag(recording, VISIBLE, INFRARED, output, model=model, device="cpu")

    assert len(fused_of(output)) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drive.mcap", "fused.mcap"]


def test_killed_it_leaves_the_output_as_it_was_and_goes_on(model, tmp_path):
    recording = write_mcap(tmp_path / "long.mcap", drive(seconds=12))
    output = tmp_path / "fused.mcap"
    output.write_bytes(b"from before")
    arguments = ["fuse", recording, *TOPICS, "-o", output, "--model", model, "--threads", 1]
    process = start(*arguments)
    unfinished = tmp_path / ".fused.mcap.unfinished"
    until = time.monotonic() + 60
    while not (unfinished.exists() and unfinished.stat().st_size > 100_000):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert output.read_bytes() == b"from before"

    result = ship_deploy(*arguments)

    assert result.returncode == 0, result.stderr
    assert "were taken from a run that was interrupted" in result.stderr
    assert len(fused_of(output)) == 120


def test_two_at_a_time_are_refused(recording, model, tmp_path):
    unfinished = tmp_path / ".fused.mcap.unfinished"
    with unfinished.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        with pytest.raises(UserError, match="another process is writing it"):
            command.fuse_bag(recording, VISIBLE, INFRARED, tmp_path / "fused.mcap", model=model)


def test_wrong_usage(recording, tmp_path):
    output = tmp_path / "fused.mcap"
    check_refused(ship_deploy("fuse", recording, *TOPICS[:2], "-o", output), "--infrared", 2)
    check_refused(ship_deploy("fuse", recording, "-o", output, "--video", "a.mp4"), "--video", 2)
    check_refused(ship_deploy("fuse", recording, *TOPICS, "-o", recording), "overwrite the input")
    check_refused(
        ship_deploy("fuse", recording, *TOPICS, "-o", tmp_path / "a.png"), "an .mcap file"
    )
    check_refused(
        ship_deploy("fuse", recording, *TOPICS, "-o", output, "--topic", "/notes"),
        "has /notes already",
    )
    wrong = "--visible", "/no", "--infrared", INFRARED
    check_refused(
        ship_deploy("fuse", recording, *wrong, "-o", output), "topics of images: /cam/image"
    )


def test_time_is_the_rigs(recording):
    """What the fixture promises."""
    first = next(Bag(recording).messages())
    assert decode(first).header.stamp.sec == START // SECOND
