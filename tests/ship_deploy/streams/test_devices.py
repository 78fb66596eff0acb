"""Cameras of this computer: their modes, and temperatures that come as YUYV."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.frames import stretch
from ship_deploy.results import Frame
from ship_deploy.streams import Camera, Crop, Mode, Preparation, VideoFile, find_source
from ship_deploy.streams.devices import read_mode
from ship_deploy.streams.videos import as_counts
from tests.ship_deploy.streams.media_server import needs_ffmpeg
from tests.ship_deploy.streams.v4l2 import build, needs_compiler, picture, run

READ = """
import sys
import numpy as np
from ship_deploy.errors import UserError
from ship_deploy.streams import find_source
from ship_deploy.streams.devices import read_mode
device, folder, *modes = sys.argv[1:]
for mode in modes:
    try:
        source = find_source(device, infrared=True, mode=read_mode(mode) if mode else None)
        capture = source.open()
        image, stamp = [capture.read() for _ in range(2)][1]
        capture.close()
        np.save(f"{folder}/{mode}.npy", image)
        print(source.live, stamp is not None)
    except UserError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("Y16", Mode("Y16")),
        ("512x640", Mode(size=(512, 640))),
        ("MJPG,720x1280,30", Mode("MJPG", (720, 1280), 30.0)),
        ("8.5,YUYV16", Mode("YUYV16", rate=8.5)),
        ("BGR3", Mode("BGR3")),
    ],
)
def test_a_mode_is_named_in_any_order(text, mode):
    assert read_mode(text) == mode


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "pixel format is ''"),
        ("MJPEG", "'MJPEG', expected V4L2's code of one, such as Y16, YUYV or MJPG"),
        ("y16", "pixel format is 'y16'"),
        ("Y16,YUYV", "'Y16,YUYV' names two of format"),
        ("30,60", "names two of rate"),
        ("8x640", "the size of a mode is 8x640"),
        ("0", "rate is 0"),
    ],
)
def test_what_is_no_mode_is_said(text, said):
    with pytest.raises(UserError, match=said):
        read_mode(text)


def test_only_what_is_read_here_has_a_mode(tmp_path):
    (tmp_path / "v.mp4").touch()
    with pytest.raises(UserError, match="rtsp://h/x: a mode can be chosen of cameras of this"):
        Camera("rtsp://h/x", mode=Mode("Y16"))
    for place, mode in ((tmp_path, Mode("YUYV16")), (tmp_path / "v.mp4", Mode("Y16"))):
        with pytest.raises(UserError, match="a mode can be chosen of cameras only"):
            find_source(str(place), mode=mode)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """What a camera by a link of udev's gives in these modes: an array, or what was said."""
    folder: Path = tmp_path_factory.mktemp("camera")
    device = folder / "usb-Thermal_0001-video-index0"
    device.symlink_to("/dev/null")  # a character device
    library = build(folder)

    def read(*modes: str) -> list[np.ndarray | str]:
        done = run(library, device, "-c", READ, device, folder, *modes)
        lines = done.stdout.splitlines()
        assert len(lines) == len(modes), done.stderr
        return [
            np.load(folder / f"{mode}.npy") if line == "True True" else line
            for mode, line in zip(modes, lines, strict=True)
        ]

    return read


@needs_compiler
def test_a_camera_gives_the_mode_that_was_asked_for_in_full_depth(read):
    modes = {
        "": (384, 256, 3),  # what OpenCV chooses
        "YUYV,192x256": (192, 256, 3),
        "Y16,256x320": (256, 320),
        "Y16,512x640,60": (512, 640),
        "Y12": (256, 320),
        "YUYV16": (384, 256),
    }
    for image, (mode, shape) in zip(read(*modes), modes.items(), strict=True):
        assert image.shape == shape, mode
        if len(shape) == 2:
            assert image.dtype == np.uint16
            given = image.reshape(-1).view(np.uint8)
            assert np.array_equal(given, picture(int(given[0]), given.size)), mode


@needs_compiler
def test_a_mode_that_a_camera_has_not_is_not_replaced_in_silence(read):
    said = read("MJPG", "Y16,100x100", "Y16,512x640,9")
    for line, expected in zip(
        said,
        (
            "gives YUYV instead of MJPG",
            "gives 256x320 instead of 100x100 (height x width)",
            "gives 30 frames per second instead of 9",
        ),
        strict=True,
    ):
        assert f"video-index0: {expected}; v4l2-ctl --device " in line


# A frame of a USB camera: the image as YUYV, below it temperatures in 1/64 K.
TEMPERATURES = np.random.default_rng(0).integers(280 * 64, 310 * 64, (48, 64), np.uint16)
IMAGE = np.full((48, 64, 2), (90, 128), np.uint8)
BYTES = np.concatenate([IMAGE, TEMPERATURES.view(np.uint8).reshape(48, 64, 2)])


@pytest.mark.parametrize("shape", [(96, 64, 2), (1, 12288), (12288,)])
def test_bytes_become_counts_whatever_shape_opencv_gives_them(shape):
    counts = as_counts(BYTES.reshape(shape), (96, 64))
    assert counts.dtype == np.uint16 and np.array_equal(counts[48:], TEMPERATURES)
    assert np.array_equal(as_counts(TEMPERATURES, (48, 64)), TEMPERATURES)
    assert as_counts(BYTES[:-1], (96, 64)) is None


def video(path: Path, *options: str) -> Path:
    given = ["-f", "rawvideo", "-pixel_format", "yuyv422", "-video_size", "64x96", "-i", "-"]
    command = ["ffmpeg", "-v", "error", *given, *options, path]
    subprocess.run(command, input=BYTES.tobytes() * 3, check=True)
    return path


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mov", ".nut"])
def test_a_raw_video_keeps_its_temperatures(tmp_path, suffix):
    path = video(tmp_path / f"i{suffix}", "-c", "copy")
    capture = find_source(str(path), infrared=True, mode=Mode("YUYV16")).open()
    found = [capture.read() for _ in range(4)]
    capture.close()
    assert found[3] is None
    assert [stamp for _, stamp in found[:3]] == pytest.approx([0, 0.04, 0.08])
    for image, _ in found[:3]:
        prepared = Preparation(crop=Crop("bottom"))(Frame(image, 0.0, 0), (96, 128))
        grey = stretch(TEMPERATURES, (0.5, 99.5))
        assert np.array_equal(prepared, cv2.resize(grey, (128, 96)))


@needs_ffmpeg
def test_a_video_that_was_coded_has_no_temperatures_left(tmp_path):
    path = video(tmp_path / "i.mkv", "-c:v", "ffv1")
    with pytest.raises(UserError, match=r"i\.mkv: not a video of raw YUYV"):
        VideoFile(path, infrared=True, counts=True).open()
