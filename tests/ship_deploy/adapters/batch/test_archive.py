from pathlib import Path

import pytest

from ship_deploy import UserError
from ship_deploy.adapters.batch.archive import find_items
from ship_deploy.images import LONELY


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_folder_of_a_data_set_and_its_two_folders_are_the_same(tmp_path):
    touch(tmp_path, "visible/a/1.png", "infrared/a/1.png", "visible/2.jpg", "infrared/2.png")
    items = find_items(str(tmp_path), None, bags=False)
    assert [item.name for item in items] == ["2", "a/1"]
    folders = str(tmp_path / "visible"), str(tmp_path / "infrared")
    assert find_items(*folders, bags=False) == items
    assert items[0].inputs == (f"{folders[0]}/2.jpg", f"{folders[1]}/2.png")


def test_an_image_without_a_partner_is_an_item_with_a_problem(tmp_path):
    touch(tmp_path, "visible/1.png", "infrared/1.png", "visible/2.png", "infrared/3.png")
    items = {item.name: item for item in find_items(str(tmp_path), None, bags=False)}
    assert items.keys() == {"1", "2", "3"}
    assert items["1"].problem == ""
    assert items["2"].problem == items["3"].problem == LONELY
    assert items["3"].inputs == (str(tmp_path / "infrared" / "3.png"),)


def test_recordings_are_found_in_a_folder_and_named_by_their_paths(tmp_path):
    touch(tmp_path, "b.mcap", "day/a.bag", "day/drive/metadata.yaml", "day/drive/drive_0.mcap")
    touch(tmp_path, ".b.mcap.unfinished", ".hidden/c.mcap")
    items = find_items(str(tmp_path), None, bags=True)
    assert sorted(item.name for item in items) == ["b", "day/a", "day/drive"]
    (one,) = find_items(str(tmp_path / "b.mcap"), None, bags=True)
    assert one == ("b", (str(tmp_path / "b.mcap"),), "")
    (folder,) = find_items(str(tmp_path / "day" / "drive"), None, bags=True)
    assert folder.name == "drive"


@pytest.mark.parametrize(
    ("names", "source", "bags", "message"),
    [
        ([], "nothing", False, "no such file or folder"),
        (["visible/1.png"], "", False, "infrared: no such folder"),
        (["a.txt"], "", True, "contains no recordings"),
        (["a.mcap", "a.bag"], "", True, "would both become a"),
    ],
)
def test_what_cannot_be_a_source_is_said(tmp_path, names, source, bags, message):
    touch(tmp_path, *names)
    with pytest.raises(UserError, match=message):
        find_items(str(tmp_path / source), None, bags)


def test_an_address_that_is_no_object_store_is_refused():
    with pytest.raises(UserError, match="expected a path, or an address of s3"):
        find_items("ftp://host/folder", None, bags=False)
