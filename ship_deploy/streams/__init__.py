"""Two live cameras in, one fused stream out."""

from ship_deploy.streams.frame import Frame, Output, Result
from ship_deploy.streams.outputs import Callback, ImageOutput, VideoOutput
from ship_deploy.streams.pipeline import Pipeline
from ship_deploy.streams.preparation import Preparation
from ship_deploy.streams.push import PushOutput
from ship_deploy.streams.sources import Camera, ImageFolder, VideoFile, find_source
from ship_deploy.streams.statistics import SourceStatistics, Statistics

__all__ = [
    "Callback",
    "Camera",
    "Frame",
    "ImageFolder",
    "ImageOutput",
    "Output",
    "Pipeline",
    "Preparation",
    "PushOutput",
    "Result",
    "SourceStatistics",
    "Statistics",
    "VideoFile",
    "VideoOutput",
    "find_source",
]
