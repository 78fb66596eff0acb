"""Frames of two modalities, warped by a homography that is known."""

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.geometry.homography import estimate, project
from ship_deploy.geometry.matching import _scaled, match
from training.scenes import render

from .conftest import INFRARED, VISIBLE, look

OFF = 1.0  # visible pixels RMS over the infrared view, on drawn streets; 0.3 is usual


def grey(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def error(found, truth):
    x, y = np.meshgrid(np.linspace(0, INFRARED[1] - 1, 9), np.linspace(0, INFRARED[0] - 1, 9))
    view = np.stack([x.ravel(), y.ravel()], axis=1)
    return np.sqrt(np.square(project(found, view) - project(truth, view)).sum(axis=1).mean())


@pytest.mark.parametrize("polarity", ["white-hot", "black-hot"])
def test_finds_the_homography_between_modalities(street, truth, polarity):
    visible, infrared = street
    infrared = infrared if polarity == "white-hot" else 255 - infrared
    found = match([grey(visible)], [infrared])
    assert error(estimate(found.infrared, found.visible, INFRARED).matrix, truth) < OFF


def test_pairs_of_one_rig_are_searched_together(street, truth):
    """A second pair adds points; by itself one of flat sky gives none."""
    flat = np.full(VISIBLE, 100, np.uint8), np.full(INFRARED, 90, np.uint8)
    with pytest.raises(UserError):
        match([flat[0]], [flat[1]])
    visible, infrared = street
    found = match([flat[0], grey(visible)], [flat[1], infrared])
    assert error(estimate(found.infrared, found.visible, INFRARED).matrix, truth) < OFF


@pytest.mark.parametrize("seed", [1, 2])
def test_frames_of_different_scenes_are_refused(street, truth, seed):
    other = look(render(seed, *VISIBLE)[1], truth)
    with pytest.raises(UserError, match=r"the frames do not match: .* or give --points"):
        match([grey(street[0])], [cv2.flip(other, 1)])


def test_noise_is_refused():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, size, np.uint8) for size in (VISIBLE, INFRARED)]
    with pytest.raises(UserError, match="do not match"):
        match([frames[0]], [frames[1]])


def test_the_same_frames_give_the_same_points(street):
    first, second = (match([grey(street[0])], [street[1]]) for _ in range(2))
    assert np.array_equal(first.visible, second.visible)
    assert np.array_equal(first.infrared, second.infrared)


@pytest.mark.parametrize("factor", [0.25, 0.5])
def test_a_scaled_view_keeps_its_corner(factor):
    """A pixel of a ramp says where its centre lay."""
    ramp = np.tile(np.arange(0, 240, dtype=np.uint8), (64, 1))
    small, scaling = _scaled(ramp * 1, factor)
    across = np.arange(small.shape[1])
    step = 1 / factor
    lay = across * step + (step - 1) / 2
    assert np.abs(small[3] - lay).max() <= 0.5  # rounded to grey levels
    there = project(scaling, np.stack([lay, np.full(len(lay), 10.0)], axis=1))
    assert np.allclose(there[:, 0], across)
