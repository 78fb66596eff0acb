"""What a user's words mean, and what is read from there."""

import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.images import write_png
from ship_deploy.streams import Camera, ImageFolder, VideoFile, devices, find_source
from ship_deploy.streams.sources import readable
from ship_deploy.streams.videos import Video
from tests.ship_deploy.streams.media_server import needs_ffmpeg


def read_all(source):
    capture, found = source.open(), []
    while grabbed := capture.read():
        found.append(grabbed)
    capture.close()
    return found


def test_words_become_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "DEVICES", f"{tmp_path}/video")
    (tmp_path / "video0").touch()
    (tmp_path / "video3").touch()
    (tmp_path / "o.mp4").touch()
    write_png(tmp_path / "1.png", np.zeros((16, 16), np.uint8))

    assert find_source("0").address == 0 and find_source("/dev/video3").address == 3
    address = find_source("rtsp://user:secret@host:8554/ir")
    assert address.address == "rtsp://user:secret@host:8554/ir"
    assert address.name == "rtsp://host:8554/ir"  # fit for a log
    monkeypatch.setenv("CAMERA", "rtsp://user:secret@host:8554/ir")
    assert find_source("ENV:CAMERA").address == address.address
    assert find_source((tmp_path / "o.mp4").as_uri()).path == tmp_path / "o.mp4"
    assert isinstance(find_source(str(tmp_path / "o.mp4")), VideoFile)
    assert isinstance(find_source(str(tmp_path)), ImageFolder)
    assert isinstance(find_source(str(tmp_path / "1.png")), ImageFolder)
    with pytest.raises(UserError, match="no such file"):
        find_source(str(tmp_path / "nothing.mp4"))


def test_a_device_is_a_camera_by_any_name(tmp_path):
    link = tmp_path / "usb-Thermal_0001-video-index0"
    link.symlink_to("/dev/null")  # a character device, as a camera is one
    source = find_source(str(link), infrared=True)
    assert isinstance(source, Camera) and source.live and source.address == str(link)
    with pytest.raises(OSError, match="cannot be opened"):
        source.open()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7", "camera 7: no such device; there are .*video0, .*video3"),
        ("rtps://user:secret@host/x", r"rtps://\.\.\.: not the address of a camera"),
        ("v4l2src ! videoconvert ! appsink", "GStreamer"),
        ("rtspsrc location=rtsp://h/1 ! decodebin ! appsink", "GStreamer"),
        ("a" * 5000, "no such file"),
    ],
)
def test_what_can_never_be_a_camera_is_said_at_once(text, said, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "DEVICES", f"{tmp_path}/video")
    (tmp_path / "video0").touch()
    (tmp_path / "video3").touch()
    with pytest.raises(UserError, match=said) as error:
        find_source(text)
    assert "secret" not in str(error.value)


MAKE = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "gradients=size=64x48:rate=10:d=1"]
READ = """
import sys
from ship_deploy.streams import find_source
source = find_source(sys.argv[1])
capture, stamps = source.open(), []
while grabbed := capture.read():
    stamps.append(grabbed[1])
timed = None not in stamps and round(stamps[-1], 3)
print(source.name, source.live, source.rate, len(stamps), timed)
"""


@needs_ffmpeg
@pytest.mark.parametrize(
    ("format", "last"),
    [
        (["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe"], (0.9,)),
        (["-f", "matroska"], (0.9,)),
        (["-c:v", "rawvideo", "-pix_fmt", "gray16le", "-f", "nut"], (0.9,)),
        (["-f", "mjpeg"], (0.36, False)),  # without times; newer OpenCVs count 25 a second
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_pipe_is_read_to_its_end(tmp_path, format, last, named):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", READ, str(pipe) if named else "-"]
    given = Path(os.devnull) if named else pipe
    maker = subprocess.Popen([*MAKE, *format, pipe], stdin=subprocess.DEVNULL)
    with maker, given.open() as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=60)
    *said, timed = done.stdout.split()
    assert said == [command[-1], "False", "25.0", "10"], done.stderr
    assert timed in map(str, last)


@needs_ffmpeg
def test_a_video_at_an_address_ends_as_a_file_does(tmp_path):
    subprocess.run([*MAKE, "-c:v", "mpeg4", tmp_path / "v.mkv"], check=True)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}/v.mkv"
        source = find_source(f"http://me:secret@{place}?token=1")
        assert not source.live and source.name == f"http://{place}" and source.rate == 10
        assert [stamp for _, stamp in read_all(source)] == pytest.approx(np.arange(10) / 10)
        server.shutdown()


def test_a_pipeline_is_a_camera_where_opencv_has_gstreamer(monkeypatch):
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: True)
    opened = []
    capture = SimpleNamespace(isOpened=lambda: True, get=lambda property: -1.0)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *given: opened.append(given) or capture)
    text = "rtspsrc location=rtsp://h/1 user-pw=secret ! decodebin ! appsink"
    source = find_source(text, infrared=True)
    source.open()
    assert opened == [(text, cv2.CAP_GSTREAMER)]
    assert source.live and source.name == "GStreamer rtspsrc ! ..."


@needs_ffmpeg
@pytest.mark.parametrize(
    ("format", "codec", "bits"),
    [
        ("gray10le", "ffv1", 10),
        ("gray12le", "ffv1", 12),
        ("gray16be", "png", 16),
        ("yuv420p10le", "ffv1", 10),
        ("gray", "ffv1", 0),
        ("yuv420p", "mpeg4", 0),
        ("gray16le", "ffv1", 0),
    ],
)
def test_infrared_video_of_a_depth_that_would_be_lost_is_refused(tmp_path, format, codec, bits):
    path = tmp_path / "i.mkv"
    making = ["-f", "lavfi", "-i", "gradients=size=64x48:rate=5:duration=1", "-pix_fmt", format]
    command = ["ffmpeg", "-v", "error", *making, "-strict", "experimental", "-c:v", codec, path]
    subprocess.run(command, check=True)
    assert read_all(VideoFile(path))  # of a visible camera, 8 bits are enough
    if bits:
        with pytest.raises(UserError, match=rf"i\.mkv: a video of {bits} bits a sample"):
            VideoFile(path, infrared=True).open()
    else:
        assert read_all(VideoFile(path, infrared=True))


def test_a_folder_gives_its_images_in_order_and_depth(tmp_path):
    for name, value in (("b", 2), ("a", 1), ("c", 3)):
        write_png(tmp_path / f"{name}.png", np.full((16, 16), value * 1000, np.uint16))
    (tmp_path / "notes.txt").touch()

    found = read_all(ImageFolder(tmp_path, infrared=True))

    assert [(image.dtype, image[0, 0]) for image, _ in found] == [
        (np.uint16, 1000),
        (np.uint16, 2000),
        (np.uint16, 3000),
    ]
    assert [stamp for _, stamp in found] == [0.0, 0.04, 0.08]


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="no images"):
        ImageFolder(tmp_path, infrared=False).open()


def test_a_video_has_its_own_times(tmp_path):
    path = tmp_path / "v.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for value in range(5):
        writer.write(np.full((48, 64, 3), 50 * value, np.uint8))
    writer.release()

    source = VideoFile(path)
    found = read_all(source)

    assert source.rate == 10
    assert [stamp for _, stamp in found] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert found[0][0].shape == (48, 64, 3)


@pytest.mark.parametrize("says", [0.0, -1.0])
def test_a_camera_without_a_clock_gives_no_stamps(says):
    capture = SimpleNamespace(
        isOpened=lambda: True, read=lambda: (True, "image"), get=lambda property: says
    )
    video = Video(capture)

    assert [video.read()[1] for _ in range(3)] == [says / 1000, None, None]


def test_an_age_before_zero_is_no_stamp():
    capture = SimpleNamespace(
        isOpened=lambda: True,
        read=lambda: (True, "image"),
        get=lambda property: -7.7e15 if property == cv2.CAP_PROP_POS_MSEC else 0.0,
    )
    video = Video(capture)
    assert [video.read()[1] for _ in range(2)] == [None, None]


def test_a_video_of_sixteen_bits_keeps_them(tmp_path):
    path = tmp_path / "i.mkv"
    parameters = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 9, (64, 48), parameters)
    image = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20
    writer.write(image)
    writer.release()

    ((found, _),) = read_all(VideoFile(path))

    assert found.dtype == np.uint16 and np.array_equal(found, image)


def test_what_cannot_be_opened_is_an_error(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"nothing")
    for source in (VideoFile(tmp_path / "v.mp4"), Camera("http://127.0.0.1:9/x"), Camera(99)):
        with pytest.raises(OSError, match="cannot be opened"):
            source.open()


def test_a_video_of_very_large_frames_is_refused_before_one_is_decoded():
    sizes = {cv2.CAP_PROP_FRAME_WIDTH: 20_000.0, cv2.CAP_PROP_FRAME_HEIGHT: 20_000.0}
    capture = SimpleNamespace(isOpened=lambda: True, get=sizes.get, release=lambda: None)
    with pytest.raises(UserError, match=r"a video of 20000x20000, .*--max-pixels"):
        Video(capture)


def test_only_images_are_readable():
    for shape in ((16, 16), (16, 16, 3)):
        for dtype in (np.uint8, np.uint16):
            image = np.zeros(shape, dtype)
            assert readable(image) is image
    assert readable(np.zeros((16, 16, 1), np.uint8)).shape == (16, 16)
    assert readable(np.zeros((16, 16, 4), np.uint8)).shape == (16, 16, 3)
    for bad in (None, np.zeros((15, 16), np.uint8), np.zeros((16, 16)), np.zeros(16, np.uint8)):
        assert readable(bad) is None
    assert readable(np.zeros((16, 16, 2), np.uint8)) is None


@pytest.mark.parametrize(
    ("said", "rate"), [(29.97, 29.97), (1000.0, 25.0), (0.0, 25.0), (90000.0, 25.0), (240.0, 240.0)]
)
def test_the_unit_of_time_is_no_rate(monkeypatch, said, rate):
    capture = SimpleNamespace(get=lambda property: said)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    assert VideoFile("v.mkv").rate == rate


def test_numbers_in_names_count_by_their_size(tmp_path):
    for number in (1, 2, 10, 11, 100):
        write_png(tmp_path / f"f{number}.png", np.full((16, 16), number, np.uint8))
    found = read_all(ImageFolder(tmp_path, infrared=True))
    assert [image[0, 0] for image, _ in found] == [1, 2, 10, 11, 100]
