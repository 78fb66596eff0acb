"""Reading pairs: what is paired, what is refused, what a crop is."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ship_deploy.errors import UserError
from training.config import Data, Folder
from training.data import Pairs, read_grey
from training.saliency import mask


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def noise(seed: int, height: int = 24, width: int = 32, channels: int = 1) -> np.ndarray:
    shape = (height, width, 3)[: 2 if channels == 1 else 3]
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    for seed, stem in enumerate(("a", "b", "c")):
        write(tmp_path / "set" / "visible" / f"{stem}.png", noise(seed, channels=3))
        write(tmp_path / "set" / "infrared" / f"{stem}.bmp", noise(seed + 10))
    return tmp_path / "set"


def pairs(*folders: Path | Folder, crop: int = 16) -> Pairs:
    given = [f if isinstance(f, Folder) else Folder(path=f) for f in folders]
    return Pairs(Data(folders=given, crop=crop))


def test_frames_are_luminance_infrared_and_saliency(folder):
    frames = pairs(folder).frames
    assert len(frames) == 3
    b, g, r = np.moveaxis(noise(1, channels=3).astype(float), 2, 0)
    luminance = (0.299 * r + 0.587 * g + 0.114 * b).round().astype(np.uint8)
    np.testing.assert_array_equal(frames[1][0], luminance)
    np.testing.assert_array_equal(frames[1][1], noise(11))
    np.testing.assert_array_equal(frames[1][2], mask(luminance))


def test_grey_files_are_read_unchanged(tmp_path):
    write(tmp_path / "grey.png", noise(0))
    np.testing.assert_array_equal(read_grey(tmp_path / "grey.png"), noise(0))


def test_a_saliency_folder_wins_over_the_computed_map(folder):
    for seed, stem in enumerate(("a", "b", "c")):
        write(folder / "saliency" / f"{stem}.png", noise(seed + 20))
    np.testing.assert_array_equal(pairs(folder).frames[2][2], noise(22))


def test_every_problem_is_listed_at_once(folder):
    write(folder / "visible" / "alone.png", noise(0))
    write(folder / "infrared" / "b.png", noise(0))  # beside b.bmp
    write(folder / "visible" / "small.png", noise(0, 20, 30))
    write(folder / "infrared" / "small.png", noise(0, 20, 31))
    (folder / "infrared" / "c.bmp").write_bytes(b"not an image")
    (folder / "notes.txt").write_text("not looked at")
    with pytest.raises(UserError) as raised:
        pairs(folder, folder.parent / "nowhere")
    message = str(raised.value)
    assert "\n" not in message
    for problem in (
        "infrared/alone.*: 0 files",
        "infrared/b.*: 2 files",
        "small.png: 31x20, but the visible frame is 30x20",
        "c.bmp: not an image, or a damaged one",
        "nowhere: no images",
    ):
        assert problem in message
    assert message.count(";") == 4


def test_empty_and_cut_files_are_unreadable(folder):
    whole = (folder / "visible" / "a.png").read_bytes()
    (folder / "visible" / "a.png").write_bytes(b"")
    (folder / "visible" / "b.png").write_bytes(whole[:40])
    with pytest.raises(UserError, match=r"a\.png: the file is empty.*b\.png: the image is cut"):
        pairs(folder)


def test_a_frame_smaller_than_the_crop_is_refused(folder):
    with pytest.raises(UserError, match="32x24, smaller than the crop of 25"):
        pairs(folder, crop=25)


def test_crops_stay_aligned_and_come_in_all_places_and_orientations(tmp_path):
    image = np.arange(20 * 20, dtype=np.uint16).reshape(20, 20)
    low, high = (image % 256).astype(np.uint8), (image // 256).astype(np.uint8)
    write(tmp_path / "visible" / "a.png", low)
    write(tmp_path / "infrared" / "a.png", high)
    data = pairs(tmp_path)
    torch.manual_seed(0)
    seen, corners = set(), set()
    for _ in range(600):
        crop = data[0].int()
        assert crop.shape == (3, 16, 16)
        place = crop[0] + 256 * crop[1]  # each pixel names where it came from
        seen.add((int(place[0, 1] - place[0, 0]), int(place[1, 0] - place[0, 0])))
        corners.add(int(place.min()))
    steps = {(dx, dy) for dx in (1, -1) for dy in (20, -20)}
    assert seen == steps | {(dy, dx) for dx, dy in steps}
    assert corners == {20 * top + left for top in range(5) for left in range(5)}


def test_folders_are_drawn_by_weight_whatever_their_size(folder, tmp_path):
    write(tmp_path / "one" / "visible" / "x.png", noise(0))
    write(tmp_path / "one" / "infrared" / "x.png", noise(1))
    data = pairs(folder, Folder(path=tmp_path / "one", weight=3))
    assert data.weights == pytest.approx([1 / 3, 1 / 3, 1 / 3, 3])
