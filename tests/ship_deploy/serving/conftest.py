"""A server whose results the test writes, and what it says of the pipeline."""

import time
from dataclasses import replace

import numpy as np
import pytest

from ship_deploy.serving import Server
from ship_deploy.streams import Frame, Result, SourceStatistics, Statistics

VISIBLE, INFRARED, FUSED = (0, 0, 200), 90, (200, 60, 0)  # BGR: red, grey, blue
ENGINE = {"model": "ship.onnx", "backend": "onnxruntime", "device": "cpu"}
SIDE = SourceStatistics(
    "rtsp://camera/v", "live", 12345, 12000, {"overrun": 345}, 4, 2, 25.0, "own", 0
)
STATISTICS = Statistics(
    visible=SIDE,
    infrared=replace(SIDE, name='a "quoted"\\name', state="down", dropped={"late": 7}, rate=0.0),
    live=True,
    fused=12000,
    alone=3,
    rate=24.9,
    latency_p50=0.0421,
    latency_p99=0.0876,
    offset=-0.006,
    drift=None,
    uptime=3725.0,
)


def result(fused=FUSED, reason="", size=(48, 64), **changes):
    now = time.monotonic()
    visible = Frame(np.full((*size, 3), VISIBLE, np.uint8), now, 0)
    infrared = Frame(np.full(size, INFRARED, np.uint8), now, 0)
    image = np.full((*size, 3), fused, np.uint8)
    made = Result(image, visible, infrared, not reason, reason, now, now)
    return replace(made, **changes)


@pytest.fixture
def server():
    running = Server("0", lambda: STATISTICS, ENGINE)
    yield running
    running.close()
