import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.images import check_pairs, find_pairs, read_infrared, read_visible, write_png
from training.scenes import render


@pytest.fixture
def folders(tmp_path):
    """Two folders with two pairs each, PNG beside JPEG."""
    for side in ("visible", "infrared"):
        (tmp_path / side).mkdir()
    for seed, name in enumerate(("a", "b")):
        visible, infrared = render(seed, 40, 56)
        cv2.imwrite(str(tmp_path / "visible" / f"{name}.jpg"), visible)
        cv2.imwrite(str(tmp_path / "infrared" / f"{name}.png"), infrared)
    return tmp_path / "visible", tmp_path / "infrared"


def test_folders_are_paired_by_name_without_suffix(folders):
    (folders[0] / "notes.txt").write_text("not an image")
    pairs = find_pairs(*folders)
    assert [(p.name, p.visible.suffix, p.infrared.suffix) for p in pairs] == [
        ("a", ".jpg", ".png"),
        ("b", ".jpg", ".png"),
    ]


def test_all_names_without_partner_are_listed(folders):
    cv2.imwrite(str(folders[0] / "lone1.png"), np.zeros((20, 20, 3), np.uint8))
    cv2.imwrite(str(folders[1] / "lone2.png"), np.zeros((20, 20), np.uint8))
    with pytest.raises(UserError, match=r"no image of the same name .*lone2\.png.*lone1\.png"):
        find_pairs(*folders)


def test_two_images_of_one_name(folders):
    cv2.imwrite(str(folders[0] / "a.png"), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(UserError, match="two images with the same name"):
        find_pairs(*folders)


def test_a_folder_and_a_file(folders):
    with pytest.raises(UserError, match="give two files or two folders"):
        find_pairs(folders[0], folders[1] / "a.png")


def test_nothing_there(folders, tmp_path):
    with pytest.raises(UserError, match=r"none: no such file or folder"):
        find_pairs(tmp_path / "none", folders[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="contains no images"):
        find_pairs(tmp_path / "empty", tmp_path / "empty")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_a_truncated_image_is_an_error(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), render(0, 64, 80)[0])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"a\.\w+: (the file is empty|.*is truncated|not an image)"):
        read_visible(path)


def test_a_jpeg_with_a_thumbnail_that_is_whole_but_itself_cut(tmp_path):
    """The end marker of the embedded picture must not pass for the file's."""
    path = tmp_path / "a.jpg"
    _, thumbnail = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    _, whole = cv2.imencode(".jpg", render(0, 64, 80)[0])
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail.tobytes()
    content = whole.tobytes()[:2] + segment + whole.tobytes()[2:]
    path.write_bytes(content)
    assert read_visible(path).shape == (64, 80, 3)
    path.write_bytes(content[:-200])
    with pytest.raises(UserError, match="is truncated"):
        read_visible(path)


def test_text_is_not_an_image(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("hello")
    with pytest.raises(UserError, match="not an image, or a damaged one"):
        read_infrared(path)


def test_depths(tmp_path):
    counts = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) * 20
    for suffix, frame in ((".png", counts), (".tif", counts), (".tiff", counts.astype(np.float32))):
        path = tmp_path / f"a{suffix}"
        cv2.imwrite(str(path), frame)
        read = read_infrared(path)
        assert read.dtype == frame.dtype
        assert np.array_equal(read, frame)


def test_grey_stays_grey_and_three_grey_channels_become_one_for_infrared(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    write_png(tmp_path / "grey.png", grey)
    write_png(tmp_path / "three.png", np.repeat(grey[..., None], 3, axis=2))
    assert np.array_equal(read_visible(tmp_path / "grey.png"), grey)
    assert np.array_equal(read_infrared(tmp_path / "three.png"), grey)


def test_every_bad_pair_is_named(folders):
    (folders[0] / "a.jpg").write_bytes(b"")
    write_png(folders[1] / "b.png", np.zeros((10, 20), np.uint8))
    with pytest.raises(UserError) as error:
        check_pairs(find_pairs(*folders))
    assert "a.jpg: the file is empty" in str(error.value)
    assert "b.png: visible is 40x56 and infrared 10x20" in str(error.value)
