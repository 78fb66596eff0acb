"""Two live cameras in, one fused stream out: all that a rig needs.

A `Pipeline` reads a visible and an infrared `Source` and pairs their frames in time. A
`Preparation` brings the infrared ones to 8 bits and aligns them, a `Fuser` fuses the pairs, and
every `Result` goes to each `Output`.
"""

from ship_deploy.geometry.calibration import Calibration, read_calibration
from ship_deploy.geometry.shape import Crop
from ship_deploy.results import (
    Clock,
    Frame,
    Output,
    Recording,
    Result,
    SourceStatistics,
    Statistics,
)
from ship_deploy.serving import Server
from ship_deploy.streams.compositor import Fuse, Prepare
from ship_deploy.streams.devices import Mode
from ship_deploy.streams.outputs import Callback, ImageOutput
from ship_deploy.streams.pipeline import Pipeline
from ship_deploy.streams.preparation import Preparation
from ship_deploy.streams.push import PushOutput
from ship_deploy.streams.recordings import Keep, VideoOutput
from ship_deploy.streams.sources import (
    Camera,
    Capture,
    Grabbed,
    ImageFolder,
    Source,
    VideoFile,
    find_source,
)
from ship_deploy.streams.steady import Steady
from ship_deploy.thermal import DeadPixels, Thermal, find_dead_pixels, read_dead_pixels

__all__ = [
    "Calibration",
    "Callback",
    "Camera",
    "Capture",
    "Clock",
    "Crop",
    "DeadPixels",
    "Frame",
    "Fuse",
    "Grabbed",
    "ImageFolder",
    "ImageOutput",
    "Keep",
    "Mode",
    "Output",
    "Pipeline",
    "Preparation",
    "Prepare",
    "PushOutput",
    "Recording",
    "Result",
    "Server",
    "Source",
    "SourceStatistics",
    "Statistics",
    "Steady",
    "Thermal",
    "VideoFile",
    "VideoOutput",
    "find_dead_pixels",
    "find_source",
    "read_calibration",
    "read_dead_pixels",
]
