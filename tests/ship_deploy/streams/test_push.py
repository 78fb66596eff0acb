"""Results on their way to a media server: a small HTTP one that a test can stop, and a real one."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import av
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.streams import PushOutput, Result

HEIGHT, WIDTH = 48, 64
QUICK = (0.02, 0.05)


def result(number: int, size: tuple[int, int] = (HEIGHT, WIDTH), seconds: float = 0.04) -> Result:
    """A picture whose brightness tells its number, up to 40."""
    image = np.full((*size, 3), 20 + 5 * number, np.uint8)
    now = number * seconds
    return Result(image, None, None, False, "", now, now)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def push_all(output: PushOutput, results: list[Result]) -> None:
    """One at a time, so that none is replaced."""
    for item in results:
        before = output.sent
        output.write(item)
        wait_for(lambda before=before: output.sent > before)


def decode(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def numbers(frames: list[av.VideoFrame]) -> list[int]:
    return [round((f.to_ndarray(format="bgr24").mean() - 20) / 5) for f in frames]


class Receiver(ThreadingHTTPServer):
    """Keeps the body of each PUT in a file, 0.ts and so on."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self.bodies, self.finished = folder, 0, 0
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), Handler)
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://user:secret@127.0.0.1:{self.server_port}/fused"

    def cut(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            connection.close()


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_PUT(self) -> None:
        self.server.connections.append(self.connection)
        path = self.server.folder / f"{self.server.bodies}.ts"
        self.server.bodies += 1
        with path.open("wb") as file:
            while size := int(self.rfile.readline() or b"0", 16):
                file.write(self.rfile.read(size))
                file.flush()
                self.rfile.readline()
        self.server.finished += 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver(tmp_path) -> Iterator[Receiver]:
    server = Receiver(tmp_path)
    yield server
    server.cut()


def test_pictures_arrive_in_order_with_their_times(receiver, tmp_path):
    output = PushOutput(receiver.address)
    push_all(output, [result(number) for number in range(40)])
    output.close()
    wait_for(lambda: receiver.finished)
    frames = decode(tmp_path / "0.ts")
    assert numbers(frames) == list(range(40))
    times = np.array([frame.time for frame in frames])
    assert np.allclose(times - times[0], 0.04 * np.arange(40), atol=1e-4)
    whole = [frame.time - times[0] for frame in frames if frame.key_frame]
    assert np.allclose(whole, [0, 1], atol=0.021)  # one a second, for who joins


def test_a_clock_set_back_and_other_sizes_do_not_break_the_stream(receiver, tmp_path):
    output = PushOutput(receiver.address)
    sizes = [(HEIGHT + 1, WIDTH + 1), (HEIGHT, WIDTH), (2 * HEIGHT, WIDTH)]
    push_all(output, [result(number, size) for number, size in zip((3, 1, 9), sizes, strict=True)])
    output.close()
    wait_for(lambda: receiver.finished)
    frames = decode(tmp_path / "0.ts")
    assert numbers(frames) == [3, 1, 9]
    assert {(frame.height, frame.width) for frame in frames} == {(HEIGHT, WIDTH)}


def test_a_server_that_comes_late_and_goes_away_is_connected_again(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = PushOutput(f"http://user:secret@127.0.0.1:{port}/fused", back_off=QUICK)
    output.write(result(0))
    wait_for(lambda: "trying again" in caplog.text)
    for number, folder in enumerate(("first", "second")):
        (tmp_path / folder).mkdir()
        server = Receiver(tmp_path / folder, port)
        before = output.sent
        while output.sent < before + 5:
            output.write(result(number))
            time.sleep(0.01)
        server.cut()
        wait_for(lambda: (output.write(result(30)), caplog.text.count("trying again") > 1)[1])
        caplog.clear()
    output.close()
    for number, folder in enumerate(("first", "second")):
        assert set(numbers(decode(tmp_path / folder / "0.ts"))) >= {number}
    assert "secret" not in caplog.text and "refused" in caplog.text.lower()


def test_a_server_that_hangs_holds_nobody_up(monkeypatch, caplog):
    """It accepts, and never reads: once its buffers are full, no call returns."""
    monkeypatch.setattr("ship_deploy.streams.push.SEND_DEADLINE", 0.2)
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(2)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        output = PushOutput(f"http://127.0.0.1:{server.getsockname()[1]}/x", back_off=QUICK)
        for number in range(100_000):
            output.write(Result(noise[number % 2], None, None, False, "", number / 25, 0.0))
            if "no answer" in caplog.text:
                break
            time.sleep(0.001)
        assert "no answer for 0.2 s" in caplog.text
        output.close()


def test_what_is_no_address_is_refused(monkeypatch):
    for address in ("fused.mp4", "ftp://user:secret@host/x"):
        with pytest.raises(UserError, match="no address to send a stream to") as refused:
            PushOutput(address)
        assert "secret" not in str(refused.value)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install 'ship-deploy\[push\]'"):
        PushOutput("rtsp://127.0.0.1/x")


def test_an_output_without_results_ends(receiver):
    stopped = Event()
    Thread(target=lambda: (PushOutput(receiver.address).close(), stopped.set())).start()
    assert stopped.wait(5) and not receiver.bodies


def test_a_real_rtsp_server_receives_the_stream(gstreamer, tmp_path):
    command = [gstreamer, Path(__file__).with_name("rtsp_receiver.py"), "0", tmp_path / "got.mkv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().strip()
            output = PushOutput(f"rtsp://127.0.0.1:{port}/fused")
            push_all(output, [result(number) for number in range(40)])
            output.close()
            wait_for(lambda: len(numbers(decode(tmp_path / "got.mkv"))) == 40)
        finally:
            server.kill()
    assert numbers(decode(tmp_path / "got.mkv")) == list(range(40))
