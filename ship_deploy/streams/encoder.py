"""The program `ffmpeg`, which turns pictures into a video in a process of its own."""

import errno
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy.errors import UserError
from ship_deploy.streams.addresses import without_secrets

FULL = os.strerror(errno.ENOSPC)


def check_installed(name: str) -> None:
    """Raise a UserError, about `name`, if there is no `ffmpeg`."""
    if not shutil.which("ffmpeg"):
        raise UserError(f"{name}: ffmpeg is not installed: apt install ffmpeg")


class Encoder:
    """A process of FFmpeg's that encodes pictures of one size.

    It can be ended whatever the network or the disk does, and it finishes what it was given when
    this process dies.

    Args:
        target: address or file.
        options: of FFmpeg, for codec and container.
        rate: pictures per second.
        size: (height, width) of the first picture. Others are scaled to it; odd sizes lose a row or
            a column, as most players need.
        deadline: seconds in which a picture has to be taken.
    """

    def __init__(
        self,
        target: str,
        options: str,
        rate: float,
        size: tuple[int, int],
        deadline: float,
    ) -> None:
        self._height, self._width = (side // 2 * 2 for side in size)
        self._deadline = deadline
        source = f"-f rawvideo -pixel_format bgr24 -video_size {self._width}x{self._height}"
        source += f" -framerate {rate} -i pipe:0"
        command = f"ffmpeg -hide_banner -nostats -loglevel error -y {source} {options}".split()
        self._process = subprocess.Popen(
            [*command, target],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us, who end the stream
        )
        assert self._process.stdin and self._process.stderr
        self._pipe, self._messages = self._process.stdin, self._process.stderr
        os.set_blocking(self._pipe.fileno(), False)

    def send(self, image: NDArray[np.uint8], closed: Callable[[], bool] = lambda: False) -> None:
        """Hand a picture over, or part of it if `closed` becomes true meanwhile.

        Raises:
            OSError: FFmpeg failed, or took too long.
        """
        rest = memoryview(self._fit(image).tobytes())
        until = time.monotonic() + self._deadline
        while rest and not closed():
            if time.monotonic() > until:
                raise TimeoutError(f"accepted no picture for {self._deadline:.1f} s")
            if select.select([], [self._pipe], [], 0.1)[1]:
                try:
                    rest = rest[os.write(self._pipe.fileno(), rest) :]
                except BrokenPipeError:
                    raise OSError(self.close(0.5) or "FFmpeg ended") from None

    def close(self, patience: float) -> str:
        """Let FFmpeg finish, for at most `patience` seconds.

        Returns:
            What went wrong; "" if nothing did.
        """
        if self._messages.closed:
            return ""
        self._pipe.close()
        problem = ""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            problem = f"did not end within {patience:.1f} s"
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        self._messages.close()
        if any(FULL in line for line in lines):
            return FULL
        if lines:  # the first one says it; the rest follows from it
            return re.sub(r"^\[[^]]*] ", "", without_secrets(lines[0]))
        return problem or ("FFmpeg failed" if self._process.returncode else "")

    def _fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self._height, self._width
        if (image.shape[0] // 2 * 2, image.shape[1] // 2 * 2) == (height, width):
            return image[:height, :width]
        scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(scaled, np.uint8)
