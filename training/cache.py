"""Decoded frames in files that are mapped into memory, for data sets that it cannot hold.

All processes of a host share what is in memory of them, the next run decodes nothing again, and the
system drops and rereads pages as it needs. The folder may be deleted whenever no run uses it.
"""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ship_deploy.files import write_atomically
from ship_deploy.frames import Frames

VERSION = 3  # raise it when frames are decoded otherwise, or saliency is computed otherwise


def entry(folder: Path, sources: Iterable[Path]) -> Path | None:
    """The file for what was decoded from these files; None if one of them cannot be looked at.

    Its name changes with their places, sizes and times of change, so a changed source is a new one.
    """
    try:
        identity = [
            (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in sources
        ]
    except OSError:
        return None
    return folder / (hashlib.sha256(repr((VERSION, identity)).encode()).hexdigest() + ".npy")


def load(path: Path) -> Frames | None:
    """The frames, uint8 (4, H, W), mapped; None if there are none or they are damaged."""
    try:
        # "c": a write, of which there is none, would stay in this process; torch wants it possible.
        frames: Frames = np.load(path, mmap_mode="c", allow_pickle=False)
    except Exception:  # NumPy raises a different type for every kind of damage
        return None
    sound = isinstance(frames, np.ndarray) and frames.dtype == np.uint8 and frames.ndim == 3
    return frames if sound and len(frames) == 4 and frames.size else None


def save(path: Path, frames: Frames) -> None:
    """Write the frames; processes that write the same at once do each other no harm.

    Raises:
        UserError: the folder cannot be written to, or is full.
    """
    content = io.BytesIO()
    np.save(content, frames, allow_pickle=False)
    write_atomically(path, content.getvalue())
