"""A rig: an infrared camera of 128x160 that sees most of a visible frame of 240x320, askew."""

import cv2
import numpy as np
import pytest

from training.scenes import render

VISIBLE, INFRARED = (240, 320), (128, 160)
CORNERS = np.array([(35, 20), (290, 12), (284, 226), (42, 218)], np.float32)  # of its view


@pytest.fixture(scope="session")
def truth() -> np.ndarray:
    """Infrared to visible pixels."""
    right, bottom = INFRARED[1] - 1, INFRARED[0] - 1
    corners = np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float32)
    return cv2.getPerspectiveTransform(corners, CORNERS)


def look(aligned: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """What the infrared camera sees of a frame that lies on the visible one."""
    return cv2.warpPerspective(aligned, np.linalg.inv(truth), INFRARED[::-1])


@pytest.fixture(scope="session")
def street(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    visible, infrared = render(0, *VISIBLE)
    return visible, look(infrared, truth)
