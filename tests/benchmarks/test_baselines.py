"""The baselines on frames whose fusion is known."""

import numpy as np
import pytest

from benchmarks.quality.baselines import BASELINES
from ship_deploy.frames import Frames
from training.data import grey
from training.metrics import METRICS
from training.scenes import render


@pytest.fixture(scope="module")
def pair() -> tuple[Frames, Frames]:
    visible, infrared = render(5, 90, 121)
    return grey(visible), infrared


def test_names_are_those_that_the_command_line_takes():
    expected = ["average", "maximum", "visible", "infrared", "laplacian", "guided"]
    assert list(BASELINES) == expected


@pytest.mark.parametrize("name", BASELINES)
def test_two_equal_frames_fuse_to_that_frame(name, pair):
    fused = BASELINES[name](pair[0], pair[0])
    assert fused.dtype == np.uint8
    assert np.abs(fused.astype(int) - pair[0]).max() <= 1


@pytest.mark.parametrize("name", BASELINES)
def test_inputs_are_left_as_they_were(name, pair):
    copies = [frame.copy() for frame in pair]
    BASELINES[name](*pair)
    assert all(np.array_equal(*both) for both in zip(copies, pair, strict=True))


def test_simple_ones_by_hand():
    visible, infrared = (np.full((16, 16), level, np.uint8) for level in (101, 200))
    levels = {name: fuse(visible, infrared)[0, 0] for name, fuse in BASELINES.items()}
    assert levels["average"] == 150  # 150.5, to even
    assert levels["maximum"] == 200
    assert levels["visible"] == 101
    assert levels["infrared"] == 200
    assert levels["laplacian"] == 150  # no detail: the mean of the tops


def test_pyramids_take_detail_from_whichever_source_has_it():
    flat = np.full((64, 64), 100, np.uint8)
    detailed = flat.copy()
    detailed[::2] += 40
    fused = BASELINES["laplacian"](flat, detailed)
    assert abs(float(np.diff(fused.astype(int), axis=0).__abs__().mean()) - 40) < 1


def test_guided_filter_takes_each_region_from_the_sharper_source():
    """Left is sharp in one frame, right in the other; both base levels are the same."""
    stripes = np.where(np.arange(120) % 4 < 2, 80, 160)
    frames = [np.tile(np.uint8(120), (80, 120)) for _ in range(2)]
    frames[0][:, :60] = stripes[:60]
    frames[1][:, 60:] = stripes[60:]
    fused = BASELINES["guided"](*frames).astype(int)
    whole = np.tile(stripes, (80, 1))
    away = np.r_[8:48, 72:112]
    assert np.abs(fused - whole)[:, away].mean() < 4
    assert np.abs(BASELINES["average"](*frames).astype(int) - whole)[:, away].mean() > 15


def test_classical_ones_keep_more_edges_than_the_average(pair):
    import torch

    images = [torch.from_numpy(frame) for frame in pair]
    kept = {
        name: METRICS["Qabf"](torch.from_numpy(fuse(*pair)), *images).item()
        for name, fuse in BASELINES.items()
    }
    assert kept["laplacian"] > kept["average"]
    assert kept["guided"] > kept["average"]
