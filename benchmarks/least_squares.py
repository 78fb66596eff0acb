"""Edge-preserving smoothing by weighted least squares."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SIGMA = 0.03  # of 0..1: steps that are much larger are edges
PASSES = 3


def smooth(image: Floats, strength: float) -> Floats:
    """The image u that minimises sum (u - f)^2 + strength sum w (step of u)^2.

    w = exp(-|step of f| / 0.03), so edges stay. The problem is Farbman et al.'s, ACM Trans. Graph.
    27 (2008); it is solved a dimension at a time, rows and columns in turns with weaker and weaker
    smoothing, as in Min et al., IEEE Trans. Image Process. 23 (2014).

    Args:
        image: f, (H, W), 0 to 1.
        strength: 0 keeps the image.
    """
    along_x = np.exp(-np.abs(np.diff(image, axis=1)) / SIGMA)
    along_y = np.exp(-np.abs(np.diff(image, axis=0)) / SIGMA)
    result = image
    for number in range(PASSES):
        share = 1.5 * 4 ** (PASSES - 1 - number) / (4**PASSES - 1)
        result = _solve(result.T, along_x.T, strength * share).T
        result = _solve(result, along_y, strength * share)
    return np.ascontiguousarray(result)


def _solve(values: Floats, weights: Floats, strength: float) -> Floats:
    """Each column of (N, M) smoothed along itself: a tridiagonal system, by Thomas's algorithm.

    Args:
        values: f, (N, M).
        weights: of the steps, (N - 1, M).
        strength: of the smoothing.
    """
    count = len(values)
    pull = np.zeros((count + 1, values.shape[1]), np.float32)  # to the pixel before; none outside
    pull[1:count] = strength * weights
    upper, right = np.empty_like(values), np.empty_like(values)
    before, known = np.zeros((2, values.shape[1]), np.float32)
    for n in range(count):
        pivot = 1 + pull[n] + pull[n + 1] - pull[n] * before
        before = upper[n] = pull[n + 1] / pivot
        known = right[n] = (values[n] + pull[n] * known) / pivot
    result = right
    for n in range(count - 2, -1, -1):
        result[n] += upper[n] * result[n + 1]
    return result
