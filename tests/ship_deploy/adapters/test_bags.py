"""Recordings of every kind are read alike, whole and cut short."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

from ship_deploy import UserError
from ship_deploy.adapters.bags import Bag, Message, decode
from tests.ship_deploy.adapters.recordings import VISIBLE, drive, write_mcap


def facts(messages: list[Message]) -> list[tuple[str, str, int, bytes]]:
    return [(m.topic.name, m.topic.type, m.logged, m.data) for m in messages]


def in_order(messages) -> list[Message]:
    return sorted(messages, key=lambda m: m.logged)


def write_rosbag2(path: Path, plugin: StoragePlugin, by_message: bool = False) -> Path:
    store = get_typestore(Stores.ROS2_JAZZY)
    writer = Writer2(path, version=9, storage_plugin=plugin)
    if by_message:
        writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer:
        known = {}
        for m in drive():
            if m.topic.name not in known:
                known[m.topic.name] = writer.add_connection(
                    m.topic.name, m.topic.type, typestore=store
                )
            writer.write(known[m.topic.name], m.logged, m.data)
    return path


def write_bag(path: Path) -> Path:
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer1(path) as writer:
        known = {}
        for m in drive("ros1"):
            if m.topic.name not in known:
                known[m.topic.name] = writer.add_connection(
                    m.topic.name, m.topic.type, typestore=store
                )
            writer.write(known[m.topic.name], m.logged, m.data)
    return path


@pytest.mark.parametrize("compression", list(CompressionType))
def test_an_mcap_file(tmp_path, compression):
    bag = Bag(write_mcap(tmp_path / "drive.mcap", drive(), compression))

    assert list(bag.messages()) == list(drive()) and not bag.cut


@pytest.mark.parametrize(
    ("plugin", "by_message"),
    list(itertools.product([StoragePlugin.SQLITE3, StoragePlugin.MCAP], [False, True])),
)
def test_a_folder_of_rosbag2(tmp_path, plugin, by_message):
    bag = Bag(write_rosbag2(tmp_path / "drive", plugin, by_message))

    found = list(bag.messages())

    assert facts(in_order(found)) == facts(in_order(drive()))
    assert all(b"std_msgs" in m.topic.schema[2] for m in found if "sensor" in m.topic.type)


def test_a_folder_without_its_description(tmp_path):
    """As a robot leaves it that lost power."""
    folder = write_rosbag2(tmp_path / "drive", StoragePlugin.MCAP)
    (folder / "metadata.yaml").unlink()

    assert facts(in_order(Bag(folder).messages())) == facts(in_order(drive()))


def test_a_bag_of_ros_1(tmp_path):
    found = list(Bag(write_bag(tmp_path / "drive.bag")).messages())

    assert facts(in_order(found)) == facts(in_order(drive("ros1")))
    assert {m.topic.encoding for m in found} == {"ros1"}
    assert decode(found[0]).header.frame_id == "cam"


def test_its_copy_in_mcap(tmp_path):
    found = list(Bag(write_mcap(tmp_path / "drive.mcap", drive("ros1"))).messages())

    assert facts(found) == facts(list(drive("ros1")))
    assert decode(found[0]).header.frame_id == "cam"


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_file_that_was_cut_short_is_read_to_its_last_whole_message(tmp_path, compression):
    """Cut anywhere: what is read is a beginning of what was recorded, and longer the later."""
    whole = write_mcap(tmp_path / "drive.mcap", drive(), compression).read_bytes()
    every, counts = list(drive()), []
    for size in np.linspace(8, len(whole) - 40, 60).astype(int):
        path = tmp_path / "cut.mcap"
        path.write_bytes(whole[:size])
        bag = Bag(path)
        found = list(bag.messages())
        assert found == every[: len(found)]
        assert "was cut short" in bag.cut
        counts.append(len(found))
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == len(every)
    assert len(set(counts)) > 4


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_cut_chunk_gives_the_messages_before_the_cut(tmp_path, compression):
    one_chunk = write_mcap(tmp_path / "drive.mcap", drive(), compression, chunk=1 << 20)
    with one_chunk.open("rb") as file:
        (chunk,) = make_reader(file).get_summary().chunk_indexes
    end = chunk.chunk_start_offset + chunk.chunk_length
    one_chunk.write_bytes(one_chunk.read_bytes()[: end - 8])

    found = list(Bag(one_chunk).messages())

    assert found == list(drive())[: len(found)] and 4 < len(found) < len(list(drive()))


@pytest.mark.parametrize("at", [500, 30_000])
def test_damage_is_not_taken_for_the_end(tmp_path, at):
    path = write_mcap(tmp_path / "drive.mcap", drive())
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(UserError, match="cannot read the bag"):
        list(Bag(path).messages())


def test_a_chunk_that_claims_to_be_huge_is_refused(tmp_path):
    path = write_mcap(tmp_path / "drive.mcap", drive())
    content = bytearray(path.read_bytes())
    first = content.index(b"\x06", 8)  # the chunk's opcode, after the header record
    while content[first + 41 : first + 45] != b"zstd":
        first = content.index(b"\x06", first + 1)
    content[first + 25 : first + 33] = (1 << 40).to_bytes(8, "little")
    path.write_bytes(content)

    with pytest.raises(UserError, match="are unpacked"):
        list(Bag(path).messages())


@pytest.mark.parametrize(
    ("name", "hint"), [("drive.db3", "recover"), ("drive.bag", "rosbag reindex")]
)
def test_other_bags_that_were_cut_short_say_what_mends_them(tmp_path, name, hint):
    if name == "drive.bag":
        path = write_bag(tmp_path / name)
    else:
        folder = write_rosbag2(tmp_path / "folder", StoragePlugin.SQLITE3)
        path = Path(shutil.move(next(folder.glob("*.db3")), tmp_path / name))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(UserError, match=hint):
        list(Bag(path).messages())


@pytest.mark.parametrize("name", ["drive.mcap", "drive.db3", "drive.bag", "drive.txt"])
def test_what_is_no_bag_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no bag at all" * 99)

    with pytest.raises(UserError, match="cannot read the bag"):
        list(Bag(tmp_path / name).messages())


def test_an_image_that_is_damaged(tmp_path):
    first = next(drive())
    damaged = Message(first.topic, first.logged, first.published, 0, first.data[:50])

    with pytest.raises(UserError, match=f"{VISIBLE}: a damaged message"):
        decode(damaged)
