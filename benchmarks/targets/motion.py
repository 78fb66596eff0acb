"""How well a fused clip moves as its sources do, by optical flow.

They follow the description of two measures of VF-Bench (Zhao et al., NeurIPS 2025): BiSWE, the
bi-directional self-warping error, and MS2R, motion smoothness with two reference videos. The flow
is OpenCV's DIS (Kroeger et al., ECCV 2016) in place of a network's, and occlusions are found by
going there and back, so figures compare with one another and not with published ones.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.frames import Frames

Floats = NDArray[np.float32]


class Motion:
    """Of the middle one of three frames in a row, to the one before and to the one after.

    Args:
        frames: uint8 (H, W).
    """

    def __init__(self, frames: Sequence[Frames]) -> None:
        before, self.now, after = frames
        self.others = before, after
        self.there = [flow(self.now, other) for other in self.others]  # (H, W, 2), pixels

    def warping_error(self) -> float:
        """BiSWE: mean difference from either other frame, warped onto this one, in levels.

        Only pixels count that are found again: the flow there and the one back from there cancel.
        """
        errors = []
        for other, there in zip(self.others, self.there, strict=True):
            apart = np.abs(self.now - warped(other.astype(np.float32), there))
            errors.append(apart[found_again(there, flow(other, self.now))])
        every = np.concatenate(errors)
        return float(every.mean(dtype=np.float64)) if every.size else float("nan")

    def change(self) -> Floats:
        """Of the motion, from the one that led here to the one that goes on; (H, W, 2), pixels."""
        return self.there[0] + self.there[1]


def unlike(fused: Motion, sources: Sequence[Motion]) -> float:
    """MS2R: mean distance between the fused clip's change of motion and each source's, pixels."""
    own = fused.change()
    distances = [np.linalg.norm(own - source.change(), axis=2) for source in sources]
    return float(np.mean(distances, dtype=np.float64))


def flow(frame: Frames, other: Frames) -> Floats:
    """Where each pixel of a frame is in another one, less its own place; (H, W, 2), pixels."""
    dense = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((*frame.shape, 2), np.float32)
    return np.asarray(dense.calc(frame, other, start), np.float32)


def warped(frame: Floats, there: Floats) -> Floats:
    """What a frame shows at the places to which a flow leads; bilinear."""
    rows, columns = np.indices(there.shape[:2], np.float32)
    across, along = columns + there[..., 0], rows + there[..., 1]
    found = cv2.remap(frame, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def found_again(there: Floats, back: Floats) -> NDArray[np.bool_]:
    """Pixels from which a flow and the one back end where they began (Sundaram et al., 2010)."""
    returned = warped(back, there)
    apart = np.square(there + returned).sum(2)
    length = np.square(there).sum(2) + np.square(returned).sum(2)
    return np.asarray(apart < 0.01 * length + 0.5)
