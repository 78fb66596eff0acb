"""Two clips as live cameras, through a real RTSP server."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from examples.rtsp import record
from ship_deploy.streams import Pipeline, Result, VideoOutput, find_source

SERVER = Path(__file__).parents[3] / "examples" / "rtsp_server.py"
PLAY = "qtdemux ! mpeg4videoparse config-interval=1 ! rtpmp4vpay name=pay0 pt=96"
CLIPS = ["0117_1605", "1230_1202"]


@pytest.fixture(scope="module")
def clips(shared) -> Path:
    folder = shared / "data" / "m3svd" / "video"
    if not folder.is_dir():
        pytest.skip("needs data/m3svd/video in SHIP_DEPLOY_DATA: two clips of both cameras")
    return folder


class Server:
    """Plays a clip to whoever connects, until it is cut."""

    def __init__(self, python: str, clip: Path) -> None:
        self._python, self._clip, self._port = python, clip, "0"
        self.start()

    def start(self) -> None:
        launch = f"filesrc location={self._clip} ! {PLAY}"
        command = [self._python, SERVER, f"127.0.0.1:{self._port}", f"clip={launch}"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._port = self._process.stdout.readline().strip()
        assert self._port, "the server did not start"
        self.address = f"rtsp://127.0.0.1:{self._port}/clip"

    def cut(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def servers(gstreamer, clips, request) -> Iterator[tuple[Server, Server]]:
    videos = [clips / side / f"{request.param}.mp4" for side in ("visible", "infrared")]
    pair = [Server(gstreamer, video) for video in videos]
    yield tuple(pair)
    for server in pair:
        server.cut()


def average(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    return visible // 2 + infrared[..., None] // 2


def until(results: Iterator[Result], reason: str) -> Result:
    return next(result for result in results if result.reason == reason)


@pytest.mark.parametrize("servers", CLIPS, indirect=True)
def test_two_streams_are_fused_and_each_may_be_cut_and_return(servers, tmp_path):
    visible, infrared = servers
    sources = find_source(visible.address), find_source(infrared.address, infrared=True)
    output = VideoOutput(tmp_path / "fused.mp4")
    with Pipeline(*sources, average, back_off=(0.05, 0.2)) as pipeline:
        results = iter(pipeline)
        for _ in range(30):
            output.write(until(results, ""))
        for side, server in (("infrared", infrared), ("visible", visible)):
            server.cut()
            alone = until(results, f"{side} down")
            assert getattr(alone, side) is None and alone.image.shape == (480, 640, 3)
            server.start()
            until(results, "")
        output.close()

    statistics = pipeline.statistics()
    for source in (statistics.visible, statistics.infrared):
        assert source.reconnections >= 1
        assert source.received == source.fused + sum(source.dropped.values())
    assert cv2.VideoCapture(str(tmp_path / "fused.mp4")).read()[0]


@pytest.mark.parametrize("servers", CLIPS[:1], indirect=True)
def test_the_network_fuses_what_the_cameras_sent(servers, clips, fuser):
    visible, infrared = servers
    sources = find_source(visible.address), find_source(infrared.address, infrared=True)
    with Pipeline(*sources, fuser) as pipeline:
        result = until(iter(pipeline), "")

    video = cv2.VideoCapture(str(clips / "visible" / f"{CLIPS[0]}.mp4"))
    sent = (video.read()[1] for _ in range(200))
    assert any(np.array_equal(frame, result.visible.image) for frame in sent)  # bit for bit
    assert np.array_equal(result.image, fuser(result.visible.image, result.infrared.image))


@pytest.mark.parametrize("servers", CLIPS[:1], indirect=True)
def test_the_example_records_a_video(servers, tmp_path):
    addresses = (server.address for server in servers)

    record(*addresses, tmp_path / "fused.mkv", fuse=average, frames=20)

    assert cv2.VideoCapture(str(tmp_path / "fused.mkv")).read()[1].shape == (480, 640, 3)
