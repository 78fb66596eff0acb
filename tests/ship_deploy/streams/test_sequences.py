"""Folders of numbered images that lack some."""

import numpy as np
import pytest

from ship_deploy.images import write_png
from ship_deploy.streams import Callback, ImageFolder, Pipeline, find_source
from ship_deploy.streams.sequences import side_by_side


def fill(folder, names):
    """Images whose level is their number."""
    folder.mkdir()
    for name, level in names.items():
        write_png(folder / name, np.full((16, 16), level, np.uint8))
    return folder


def fused(visible, infrared, **options):
    """The levels of what was fused, and when; and of what was shown alone."""
    pairs, times, alone = [], [], []

    def fuse(left, right):
        pairs.append((int(left[0, 0, 0]), int(right[0, 0])))
        return left

    def show(result):
        if result.fused:
            times.append(result.time)
        else:
            alone.append(int(result.image[0, 0, 0]))

    sources = find_source(str(visible)), find_source(str(infrared), infrared=True)
    with Pipeline(*sources, fuse, **options) as pipeline:
        pipeline.run(Callback(show))
    return pairs, times, alone


@pytest.mark.parametrize("lacks", [{2}, {1}, {12}, {5, 6, 7}, {2, 4, 6, 8, 10}])
@pytest.mark.parametrize("side", [0, 1])
def test_after_a_gap_the_partners_are_the_same(tmp_path, lacks, side, caplog):
    numbers = set(range(1, 13))
    left = fill(tmp_path / "v", {f"{n}.png": n for n in numbers - (lacks if side else set())})
    right = fill(tmp_path / "i", {f"{n:04}.png": n for n in numbers - (set() if side else lacks)})
    pairs, times, alone = fused(left, right)
    assert pairs == [(n, n) for n in sorted(numbers - lacks)]
    assert times == pytest.approx([(n - 1) / 25 for n in sorted(numbers - lacks)])
    assert alone == ([12] if lacks == {12} else [])  # the other side has ended
    (record,) = [each for each in caplog.records if each.module == "sequences"]
    assert "no image of the same name in the other folder for " in record.message
    assert all(f"{n}.png" in record.message for n in lacks)


def test_names_that_have_nothing_to_do_with_each_other_are_read_in_order(tmp_path, caplog):
    left = fill(tmp_path / "v", {f"{1000 + 40 * n}.png": n for n in range(5)})
    right = fill(tmp_path / "i", {f"{1003 + 37 * n}.png": n for n in range(5)})
    assert fused(left, right)[0] == [(n, n) for n in range(5)]
    assert not caplog.text


def test_by_index_the_order_counts(tmp_path):
    left = fill(tmp_path / "v", {f"{n}.png": n for n in (1, 3, 4)})
    right = fill(tmp_path / "i", {f"{n}.png": n for n in (1, 2, 3)})
    assert fused(left, right, pair_by="index")[0] == [(1, 1), (3, 2), (4, 3)]


def test_two_images_of_one_number_are_no_sequence(tmp_path):
    left = fill(tmp_path / "v", {"1_vis.png": 1, "1_rgb.png": 2})
    right = fill(tmp_path / "i", {"1_ir.png": 1, "2_ir.png": 2})
    sources = ImageFolder(left, infrared=False), ImageFolder(right, infrared=True)
    assert side_by_side(*sources) == (*sources, None)
