"""python -m training.scenes N -o FOLDER: pairs of frames as PNG, to train, measure and try on."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.files import write_atomically
from training.scenes import hard_scene, scene


def main() -> None:
    """Write pairs of frames, and what is to be found in them."""
    parser = argparse.ArgumentParser(
        prog="python -m training.scenes", description="Draw pairs of frames with known targets."
    )
    parser.add_argument("count", type=int, help="how many pairs")
    parser.add_argument(
        "-o",
        dest="out",
        type=Path,
        required=True,
        help="gets visible/, infrared/ and masks/ with 00000.png, ..., and targets.json",
    )
    parser.add_argument("--hard", action="store_true", help="all kinds in turn, not only streets")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    options = parser.parse_args()
    draw = hard_scene if options.hard else scene
    targets: dict[str, list[str]] = {}
    for seed in range(options.first, options.first + options.count):
        drawn, name = draw(seed, options.height, options.width), f"{seed:05}"
        mask = np.zeros(drawn.infrared.shape, np.uint8)
        for label, target in enumerate(drawn.targets, 1):
            mask[target.mask] = label
        targets[name] = [target.kind for target in drawn.targets]
        for folder, frame in (
            ("visible", drawn.visible),
            ("infrared", drawn.infrared),
            ("masks", mask),  # 0, or n + 1 where the n-th of the targets is
        ):
            write_png(options.out / folder / f"{name}.png", frame)
    write_atomically(options.out / "targets.json", json.dumps(targets, indent=1).encode())


def write_png(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a frame; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, cv2.imencode(".png", frame)[1].tobytes())


if __name__ == "__main__":
    main()
