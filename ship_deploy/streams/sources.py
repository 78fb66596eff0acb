"""Where frames come from: cameras, streams, video files, folders of images."""

import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.frames import SMALLEST
from ship_deploy.images import list_images, read_infrared, read_visible
from ship_deploy.names import SUFFIXES
from ship_deploy.results import Clock
from ship_deploy.streams.addresses import read_address, show_address
from ship_deploy.streams.devices import COUNTS, Mode, check_device, open_device
from ship_deploy.streams.snapshots import Snapshots, is_snapshot
from ship_deploy.streams.videos import Video, read_packets

OPEN_DEADLINE, READ_DEADLINE = 10.0, 1.5  # seconds; opening a network stream takes some
LIMITS = [
    *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(OPEN_DEADLINE * 1000)),
    *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(READ_DEADLINE * 1000)),
]
SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "rtp", "udp", "tcp")
FASTEST = 400.0  # frames per second of a video that are believed
VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")  # at an address, what ends by itself
NO_MODE = f"a mode can be chosen of cameras only; of a raw video, {COUNTS}"
RATE = 25.0  # frames per second where nothing says it


# An image and its stamp, in seconds on the source's own clock, if it has one.
Grabbed: TypeAlias = tuple[NDArray[Any] | None, float | None]


class Capture(Protocol):
    """An open source."""

    def read(self) -> Grabbed | None:
        """The next frame; None when there are no more. May block, may raise."""

    def close(self) -> None:
        """Let go of it."""


class Source(Protocol):
    """Something that can be opened, again and again if it is live.

    What the stamps of live frames mean depends on the source's clock.

    "own": a clock of the camera's. Its stamps only tell how far its frames lie apart. A frame is
    placed at its arrival on `time.monotonic`'s clock, and the stamps remove the jitter of the
    transport, but not its delay. Two cameras with delays of 20 and 150 ms are therefore paired 130
    ms apart, unless `Pipeline(offset=0.13)` is given. Stamps that stand still, go back or do not
    keep pace with real time are not used, with a warning, and counted as below.

    "shared": a clock that the other source's stamps follow too, such as PTP, NTP, ROS header
    stamps, messages of an MCAP file played in real time, or GStreamer with a network clock. Its
    stamps are believed as they are: frames are paired by stamp, however late they arrive, up to a
    second apart. The epoch does not matter. The clock should run at about the speed of real time.
    For latencies, and to detect cameras that stall, `SharedClock` estimates how far it is from
    `time.monotonic`, once for both sources. A stamp is not believed if it is missing or NaN, if it
    lies more than a second before or after the stamps of the other source, or if it stands still or
    goes back. Such a frame is placed by its arrival, with a warning in the log, and counted in
    `SourceStatistics.by_arrival`. An error of less than a second looks like a delay and is not
    noticed.

    If only one of the two sources declares "shared", both are placed by arrival, as with "own": the
    delay of the other one is unknown. For files the clock makes no difference: nothing is late, and
    frames are paired by the stamps that the files hold.

    Attributes:
        name: for messages.
        live: a camera, which does not wait and should be opened again when it fails.
        clock: "own" or "shared", as explained above.
    """

    name: str
    live: bool
    clock: Clock

    def open(self) -> Capture:
        """Open it. May block, may raise: a UserError if it is of no use to try again."""


class Camera:
    """A camera by its index or device, a network stream by its address, or a GStreamer pipeline.

    Network streams are read by FFmpeg, RTSP over TCP. The environment variable
    `OPENCV_FFMPEG_CAPTURE_OPTIONS` changes that, such as "rtsp_transport;udp|fflags;nobuffer".
    An HTTP address that ends like an image, such as http://HOST/snapshot.jpg, is asked for one
    picture after the other. Grey 16-bit pictures are not converted. A stream that this computer
    cannot decode in time lags, and no clock here can tell: then send fewer or smaller frames.

    Args:
        address: 0, 1, ..., a device such as /dev/v4l/by-id/..., or rtsp://..., http://..., and
            whatever else FFmpeg knows. Or "... ! appsink", where OpenCV was built with GStreamer.
        infrared: whether it is the infrared one, of which no depth may be lost.
        mode: pixel format, size and rate of a camera of this computer.

    Raises:
        UserError: a mode for a network stream or a pipeline.
    """

    live = True
    clock: Clock = "own"

    def __init__(
        self, address: int | str, *, infrared: bool = False, mode: Mode | None = None
    ) -> None:
        self.address, self.mode = address, mode or Mode()
        self._pipeline = is_pipeline(str(address))
        self._local = not (self._pipeline or "://" in str(address))
        if isinstance(address, int):
            self.name = f"camera {address}"
        elif self._pipeline:  # of which any part may hold a password
            self.name = f"GStreamer {address.split()[0]} ! ..."
        else:
            self.name = address if self._local else show_address(address)
        self._keep = self.name if infrared else ""
        if mode and not self._local:
            raise UserError(f"{self.name}: a mode can be chosen of cameras of this computer only")

    def open(self) -> Capture:
        """Open it; `OSError` if that cannot be done now, UserError if it never can."""
        if self._local:
            return Video(open_device(self.address, self.mode), self._keep, self.mode.counts)
        if self._pipeline:
            return Video(cv2.VideoCapture(self.address, cv2.CAP_GSTREAMER), self._keep)
        if is_snapshot(str(self.address)):
            return Snapshots(str(self.address), READ_DEADLINE)
        return Video(cv2.VideoCapture(self.address, cv2.CAP_FFMPEG, LIMITS), self._keep)


class VideoFile:
    """A video: each frame once, timed as the file says.

    Args:
        path: file, pipe, "-" for standard input, or an address of http or https. What comes through
            a pipe has to name its format, as MJPEG, Y4M, Matroska and NUT do.
        infrared: whether it is the infrared one, of which no depth may be lost.
        counts: the two bytes of each pixel of raw YUYV are one number, see `Mode`.
    """

    live = False
    clock: Clock = "own"

    def __init__(self, path: Path | str, *, infrared: bool = False, counts: bool = False) -> None:
        self.path, self._counts = path, counts
        self._remote = "://" in str(path)
        self.name = show_address(str(path)) if self._remote else str(path)
        self._keep = self.name if infrared else ""

    @property
    def rate(self) -> float:
        """Frames per second that the file names, or 25; of a pipe, nobody can look beforehand.

        Of Matroska files without a rate, as browsers record them, FFmpeg says 1000: its unit.
        """
        if self.name == "-" or Path(self.name).is_fifo():
            return RATE
        rate = float(self._capture().get(cv2.CAP_PROP_FPS))
        return rate if 0 < rate <= FASTEST else RATE

    def open(self) -> Capture:
        """Open it; `OSError` if it is not a video, UserError if its depth would be lost."""
        capture = self._capture()
        if self._counts and capture.isOpened():
            read_packets(capture, self.name)
        return Video(capture, self._keep, self._counts)

    def _capture(self) -> cv2.VideoCapture:
        target = "pipe:0" if self.name == "-" else str(self.path)
        return cv2.VideoCapture(target, cv2.CAP_FFMPEG, LIMITS if self._remote else [])


class ImageFolder:
    """A folder of images in order of their names, or one image; 25 a second.

    Args:
        path: file or folder.
        infrared: read as grey, in 16 bits if the files have them.
        images: the files, each with its place in the sequence; None for all, one after the other.
    """

    live = False
    clock: Clock = "own"

    def __init__(
        self, path: Path, *, infrared: bool, images: Sequence[tuple[int, Path]] | None = None
    ) -> None:
        self.path, self.name, self._infrared, self._images = path, str(path), infrared, images

    def open(self) -> Capture:
        """List it; UserError if there are no images."""
        if self._images is not None:
            return _Images(iter(self._images), self._infrared)
        images = list_images(self.path) if self.path.is_dir() else [self.path]
        return _Images(enumerate(images), self._infrared)

    def only(self, images: Sequence[tuple[int, Path]]) -> "ImageFolder":
        """The same, of these files, each with its place in the sequence."""
        return ImageFolder(self.path, infrared=self._infrared, images=images)


def is_pipeline(text: str) -> bool:
    """Whether a text is a pipeline of GStreamer's."""
    return " ! " in text


def find_source(text: str, *, infrared: bool = False, mode: Mode | None = None) -> Source:
    """The source that a user means.

    Args:
        text: a camera's index or device, an address such as rtsp://HOST:PORT/PATH or a GStreamer
            pipeline, what `read_address` reads one from, a video file, or a folder of images. A
            video at an address, http://HOST/a.mp4, and "-", standard input, are read as files.
        infrared: whether it is the infrared one, whose images may have 16 bits.
        mode: of a camera of this computer; of a video, only that it is YUYV16.

    Raises:
        UserError: there is no such thing, or not with a mode.
    """
    text = read_address(text)
    if text == "-":
        return _video(text, infrared, mode)
    if device := re.fullmatch(r"(?:/dev/video)?(\d+)", text):
        check_device(int(device[1]))
        return Camera(int(device[1]), infrared=infrared, mode=mode)
    scheme, colon, rest = text.partition("://")
    if colon and re.fullmatch(r"[A-Za-z][\w+.-]*", scheme, re.ASCII):
        if scheme.lower() in ("http", "https") and urlsplit(text).path.lower().endswith(VIDEOS):
            return _video(text, infrared, mode)
        if scheme.lower() in SCHEMES:
            return Camera(text, infrared=infrared, mode=mode)
        if scheme.lower() != "file":
            known = ", ".join(f"{each}://" for each in SCHEMES)
            raise UserError(f"{scheme}://...: not the address of a camera ({known})")
        text = url2pathname(rest.removeprefix("localhost"))
    path = Path(text)
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        if is_pipeline(text):
            return _pipeline(text, infrared, mode)
        raise UserError(
            f"{text}: no such file or folder; a camera is an index such as 0, or an address"
        ) from None
    if stat.S_ISCHR(kind):
        return Camera(text, infrared=infrared, mode=mode)
    if stat.S_ISDIR(kind) or path.suffix.lower() in SUFFIXES:
        if mode:
            raise UserError(f"{text}: {NO_MODE}")
        return ImageFolder(path, infrared=infrared)
    return _video(path, infrared, mode)


def _video(path: Path | str, infrared: bool, mode: Mode | None) -> VideoFile:
    video = VideoFile(path, infrared=infrared, counts=mode is not None)
    if mode and mode != Mode(COUNTS):
        raise UserError(f"{video.name}: {NO_MODE}")
    return video


def _pipeline(text: str, infrared: bool, mode: Mode | None) -> Camera:
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise UserError(
            "a GStreamer pipeline, but OpenCV was built without GStreamer, as it is on PyPI; use "
            "another build, or write a source of your own that reads the pipeline's appsink"
        )
    return Camera(text, infrared=infrared, mode=mode)


class _Images:
    def __init__(self, paths: Iterator[tuple[int, Path]], infrared: bool) -> None:
        self._paths, self._read = paths, read_infrared if infrared else read_visible

    def read(self) -> Grabbed | None:
        for number, path in self._paths:
            return self._read(path), number / RATE
        return None

    def close(self) -> None:
        pass


def readable(image: Any) -> NDArray[Any] | None:
    """An image as `Frame` wants it, or None if it is not one."""
    if not isinstance(image, np.ndarray) or image.dtype not in (np.uint8, np.uint16):
        return None
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[2] == 4:
        image = image[..., :3]
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        return None
    return image if min(image.shape[:2]) >= SMALLEST else None
