"""python -m training.scenes OUT: pairs of frames as PNG, to try the commands on."""

import argparse
from pathlib import Path

import cv2

from ship_deploy.files import write_atomically
from training.scenes import render


def main() -> None:
    """Write pairs of frames."""
    parser = argparse.ArgumentParser(
        prog="python -m training.scenes", description="Draw streets at night."
    )
    parser.add_argument(
        "out", type=Path, help="gets visible/street_0.png, infrared/street_0.png, ..."
    )
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    options = parser.parse_args()
    for seed in range(options.count):
        frames = render(seed, options.height, options.width)
        for name, frame in zip(("visible", "infrared"), frames, strict=True):
            folder = options.out / name
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(
                folder / f"street_{seed}.png", cv2.imencode(".png", frame)[1].tobytes()
            )


if __name__ == "__main__":
    main()
