"""Reading pairs: what is paired, and what is refused."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.frames import PERCENTILES, stretch
from training import cache
from training.config import Pairs
from training.data import describe, read_folders, read_grey
from training.saliency import mask

STEMS = ("a", "b", "c")


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def noise(seed: int, height: int = 24, width: int = 32, channels: int = 1) -> np.ndarray:
    shape = (height, width, 3)[: 2 if channels == 1 else 3]
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def fill(folder: Path, visible: str = "visible", infrared: str = "infrared") -> Path:
    for seed, stem in enumerate(STEMS):
        write(folder / visible / f"{stem}.png", noise(seed, channels=3))
        write(folder / infrared / f"{stem}.bmp", noise(seed + 10))
    return folder


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "set")


def read(*folders: Path, smallest: int = 16) -> list:
    return read_folders("data.folders", [Pairs(path=path) for path in folders], smallest)


def test_frames_are_luminance_infrared_and_saliency(folder):
    [found] = read(folder)
    assert [pair.name for pair in found] == list(STEMS)
    b, g, r = np.moveaxis(noise(1, channels=3).astype(float), 2, 0)
    luminance = (0.299 * r + 0.587 * g + 0.114 * b).round().astype(np.uint8)
    np.testing.assert_array_equal(found[1].frames[0], luminance)
    np.testing.assert_array_equal(found[1].frames[1], noise(11))
    np.testing.assert_array_equal(found[1].frames[2], mask(luminance))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_infrared_of_more_than_8_bits_reaches_training_as_the_runtime_shows_it(tmp_path, dtype):
    counts = (7000 + 4 * noise(0).astype(np.uint16)).astype(dtype)
    write(tmp_path / "visible/a.png", noise(1, channels=3))
    write(tmp_path / "infrared/a.tiff", counts)
    [[pair]] = read(tmp_path)
    np.testing.assert_array_equal(pair.frames[1], stretch(counts, PERCENTILES))


@pytest.mark.parametrize(
    "layout",
    [
        *[("visible", "infrared"), ("Vis", "Ir"), ("vi", "ir"), ("vis", "ir"), ("VI", "IR")],
        *[("crop_LR_visible", "cropinfrared"), ("visible", "lwir"), ("RGB", "thermal_8_bit")],
        ("visible/train", "infrared/train"),
    ],
)
def test_layouts_of_data_sets(tmp_path, layout):
    [found] = read(fill(tmp_path, *layout))
    assert [pair.name for pair in found] == list(STEMS)
    np.testing.assert_array_equal(found[2].frames[1], noise(12))


def test_where_test_images_lie_beside_those_for_training_they_are_left_out(tmp_path):
    """LLVIP: visible/train, visible/test, infrared/train, infrared/test."""
    fill(tmp_path, "visible/train", "infrared/train")
    write(tmp_path / "visible/test/t.png", noise(0))
    write(tmp_path / "infrared/test/t.png", noise(1))
    [found] = read(tmp_path)
    assert [pair.name for pair in found] == list(STEMS)


def test_files_of_file_managers_are_skipped(folder):
    for name in ("visible/._a.png", "infrared/._a.bmp", "visible/Thumbs.db"):
        (folder / name).write_bytes(b"\0\5\26\7")
    [found] = read(folder)
    assert [pair.name for pair in found] == list(STEMS)


def test_a_folder_of_folders_names_those_to_choose_from(tmp_path):
    """MSRS's own folder, say, whose `test` nobody should train on by mistake."""
    fill(tmp_path / "MSRS" / "train", "vi", "ir")
    fill(tmp_path / "MSRS" / "test", "vi", "ir")
    with pytest.raises(UserError) as raised:
        read(tmp_path / "MSRS")
    assert "none of visible/ and infrared/, Vis/ and Ir/, vi/ and ir/, " in str(raised.value)
    assert str(raised.value).endswith(
        f"try {tmp_path / 'MSRS' / 'test'}, {tmp_path / 'MSRS' / 'train'}"
    )


def test_several_folders_stay_apart(folder, tmp_path):
    write(tmp_path / "one" / "visible" / "x.png", noise(0))
    write(tmp_path / "one" / "infrared" / "x.png", noise(1))
    assert [len(pairs) for pairs in read(folder, tmp_path / "one")] == [3, 1]


def test_grey_files_are_read_unchanged(tmp_path):
    write(tmp_path / "grey.png", noise(0))
    np.testing.assert_array_equal(read_grey(tmp_path / "grey.png"), noise(0))


def test_a_saliency_folder_wins_over_the_computed_map(folder):
    for seed, stem in enumerate(STEMS):
        write(folder / "saliency" / f"{stem}.png", noise(seed + 20))
    np.testing.assert_array_equal(read(folder)[0][2].frames[2], noise(22))


def test_masks_are_read_as_numbers_and_saliency_is_not_theirs(folder):
    assert not read(folder)[0][0].frames[3].any()
    for seed, stem in enumerate(STEMS):
        write(folder / "masks" / f"{stem}.png", noise(seed + 30))
    pair = read(folder)[0][2]
    np.testing.assert_array_equal(pair.frames[3], noise(32))
    np.testing.assert_array_equal(pair.frames[2], mask(pair.frames[0].numpy()))


def test_masks_of_16_bits_are_no_numbers_of_targets(folder):
    for stem in STEMS:
        write(folder / "masks" / f"{stem}.png", noise(0).astype(np.uint16) * 256)
    with pytest.raises(UserError, match=r"masks.*uint16, but numbers of targets are uint8"):
        read(folder)


def test_every_problem_is_listed_at_once(folder, tmp_path):
    write(folder / "visible" / "alone.png", noise(0))
    write(folder / "infrared" / "b.png", noise(0))  # beside b.bmp
    write(folder / "visible" / "small.png", noise(0, 20, 30))
    write(folder / "infrared" / "small.png", noise(0, 20, 31))
    (folder / "infrared" / "c.bmp").write_bytes(b"not an image")
    (folder / "notes.txt").write_text("not looked at")
    (tmp_path / "empty" / "visible").mkdir(parents=True)
    with pytest.raises(UserError) as raised:
        read(folder, tmp_path / "empty")
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith("data.folders: ")
    for problem in (
        "infrared/alone.*: 0 files",
        "infrared/b.*: 2 files",
        "small.png: 31x20, but the visible frame is 30x20",
        "c.bmp: not an image, or a damaged one",
        "empty/visible and infrared/: no images",
    ):
        assert problem in message
    assert message.count(";") == 4


def test_a_missing_folder_is_named_with_the_nearest_before_anything_is_read(folder):
    (folder / "visible" / "a.png").write_bytes(b"not an image")
    with pytest.raises(UserError) as raised:
        read(folder, folder.with_name("seet"))
    missing = folder.with_name("seet")
    assert str(raised.value) == f"data.folders: {missing}: no such folder; the nearest is {folder}"


def test_empty_and_cut_files_are_unreadable(folder):
    whole = (folder / "visible" / "a.png").read_bytes()
    (folder / "visible" / "a.png").write_bytes(b"")
    (folder / "visible" / "b.png").write_bytes(whole[:40])
    with pytest.raises(
        UserError, match=r"a\.png: the file is empty.*b\.png: the image is truncated"
    ):
        read(folder)


def test_a_frame_that_is_too_small_is_refused(folder):
    assert len(read(folder, smallest=24)[0]) == 3
    with pytest.raises(UserError, match="32x24, smaller than 25x25"):
        read(folder, smallest=25)


def test_cached_frames_are_mapped_and_not_decoded_again(folder, tmp_path, monkeypatch):
    cached = tmp_path / "cache"
    [fresh] = read(folder)
    read_folders("", [Pairs(path=folder)], 16, cached)
    monkeypatch.setattr("training.data.read_grey", None)  # whoever decodes now, fails
    [found] = read_folders("", [Pairs(path=folder)], 16, cached)
    assert [pair.name for pair in found] == list(STEMS)
    for pair, expected in zip(found, fresh, strict=True):
        np.testing.assert_array_equal(pair.frames, expected.frames)
    assert all(isinstance(cache.load(path), np.memmap) for path in cached.iterdir())
    with pytest.raises(UserError, match="smaller than 25x25"):  # as without a cache
        read_folders("", [Pairs(path=folder)], 25, cached)


@pytest.mark.parametrize("kind", ["visible", "infrared"])
def test_a_changed_source_is_decoded_again(folder, tmp_path, kind):
    cached = tmp_path / "cache"
    read_folders("", [Pairs(path=folder)], 16, cached)
    [source] = (folder / kind).glob("b.*")
    write(source, noise(99))
    os.utime(source, ns=(0, 0))  # not the time of the first one, on any file system
    for pairs in (read(folder), read_folders("", [Pairs(path=folder)], 16, cached)):
        row = ("visible", "infrared").index(kind)
        np.testing.assert_array_equal(pairs[0][1].frames[row], noise(99))


def test_a_damaged_cache_is_decoded_again(folder, tmp_path):
    cached = tmp_path / "cache"
    read_folders("", [Pairs(path=folder)], 16, cached)
    for damaged, size in zip(sorted(cached.iterdir()), (0, 100, 1000), strict=True):
        os.truncate(damaged, size)
    [found], [fresh] = read_folders("", [Pairs(path=folder)], 16, cached), read(folder)
    for pair, expected in zip(found, fresh, strict=True):
        np.testing.assert_array_equal(pair.frames, expected.frames)


@pytest.mark.parametrize(
    "frames", [np.zeros((3, 8, 8), np.uint8), np.zeros((4, 8, 8)), np.zeros((4, 0, 8), np.uint8)]
)
def test_an_entry_of_the_cache_that_holds_something_else(tmp_path, frames):
    np.save(tmp_path / "a.npy", frames)
    assert cache.load(tmp_path / "a.npy") is None


def test_an_entry_of_the_cache_that_is_an_archive(tmp_path):
    np.savez(tmp_path / "a.npz", np.zeros((4, 8, 8), np.uint8))
    assert cache.load(tmp_path / "a.npz") is None


def test_sub_folders_may_have_any_names(tmp_path):
    for kind, level in (("cam0/colour", 200), ("heat", 50)):
        (tmp_path / kind).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / kind / "a.png"), np.full((20, 24), level, np.uint8))
    named = Pairs(path=tmp_path, visible=Path("cam0/colour"), infrared=Path("heat"))
    [[pair]] = read_folders("", [named], 16)
    assert pair.frames[:2, 0, 0].tolist() == [200, 50]
    with pytest.raises(UserError, match=r"heta: no such folder; the nearest is .*/heat"):
        read_folders("", [named.model_copy(update={"infrared": Path("heta")})], 16)
    with pytest.raises(UserError, match="or name them, as visible: NAME and infrared: NAME"):
        read_folders("", [Pairs(path=tmp_path)], 16)


def test_the_digest_of_a_folder_is_that_of_its_names_and_files(tmp_path):
    def digest() -> str:
        [pairs] = read_folders("", [Pairs(path=tmp_path)], 16)
        about = describe(pairs)
        assert about["pairs"] == 1
        return about["sha256"]

    for kind in ("visible", "infrared"):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / "a.png"), np.full((20, 24), 9, np.uint8))
    first = digest()
    assert digest() == first
    cv2.imwrite(str(tmp_path / "infrared" / "a.png"), np.full((20, 24), 10, np.uint8))
    second = digest()
    for kind in ("visible", "infrared"):
        (tmp_path / kind / "a.png").rename(tmp_path / kind / "b.png")
    assert len({first, second, digest()}) == 3
