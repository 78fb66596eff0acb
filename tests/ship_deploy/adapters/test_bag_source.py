"""Topics of a recording as sources."""

from dataclasses import replace

import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.adapters.bag_source import BagTopic, find_topics
from ship_deploy.adapters.bags import Bag, encode
from tests.ship_deploy.adapters.recordings import (
    INFRARED,
    SECOND,
    START,
    VISIBLE,
    drive,
    image,
    write_mcap,
)
from training.scenes import render


def grab(path, topic):
    capture = BagTopic(Bag(path), topic).open()
    found = []
    while (grabbed := capture.read()) is not None:
        found.append(grabbed)
    capture.close()
    return found


@pytest.mark.parametrize("compressed", [False, True])
def test_frames_have_the_stamps_of_their_headers(tmp_path, compressed):
    path = write_mcap(tmp_path / "drive.mcap", drive(compressed=compressed))
    visible, infrared = render(3, 64, 96)

    seen, felt = grab(path, VISIBLE), grab(path, INFRARED)

    assert len(seen) == 10 and len(felt) == 5
    assert all(np.array_equal(f, np.roll(visible, n, axis=1)) for n, (f, _) in enumerate(seen))
    assert np.allclose([s - START / SECOND for _, s in seen], np.arange(10) / 10, atol=1e-6)
    assert felt[0][0].dtype == np.uint16 and felt[0][0].max() == 16 * int(infrared.max()) + 7000


def test_without_stamps_the_time_of_recording_counts(tmp_path):
    unstamped = (
        replace(m, data=encode(image(0, np.zeros((32, 32, 3), np.uint8), "bgr8", "cam"), "cdr"))
        for m in drive()
        if m.topic.name == VISIBLE
    )
    found = grab(write_mcap(tmp_path / "drive.mcap", unstamped), VISIBLE)

    assert np.allclose([s - START / SECOND for _, s in found], np.arange(10) / 10, atol=1e-6)


def test_a_damaged_message_is_unreadable_and_counts(tmp_path):
    damaged = (replace(m, data=m.data[:40]) if m.sequence == 3 else m for m in drive())
    found = grab(write_mcap(tmp_path / "drive.mcap", damaged), VISIBLE)

    assert [n for n, (frame, _) in enumerate(found) if frame is None] == [3]


def test_an_encoding_that_is_not_known_ends_it(tmp_path):
    bayer = image(START, np.zeros((32, 32), np.uint8), "bayer_rggb8", "cam")
    messages = (replace(m, data=encode(bayer, "cdr")) for m in drive() if m.topic.name == VISIBLE)

    with pytest.raises(UserError, match="bayer_rggb8"):
        grab(write_mcap(tmp_path / "drive.mcap", messages), VISIBLE)


def test_topics_that_are_not_there_are_told_from_those_that_are(tmp_path):
    bag = Bag(write_mcap(tmp_path / "drive.mcap", drive()))

    assert [t.name for t in find_topics(bag, VISIBLE, INFRARED)] == [VISIBLE, INFRARED]
    with pytest.raises(
        UserError, match=f"no images on /notes; topics of images: {VISIBLE}, {INFRARED}"
    ):
        find_topics(bag, VISIBLE, "/notes")
