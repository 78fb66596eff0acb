"""The baselines on frames whose fusion is known."""

import numpy as np
import pytest

from benchmarks import least_squares
from benchmarks.baselines import BASELINES
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
    assert list(BASELINES) == [*expected, "MSX-like", "wavelet", "least squares", "FCDFusion"]


@pytest.mark.parametrize("name", sorted(BASELINES.keys() - {"MSX-like", "FCDFusion"}))
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
    assert levels["MSX-like"] == 200  # no lines
    assert levels["wavelet"] == 150
    assert levels["least squares"] in (150, 151)  # nothing is salient: 150.5 and rounding
    assert levels["FCDFusion"] == 160  # 101 (0.5 + (200 / 255)^2 (101 + 255) / (2 * 101)) = 160.0


def test_msx_draws_the_lines_of_the_visible_frame_on_the_infrared_one():
    visible, infrared = np.full((2, 40, 60), 100, np.uint8)
    visible[:, 30] = 180
    infrared[20:] = 200
    fused = BASELINES["MSX-like"](visible, infrared).astype(int)
    assert np.array_equal(fused[:, :20], infrared[:, :20])
    assert np.abs(fused[:, 30] - infrared[:, 30] - 55).max() <= 10  # 80 less what the blur leaves


def test_fcdfusion_scales_colours_and_keeps_their_ratios():
    visible = np.full((16, 16, 3), (20, 40, 80), np.uint8)
    infrared = np.repeat(np.uint8([[0], [255]]), 8, axis=0) * np.ones((1, 16), np.uint8)
    fused = BASELINES["FCDFusion"](visible, infrared)
    assert fused[0, 0].tolist() == [10, 20, 40]  # cold: half
    assert fused[15, 0].tolist() == [52, 104, 208]  # hot: 0.5 + 335 / 160 times


def test_least_squares_smoothing_solves_its_equations():
    """One pass along columns, against the dense system; and an edge that stays."""
    random = np.random.default_rng(0)
    values, weights = (random.random((n, 5)).astype(np.float32) for n in (20, 19))
    found = least_squares._solve(values, weights, 2.5)
    steps = np.diff(np.eye(20), axis=0)
    for column in range(5):
        system = np.eye(20) + 2.5 * steps.T @ np.diag(weights[:, column]) @ steps
        expected = np.linalg.solve(system, values[:, column])
        assert found[:, column] == pytest.approx(expected, abs=1e-5)

    edge = np.repeat(np.float32([0.2, 0.8]), 30)[None] + np.zeros((40, 1), np.float32)
    noisy = edge + random.normal(0, 0.01, edge.shape).astype(np.float32)
    smooth = least_squares.smooth(noisy, 5)
    assert np.abs(smooth - edge).mean() < np.abs(noisy - edge).mean() / 3
    assert np.abs(smooth - edge).max() < 0.03


def test_least_squares_pulls_to_visible_detail_where_the_infrared_has_none():
    flat, striped = np.full((2, 64, 64), 100, np.uint8)
    striped[::4] += 40
    fused = BASELINES["least squares"](striped, flat).astype(int)
    assert np.abs(np.diff(fused, axis=0)).mean() > 0.8 * 40 / 2  # every other step


def test_pyramids_take_detail_from_whichever_source_has_it():
    flat = np.full((64, 64), 100, np.uint8)
    detailed = flat.copy()
    detailed[::2] += 40
    assert (
        abs(
            float(np.abs(np.diff(BASELINES["wavelet"](flat, detailed).astype(int), axis=0)).mean())
            - 40
        )
        < 1
    )
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
