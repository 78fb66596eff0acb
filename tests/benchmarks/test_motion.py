"""Motion of clips that move in a known way."""

import cv2
import numpy as np
import pytest

from benchmarks.targets.motion import Motion, flow, found_again, unlike, warped

NOISE = np.random.default_rng(0).uniform(0, 255, (96, 160)).astype(np.float32)
TEXTURE = cv2.normalize(cv2.GaussianBlur(NOISE, (0, 0), 3), None, 40, 200, cv2.NORM_MINMAX)


def moved(*offsets: float) -> Motion:
    """A clip whose texture is at these places, in pixels to the right; its border is cut off."""
    frames = []
    for offset in offsets:
        shift = np.array([[1, 0, offset], [0, 1, 0]], np.float32)
        frame = cv2.warpAffine(TEXTURE, shift, (160, 96), borderMode=cv2.BORDER_REFLECT)
        frames.append(frame[:, 16:-16].astype(np.uint8))
    return Motion(frames)


def test_a_clip_that_only_moves_has_no_warping_error_and_no_change_of_motion():
    steady = moved(-3, 0, 3)
    assert steady.warping_error() < 1.5
    assert np.median(steady.there[1][..., 0]) == pytest.approx(3, abs=0.2)
    assert np.abs(np.median(steady.change(), axis=(0, 1))).max() < 0.1


def test_what_gets_brighter_and_darker_is_an_error_in_levels():
    frames = [TEXTURE.astype(np.uint8) + np.uint8(level) for level in (0, 12, 0)]
    assert Motion(frames).warping_error() == pytest.approx(12, abs=1)


def test_a_jerk_that_no_source_makes_is_told_in_pixels():
    sources = [moved(-2, 0, 2), moved(-2, 0, 2)]
    assert unlike(moved(-2, 0, 2), sources) < 0.3
    assert unlike(moved(2, 0, 2), sources) == pytest.approx(4, abs=0.5)
    assert unlike(moved(2, 0, 2), [moved(2, 0, 2), moved(-2, 0, 2)]) == pytest.approx(2, abs=0.4)


def test_what_is_covered_does_not_count():
    """A bar moves over the texture: what it uncovers is in no other frame."""
    frames = []
    for left in (40, 48, 56):
        frame = TEXTURE.astype(np.uint8).copy()
        frame[:, left : left + 20] = 230
        frames.append(frame)
    clip = Motion(frames)
    shown = [
        np.abs(clip.now - warped(other.astype(np.float32), there)).mean()
        for other, there in zip(clip.others, clip.there, strict=True)
    ]
    assert clip.warping_error() < 0.6 * np.mean(shown)
    seen = found_again(clip.there[1], flow(clip.others[1], clip.now))
    assert seen[:, 69:75].mean() < 0.5  # which the bar then covers
    assert seen[:, 90:].mean() > 0.95
