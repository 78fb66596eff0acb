"""What videos are encoded with: what FFmpeg on this machine can do, and how it is told."""

import logging
import subprocess
from functools import cache
from typing import NamedTuple

# Fragments, or clusters, of a second, each written as soon as it is whole.
_FRAGMENTS = "-movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 1000000"
FORMATS = {
    ".mp4": f"{_FRAGMENTS} -f mp4",
    ".mov": f"{_FRAGMENTS} -f mov",
    ".mkv": "-cluster_time_limit 1000 -f matroska",
    ".avi": "-q:v 3 -pix_fmt yuvj420p -f avi",
}
TRIAL = 20.0  # seconds that an encoder may take to show that it works

_log = logging.getLogger("ship_deploy.streams")


class Codec(NamedTuple):
    """An encoder of FFmpeg's, by its name there, and what makes it quick enough for a camera."""

    name: str
    options: str


H264 = (
    Codec("libx264", "-preset superfast -tune zerolatency -crf 20 -pix_fmt yuv420p"),
    Codec("libopenh264", "-b:v 4M -pix_fmt yuv420p"),
    Codec("h264_nvenc", "-preset p1 -tune ll -cq 23 -pix_fmt yuv420p"),
    Codec("h264_v4l2m2m", "-b:v 4M -pix_fmt yuv420p"),
)
"""In the order in which they are tried."""
FALLBACK = Codec("mpeg4", "-q:v 4 -pix_fmt yuv420p")


@cache
def find_codec() -> Codec:
    """The first encoder of H.264 that works here, or MPEG-4 Part 2, of which the log warns.

    One that is listed need not work: it may want a device that is not there. So each is tried.
    """
    listed = _run("-encoders").stdout.decode(errors="replace").split()
    for codec in H264:
        if codec.name in listed and _works(codec):
            return codec
    _log.warning(
        "this ffmpeg has no encoder of H.264 that works: encoding MPEG-4 Part 2, which browsers "
        "do not play",
        extra={"event": "codec", "codec": FALLBACK.name},
    )
    return FALLBACK


def options_for(suffix: str, rate: float) -> str:
    """Options of FFmpeg for a file with one of the suffixes of `FORMATS`.

    A key frame a second is where a player can begin, and what a fragment ends before.
    """
    options = f"-g {max(1, round(rate))} -c:v mjpeg" if suffix == ".avi" else encoding(rate)
    return f"{options} {FORMATS[suffix]} -flush_packets 1"


def encoding(rate: float) -> str:
    """Options of FFmpeg for the codec that is found here, with a key frame a second."""
    codec = find_codec()
    return f"-g {max(1, round(rate))} -c:v {codec.name} {codec.options}"


def _works(codec: Codec) -> bool:
    source = "-f lavfi -i color=size=320x240:rate=5:duration=1"
    return not _run(*f"{source} -c:v {codec.name} {codec.options} -f null -".split()).returncode


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", *arguments]
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(command, 1, b"", b"")
