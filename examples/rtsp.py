"""Record two RTSP cameras, fused: `python examples/rtsp.py rtsp://HOST:8554/visible rtsp://HOST:8554/ir`.

`examples/rtsp_server.py` is such a server. FFmpeg reads the streams, over TCP and with buffers of
its own; on a good network, a robot may prefer

    export OPENCV_FFMPEG_CAPTURE_OPTIONS="rtsp_transport;udp|fflags;nobuffer|flags;low_delay"

A server that is not there yet, goes away or hangs is no error: the stream waits, shows the other
camera alone, and heals. Ctrl-C ends the recording, and the file plays.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from ship_deploy import Fuser
from ship_deploy.streams import Pipeline, VideoOutput, find_source


def record(
    visible: str,
    infrared: str,
    output: Path,
    fuse: Callable | None = None,
    frames: int | None = None,
) -> None:
    """Write what two cameras see into a video, until interrupted or for so many frames."""
    sources = find_source(visible), find_source(infrared, infrared=True)
    video = VideoOutput(output)
    try:
        with Pipeline(*sources, fuse or Fuser(threads=2)) as pipeline:
            for number, result in enumerate(pipeline, 1):
                video.write(result)
                if number == frames:
                    break
    finally:
        video.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    record(sys.argv[1], sys.argv[2], Path("fused.mkv"))
