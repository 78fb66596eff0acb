"""Results on their way to a media server: a small HTTP one that a test can stop, and a real one."""

import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.streams import PushOutput, Result
from ship_deploy.streams import push as module
from tests.ship_deploy.streams.media_server import MediaServer, needs_ffmpeg

HEIGHT, WIDTH = 48, 64
QUICK = (0.02, 0.05)


def result(number: int, height: int = HEIGHT, width: int = WIDTH) -> Result:
    """A picture whose brightness tells its number, up to 20."""
    image = np.full((height, width, 3), 30 + 10 * number, np.uint8)
    return Result(image, None, None, False, "", 0.0, 0.0)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60  # a limit for a machine that is busy
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def push(output: PushOutput, item: Result, pictures: int = 3) -> None:
    """Let a result stand for a few pictures at least."""
    before = output.sent
    output.write(item)
    wait_for(lambda: output.sent >= before + pictures)


def received(path: Path) -> list[np.ndarray]:
    video, frames = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames


def numbers(frames: list[np.ndarray]) -> list[int]:
    """The numbers that were seen, in order, each once however long it stood."""
    seen = [round((frame.mean() - 30) / 10) for frame in frames]
    return [number for before, number in zip([None, *seen], seen, strict=False) if number != before]


@pytest.fixture
def media_server(tmp_path) -> Iterator[MediaServer]:
    server = MediaServer(tmp_path)
    yield server
    server.cut()


@needs_ffmpeg
def test_results_arrive_in_order(media_server, tmp_path):
    output = PushOutput(media_server.address, rate=100)
    for number in range(20):
        push(output, result(number))
    wait_for(lambda: 19 in numbers(received(tmp_path / "0.ts")))
    output.close()
    frames = received(tmp_path / "0.ts")
    assert numbers(frames) == list(range(20))
    assert frames[0].shape == (HEIGHT, WIDTH, 3)


@needs_ffmpeg
def test_the_last_picture_stands_until_the_next(media_server, tmp_path):
    output = PushOutput(media_server.address, rate=100)
    output.write(result(7))
    wait_for(lambda: len(received(tmp_path / "0.ts")) > 60)
    output.close()


@needs_ffmpeg
def test_other_sizes_are_scaled_and_odd_ones_cut(media_server, tmp_path):
    output = PushOutput(media_server.address, rate=100)
    halves = result(19, 2 * HEIGHT, WIDTH)
    halves.image[:HEIGHT] = 20  # 220 below: on average, number 9
    for item in (result(3, HEIGHT + 1, WIDTH + 1), result(1), halves):
        push(output, item)
    wait_for(lambda: 9 in numbers(received(tmp_path / "0.ts")))
    output.close()
    frames = received(tmp_path / "0.ts")
    assert numbers(frames) == [3, 1, 9]
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert frames[-1][: HEIGHT // 3].mean() < 50 and frames[-1][-HEIGHT // 3 :].mean() > 190


def test_what_ffmpeg_complains_of_first_is_told_without_a_password(tmp_path, monkeypatch, caplog):
    program = tmp_path / "ffmpeg"
    program.write_text(
        "#!/bin/sh\necho '[tcp @ 0x1] http://me:secret@host/x: no' >&2\necho so >&2\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    output = PushOutput("http://me:secret@host/x", 100, back_off=QUICK)
    output.write(result(0))
    wait_for(lambda: "http://host/x: http://host/x: no; trying again" in caplog.text)
    output.close()
    assert "secret" not in caplog.text


@needs_ffmpeg
def test_a_server_that_comes_late_and_goes_away_is_connected_again(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = PushOutput(f"http://user:secret@127.0.0.1:{port}/fused", 100, back_off=QUICK)
    output.write(result(0))
    wait_for(lambda: caplog.text.count("refused; trying again in 0.0 s") == 2)
    for number in (5, 15):
        output.write(result(number))
        server = MediaServer(tmp_path / str(number), port)
        kept = server.folder / "0.ts"
        wait_for(lambda kept=kept, number=number: number in numbers(received(kept)))
        caplog.clear()
        server.cut()
        wait_for(lambda: "trying again" in caplog.text)
    output.close()
    assert "secret" not in caplog.text


@needs_ffmpeg
def test_a_server_that_hangs_is_left(monkeypatch, caplog):
    """It accepts and never answers."""
    monkeypatch.setattr("ship_deploy.streams.push.DEADLINE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        output = PushOutput(f"rtsp://127.0.0.1:{server.getsockname()[1]}/x", 100, back_off=QUICK)
        output.write(result(0, 480, 640))
        wait_for(lambda: caplog.text.count("accepted no picture for 0.3 s") > 1)
        output.close()


class Clock:
    """Stands in for the module `time`; it goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@needs_ffmpeg
def test_attempts_grow_rarer_and_are_frequent_again_after_a_connection(monkeypatch, caplog):
    clock, lasting = Clock(), iter([0.0, 0.0, 0.0, 10.0, 0.0, 0.0])

    def fail(*_):
        clock.now += next(lasting, 0.0)
        raise OSError("gone")

    monkeypatch.setattr("ship_deploy.streams.push.time", clock)
    monkeypatch.setattr("ship_deploy.streams.push.Encoder", fail)
    caplog.set_level(logging.DEBUG)
    output = PushOutput("http://127.0.0.1:9/x", 100, back_off=(0.001, 0.004))
    output.write(result(0))
    wait_for(lambda: len(caplog.records) >= 6)
    output.close()
    pauses = [record.args[2] for record in caplog.records][:6]
    assert pauses == [0.001, 0.002, 0.004, 0.001, 0.002, 0.004]


@needs_ffmpeg
def test_after_a_standstill_a_second_of_pictures_is_made_up_for(monkeypatch):
    clock, sent = Clock(), []

    class Slow:
        """Takes 100 seconds for its third picture."""

        def __init__(self, *_):
            pass

        def send(self, *_):
            sent.append(clock.now)
            clock.now += 100.0 if len(sent) == 3 else 0.0

        def close(self, _):
            pass

    class Waits(threading.Event):
        def wait(self, timeout=None):
            if timeout:  # all is made up for; time goes on
                clock.now += timeout
                return super().wait(0.0001)
            return super().wait(0)

    monkeypatch.setattr("ship_deploy.streams.push.time", clock)
    monkeypatch.setattr("ship_deploy.streams.push.Encoder", Slow)
    output = PushOutput("http://127.0.0.1:9/x", 10)
    output._closed = Waits()
    output.write(result(0))
    wait_for(lambda: any(moment > 100.5 for moment in list(sent)))
    output.close()
    assert 10 <= sent.count(sent[3]) <= 12  # one second at 10 pictures a second


def test_what_is_no_address_is_refused(monkeypatch):
    for address in ("fused.mp4", "ftp://user:secret@host/x"):
        with pytest.raises(UserError, match="not the address of a media server") as refused:
            PushOutput(address)
        assert "secret" not in str(refused.value)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="ffmpeg is not installed"):
        PushOutput("rtsp://127.0.0.1/x")


@needs_ffmpeg
def test_an_output_without_results_ends(media_server):
    output = PushOutput(media_server.address)
    output.close()
    assert output.sent == 0 and next(media_server.bodies) == 0


@needs_ffmpeg
def test_a_real_rtsp_server_receives_the_stream(gstreamer, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "DEADLINE", 60.0)  # a busy machine breaks no connection
    kept = tmp_path / "got.mkv"
    command = [gstreamer, Path(__file__).with_name("rtsp_receiver.py"), "0", kept]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            output = PushOutput(f"rtsp://127.0.0.1:{server.stdout.readline().strip()}/fused", 100)
            push(output, result(0))
            wait_for(lambda: numbers(received(kept)))  # connected, however long that took
            for number in range(1, 21):
                push(output, result(number))
            wait_for(lambda: 19 in numbers(received(kept)))  # the server keeps the last one back
            output.close()
        finally:
            server.kill()
    assert numbers(received(kept))[:20] == list(range(20))
