"""A rig: `python examples/thermal_rig.py 0 /dev/video2 rig.json fused.mkv`, until Ctrl-C.

A visible camera and a thermal one of 16 bits (Y16), aligned by what `ship-deploy calibrate` wrote.
Network addresses, videos and folders of images do as well.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from ship_deploy import Fuser
from ship_deploy.streams import (
    Pipeline,
    Preparation,
    Thermal,
    VideoOutput,
    find_source,
    read_calibration,
)


def main(
    visible: str, infrared: str, calibration: str, output: str, fuse: Callable | None = None
) -> None:
    """Fuse both cameras into a video."""
    levels = Thermal(percentiles=(1, 99), smoothing=2.0, clahe=2.0)
    prepare = Preparation(levels, read_calibration(Path(calibration)))
    sources = find_source(visible), find_source(infrared, infrared=True)
    with Pipeline(*sources, fuse or Fuser(threads=2), prepare=prepare) as pipeline:
        pipeline.run(VideoOutput(Path(output)))


if __name__ == "__main__":
    main(*sys.argv[1:])
