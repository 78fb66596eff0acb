"""`ship-deploy stream` as a user meets it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.commands import stream as command
from ship_deploy.errors import UserError
from ship_deploy.frames import stretch
from ship_deploy.geometry.calibration import Calibration, write_calibration
from ship_deploy.images import write_png
from ship_deploy.models import find_model
from ship_deploy.streams import Steady
from ship_deploy.thermal import DeadPixels
from tests.ship_deploy.streams.media_server import MediaServer, needs_ffmpeg
from tests.ship_deploy.streams.mjpeg_server import MjpegServer
from training.scenes import render

COMMAND = [sys.executable, "-m", "ship_deploy", "stream"]


def stream(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def start(*arguments: object, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def frames_of(path: Path) -> list[np.ndarray]:
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames


@pytest.fixture
def videos(tmp_path) -> tuple[Path, Path]:
    paths = tmp_path / "v.avi", tmp_path / "i.avi"
    scenes = [render(seed, 64, 96) for seed in (0, 1)]
    for side, path in enumerate(paths):
        codec = cv2.VideoWriter.fourcc(*"FFV1")
        writer = cv2.VideoWriter(str(path), codec, 10, (96, 64), isColor=not side)
        for number in range(6):
            writer.write(scenes[number % 2][side])
        writer.release()
    return paths


@needs_ffmpeg
def test_two_videos_become_one(videos, model, fuser, tmp_path):
    output = tmp_path / "new" / "fused.mp4"

    result = stream(
        *videos, "-o", output, "--model", model, "--device", "cpu", "--pair-by", "index"
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(output)
    assert "visible: 6 frames = 6 fused" in result.stderr
    frames = frames_of(output)
    assert len(frames) == 6 and cv2.VideoCapture(str(output)).get(cv2.CAP_PROP_FPS) == 10
    expected = fuser(frames_of(videos[0])[2], frames_of(videos[1])[2][..., 0])
    assert np.abs(frames[2].astype(int) - expected).mean() < 8  # it went through a lossy codec


def test_two_folders_become_images(model, fuser, tmp_path):
    for side, name in enumerate(("v", "i")):
        (tmp_path / name).mkdir()
        for seed in range(3):
            write_png(tmp_path / name / f"{seed}.png", render(seed, 48, 64)[side])

    result = stream(
        *(tmp_path / "v", tmp_path / "i", "-o", tmp_path / "fused"),
        *("--model", model, "--device", "cpu"),
    )

    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "fused").iterdir())
    assert names == ["00000000.png", "00000001.png", "00000002.png"]
    expected = fuser(*render(1, 48, 64))
    assert np.array_equal(cv2.imread(str(tmp_path / "fused" / names[1])), expected)


def test_a_steady_stream_is_smoothed_over_time(model, fuser, tmp_path):
    visible, infrared = render(1, 48, 64)
    visible, brighter = visible // 2, visible // 2 + 2
    for name, frames in (("v", (visible, brighter)), ("i", (infrared, infrared))):
        (tmp_path / name).mkdir()
        for number, frame in enumerate(frames):
            write_png(tmp_path / name / f"{number}.png", frame)

    result = stream(
        *(tmp_path / "v", tmp_path / "i", "-o", tmp_path / "fused", "--steady"),
        *("--model", model, "--device", "cpu"),
    )

    assert result.returncode == 0, result.stderr
    steady = Steady(fuser)
    expected = [steady(frame, infrared) for frame in (visible, brighter)]
    assert not np.array_equal(expected[1], fuser(brighter, infrared))
    for number, picture in enumerate(expected):
        assert np.array_equal(cv2.imread(str(tmp_path / f"fused/0000000{number}.png")), picture)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("stop", "code", "slow"),
    [(signal.SIGINT, 130, False), (signal.SIGTERM, 0, False), (signal.SIGTERM, 0, True)],
)
def test_an_interrupted_stream_leaves_a_video_that_plays(stop, code, slow, model, tmp_path):
    """Also while a network computes that takes longer than the command waits."""
    output = tmp_path / "fused.avi"
    size = (400, 512) if slow else (64, 96)
    visible, infrared = np.full((*size, 3), 90, np.uint8), np.full(size, 160, np.uint8)
    network = find_model("ship") if slow else model
    with MjpegServer(visible) as v, MjpegServer(infrared) as i:
        options = ("-o", output, "--model", network, "--device", "cpu", "--threads", 1)
        process = start(v.address, i.address, *options)
        while not output.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)  # another process gives no event
        process.send_signal(stop)
        errors = process.communicate(timeout=60)[1]

    assert process.returncode == code, errors
    assert ("what was finished is kept" in errors) == (code != 0) and "Traceback" not in errors
    assert errors.count("; own clock") == 2
    assert {path.name for path in tmp_path.iterdir()} == {"fused.avi", "fused.jsonl"}
    assert frames_of(output)[0].shape == visible.shape


def test_a_calibration_and_levels_are_applied(model, fuser, tmp_path):
    visible, infrared = render(1, 48, 64)
    write_png(tmp_path / "v.png", visible)
    counts = cv2.resize(255 - infrared, (32, 24)).astype(np.uint16) * 20  # black-hot
    counts[5, 6] = 16383
    write_png(tmp_path / "i.png", counts)
    dead = np.zeros((24, 32), np.uint8)
    dead[5, 6] = 255
    write_png(tmp_path / "dead.png", dead)
    rows = ((1.8, 0.0, 3.0), (0.0, 1.8, 2.0), (0.0, 0.0, 1.0))
    rig = Calibration(rows, (24, 32), (48, 64), 0.1, 0.2, 8, "points")
    write_calibration(tmp_path / "rig.json", rig)

    result = stream(
        *(tmp_path / "v.png", tmp_path / "i.png", "-o", tmp_path / "fused"),
        *("--calibration", tmp_path / "rig.json", "--dead-pixels", tmp_path / "dead.png"),
        *("--black-hot", "--percentiles", 1, 99, "--model", model, "--device", "cpu"),
    )

    assert result.returncode == 0, result.stderr
    grey = 255 - stretch(DeadPixels(dead > 0).replace(counts), (1, 99))
    expected = fuser(visible, rig.align(grey, (48, 64)))
    assert np.array_equal(cv2.imread(str(tmp_path / "fused" / "00000000.png")), expected)


def test_the_stream_is_served_while_it_runs(model, tmp_path):
    visible, infrared = render(0, 64, 96)
    with MjpegServer(visible) as v, MjpegServer(infrared) as i:
        options = ("--serve", "0", "--model", model, "--device", "cpu", "--threads", 1)
        process = start(v.address, i.address, *options)
        try:
            while not (url := re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())):
                assert process.poll() is None
            with urllib.request.urlopen(url[0] + "fused.mjpg", timeout=60) as player:
                assert player.readline() == b"--ship-deploy-frame\r\n"
            with urllib.request.urlopen(url[0] + "healthz", timeout=60) as answer:
                assert answer.status == 200
            with urllib.request.urlopen(url[0] + "status.json", timeout=60) as answer:
                status = json.load(answer)
        finally:
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=60)[1]

    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert status["statistics"]["visible"]["name"] == v.address
    assert status["engine"]["model"] == "small.onnx"  # and no path of this machine


def test_logs_as_json_and_the_events_before_a_signal(model, tmp_path):
    visible, infrared = render(0, 64, 96)
    with MjpegServer(visible) as v, MjpegServer(infrared) as i:
        options = ("--serve", "0", "--log-format", "json", "--model", model, "--device", "cpu")
        process = start(v.address, i.address, *options, env={**os.environ, "TMPDIR": str(tmp_path)})
        lines = []
        while not {"serving", "source_live"} <= {line["event"] for line in lines}:
            lines.append(json.loads(process.stderr.readline()))
        process.send_signal(signal.SIGUSR1)
        while lines[-1]["event"] != "dump":
            lines.append(json.loads(process.stderr.readline()))
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]

    assert process.returncode == 130, errors
    lines += map(json.loads, errors.splitlines())
    account, end = lines[-2:]
    assert account["event"] == "account" and account["statistics"]["visible"]["name"] == v.address
    assert end["event"] == "end" and end["message"] == "interrupted; what was finished is kept"
    path = Path(next(line["path"] for line in lines if line["event"] == "dump"))
    head, *kept = map(json.loads, path.read_text().splitlines())
    assert path.parent == tmp_path and head["why"] == "SIGUSR1"
    assert {"serving", "source_live"} <= {line.get("event") for line in kept}
    assert any("thread" in line and "stack" in line for line in kept)


def test_a_mistake_is_a_line_of_json_too():
    result = stream("nothing.mp4", "0", "--log-format", "json")
    assert result.returncode == 1
    line = json.loads(result.stderr)
    assert line["level"] == "error" and line["message"].startswith("error: nothing.mp4: no such")


@needs_ffmpeg
def test_the_stream_is_pushed_while_it_runs(model, fuser, tmp_path, monkeypatch):
    visible, infrared = render(0, 64, 96)
    server = MediaServer(tmp_path / "kept")
    with MjpegServer(visible) as v, MjpegServer(infrared) as i:
        monkeypatch.setenv("MEDIA_SERVER", server.address)  # which other users cannot see
        options = ("--push", "ENV:MEDIA_SERVER", "--model", model, "--device", "cpu")
        process = start(v.address, i.address, *options, "--threads", 1)
        expected = fuser(visible, infrared).astype(float)
        error, until = np.inf, time.monotonic() + 60
        try:
            while error > 8:  # JPEG twice, then H.264; at first a camera may be there alone
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.05)
                received = frames_of(server.folder / "0.ts")[-1:]
                error = min((np.abs(frame - expected).mean() for frame in received), default=np.inf)
        finally:
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=60)[1]
    server.cut()

    assert process.returncode == 130, errors
    assert "secret" not in errors and "Traceback" not in errors
    for source in (visible, infrared[..., None]):  # what would be shown of one camera alone
        assert np.abs(source - expected).mean() > 12


@needs_ffmpeg
def test_temperatures_below_an_image_are_fused_in_sixteen_bits(model, fuser, tmp_path):
    """Of a USB camera whose raw video was recorded."""
    visible, _ = render(1, 48, 64)
    write_png(tmp_path / "v.png", visible)
    counts = np.random.default_rng(0).integers(280 * 64, 310 * 64, (48, 64), np.uint16)
    whole = np.concatenate([np.full((48, 64), 90, np.uint16), counts])
    given = ["-f", "rawvideo", "-pixel_format", "yuyv422", "-video_size", "64x96", "-i", "-"]
    making = ["ffmpeg", "-v", "error", *given, "-c", "copy", tmp_path / "i.mkv"]
    subprocess.run(making, input=whole.tobytes(), check=True)

    result = stream(
        *(tmp_path / "v.png", tmp_path / "i.mkv", "-o", tmp_path / "fused"),
        *("--infrared-mode", "YUYV16", "--crop-infrared", "bottom"),
        *("--model", model, "--device", "cpu"),
    )

    assert result.returncode == 0, result.stderr
    expected = fuser(visible, stretch(counts, (0.5, 99.5)))
    assert np.array_equal(cv2.imread(str(tmp_path / "fused" / "00000000.png")), expected)


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (("v.avi", "i.avi"), {"serve": "host"}, "--serve is 'host', expected HOST:PORT"),
        (
            ("v.avi", "i.avi"),
            {"push": "ftp://host"},
            "ftp://host: not the address of a media server",
        ),
        (("v.avi", "i.avi"), {"push": "ENV:NONE"}, "ENV:NONE: there is no such environment"),
        (("v.avi", "i.avi"), {"visible_mode": "MJPEG"}, "pixel format is 'MJPEG'"),
        (("v.avi", "i.avi"), {"visible_mode": "MJPG"}, "a mode can be chosen of cameras only"),
        (("v.avi", "i.avi"), {"smoothing": -1.0}, "smoothing is -1.0"),
        (("v.avi", "i.avi"), {"calibration": "v.avi"}, "v.avi: not a calibration"),
        (("v.avi", "i.avi"), {"dead_pixels": "v.avi"}, "v.avi: the file is empty"),
        (("v.avi", "rtsp://h/1"), {}, "give two cameras or two files"),
        (("-", "-"), {}, "there is one standard input"),
        (("v.avi", "i.avi"), {"output": "v.avi"}, "would overwrite an input"),
        (("v.avi", "i.avi"), {"output": "o.gif"}, "o.gif: expected a folder, or a video"),
        (("rtsp://h/0", "rtsp://h/1"), {"pair_by": "index"}, "cameras are paired by time"),
        (("v.avi", "i.avi"), {"model": "none.onnx"}, "none.onnx"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(words, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("v.avi", "i.avi"):
        (tmp_path / name).touch()
    paths = {
        key: Path(value) if isinstance(value, str) and "." in value else value
        for key, value in options.items()
    }

    with pytest.raises(UserError, match=message):
        command.stream(*words, **paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i.avi", "v.avi"]


def test_a_mistake_is_one_line_on_the_command_line():
    result = stream("nothing.mp4", "0")

    assert result.returncode == 1
    assert result.stderr.strip() == (
        "error: nothing.mp4: no such file or folder; a camera is an index such as 0, or an address"
    )


def test_it_gives_up_cameras_that_are_not_there(model):
    addresses = "http://127.0.0.1:1/", "http://127.0.0.1:2/"
    result = stream(*addresses, "--give-up-after", "1s", "--model", model, "--device", "cpu")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == ("error: no frame from either camera for 1 s; gave up")
    assert result.stderr.count("; reconnected") == 0


def test_what_is_kept_needs_a_recording_that_goes_on(videos, model):
    result = stream(*videos, "-o", "o.mp4", "--keep", "7d", "--model", model)
    assert result.returncode == 1 and "are for cameras, or for --segment" in result.stderr


def test_systemd_hears_how_it_is(videos, tmp_path, monkeypatch):
    """Ready, alive, and stopping; and nothing while a frame hangs."""
    released = threading.Event()

    class Hanging:
        def __init__(self, *arguments, **options):
            self.info = None

        def __call__(self, visible, infrared):
            released.wait(120)
            return visible

    def hear() -> bytes:
        with contextlib.suppress(TimeoutError):
            return listening.recv(100)
        return b""

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "4000000")
        monkeypatch.setattr(command, "Fuser", Hanging)
        run = threading.Thread(target=command.stream, args=tuple(map(str, videos)))
        run.start()
        assert [hear(), hear()] == [b"READY=1", b"WATCHDOG=1"]
        listening.settimeout(3)  # it speaks twice a second, until a frame hangs for 2 seconds
        while hung := hear():
            assert hung == b"WATCHDOG=1" and run.is_alive()
        assert run.is_alive()
        released.set()
        listening.settimeout(60)
        while (last := hear()) == b"WATCHDOG=1":
            pass
        run.join(60)

    assert last == b"STOPPING=1" and not run.is_alive()
