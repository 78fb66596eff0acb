"""Recordings: what they show, and what is left of them when something goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.results import Frame, Result
from ship_deploy.streams import Keep, VideoOutput
from ship_deploy.streams.recordings import part
from ship_deploy.streams.recordings import video as recording
from ship_deploy.streams.recordings.index import read_index
from tests.ship_deploy.conftest import chromium
from tests.ship_deploy.serving.conftest import SIDE, STATISTICS
from tests.ship_deploy.streams.media_server import needs_ffmpeg

__all__ = ["chromium"]

pytestmark = needs_ffmpeg
SUFFIXES = ["mp4", "mkv", "mov", "avi"]
PATIENCE = 60  # seconds; a limit for a machine that is busy


def result(value: int, time: float, shape=(48, 64, 3)) -> Result:
    return Result(np.full(shape, value, np.uint8), None, None, False, "", time, time)


def frames_of(path, shape=(48, 64, 3)) -> list[int]:
    video, values = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (read := video.read())[0]:
        values.append(round(float(read[1].mean())))
        assert read[1].shape == shape
    return values


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_video_plays_at_the_speed_of_the_frames(tmp_path, suffix):
    path = tmp_path / "new" / f"o.{suffix}"
    output = VideoOutput(path, 10.0)
    for value, moment in ((20, 7.0), (60, 7.1), (100, 7.5), (140, 7.61), (160, 7.62), (180, 7.7)):
        output.write(result(value, moment))
    output.close()
    output.close()

    expected = [20, 60, 60, 60, 60, 100, 140, 180]
    assert frames_of(path) == pytest.approx(expected, abs=6)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_frames_stay_at_their_times_though_both_cameras_were_away(tmp_path):
    """24 s stay 24 s; results of other sizes are scaled."""
    output = VideoOutput(tmp_path / "o.mp4", 10.0)
    for number in (*range(70), *range(170, 240)):
        shape = (49, 65, 3) if number < 170 else (32, 32, 3)
        output.write(result(50 if number < 170 else 100, number / 10, shape=shape))
    output.close()

    values = frames_of(tmp_path / "o.mp4")
    assert len(values) == 240
    assert values == pytest.approx([50] * 170 + [100] * 70, abs=6)


def test_a_longer_gap_begins_a_new_file(tmp_path):
    output = VideoOutput(tmp_path / "o.mp4", 10.0)
    output.write(result(50, 0.0))
    output.write(result(100, 3600.0))
    output.close()

    assert [len(frames_of(tmp_path / name)) for name in ("o.mp4", "o-2.mp4")] == [1, 1]


def test_without_a_frame_no_file_is_made(tmp_path):
    VideoOutput(tmp_path / "o.mp4").close()

    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_to_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "o.mp4").mkdir()
    for path in (tmp_path / "o.gif", tmp_path / "file" / "o.mp4", tmp_path / "o.mp4"):
        with pytest.raises(UserError, match=str(tmp_path)):
            VideoOutput(path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="ffmpeg is not installed"):
        VideoOutput(tmp_path / "a.mp4")


def test_an_earlier_film_stays_unless_told(tmp_path):
    for value, overwrite in ((50, False), (100, False), (150, False), (200, True)):
        output = VideoOutput(tmp_path / "o.mp4", overwrite=overwrite)
        output.write(result(value, 0.0))
        output.close()
    found = {path.name: frames_of(path)[0] for path in tmp_path.iterdir()}
    assert found == {"o.mp4": pytest.approx(200, abs=6), "o-2.mp4": pytest.approx(100, abs=6)} | {
        "o-3.mp4": pytest.approx(150, abs=6)
    }


def test_segments_follow_each_other(tmp_path):
    output = VideoOutput(tmp_path / "o.mkv", 10.0, segment=2.0)
    for number in range(50):
        output.write(result(number * 5, number / 10))
    output.close()
    films = sorted(tmp_path.glob("*.mkv"), key=lambda path: path.stat().st_mtime_ns)
    values = [frames_of(path) for path in films]
    assert [len(film) for film in values] == [20, 20, 10]
    assert [value for film in values for value in film] == pytest.approx(
        [n * 5 for n in range(50)], abs=6
    )
    assert all(path.stem.startswith("o-20") and path.suffix == ".mkv" for path in films)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_plays_at_any_moment(tmp_path, suffix):
    """As it is found after a loss of power: nothing is finished, neither here nor by FFmpeg."""
    output = VideoOutput(tmp_path / f"o.{suffix}", 25.0)
    for number in range(250):
        output.write(result(number, number / 25))
    until = time.monotonic() + PATIENCE
    played: list[int] = []
    while len(played) < 250 - 75 and time.monotonic() < until:
        shutil.copy(output.path, tmp_path / f"copy.{suffix}")
        played = frames_of(tmp_path / f"copy.{suffix}")
    assert len(played) >= 250 - 75
    assert played == pytest.approx(list(range(len(played))), abs=6)
    output._part.encoder._process.kill()


WRITER = """
import sys
from pathlib import Path
import numpy as np
from ship_deploy.results import Result
from ship_deploy.streams import VideoOutput
output = VideoOutput(Path(sys.argv[1]), 25.0)
for n in range(200):
    image = np.full((48, 64, 3), n, np.uint8)
    output.write(Result(image, None, None, False, "", n / 25, 0.0))
print("written", flush=True)
sys.stdin.read()
"""


def test_a_process_that_is_killed_leaves_all_that_it_wrote(tmp_path):
    path = tmp_path / "o.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    until = time.monotonic() + PATIENCE
    while len(frames_of(path)) < 200 and time.monotonic() < until:
        time.sleep(0.05)  # FFmpeg ends what it was given
    assert len(frames_of(path)) == 200


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_on_a_full_disk_a_live_stream_goes_on_without_the_recording(tmp_path, suffix, caplog):
    (tmp_path / f"o.{suffix}").symlink_to("/dev/full")
    output = VideoOutput(tmp_path / f"o.{suffix}", overwrite=True, live=True)
    number = 0
    until = time.monotonic() + PATIENCE
    while not output.problem and time.monotonic() < until:
        output.write(result(number % 256, number / 25))
        number += 1
    output.write(result(0, number / 25))
    assert output.problem == "No space left on device"
    assert len(caplog.records) == 1 and "not recording: No space" in caplog.text
    with pytest.raises(UserError, match="incomplete: No space left on device"):
        output.close()


def test_a_recording_that_failed_is_begun_anew_when_there_is_space(tmp_path, monkeypatch, caplog):
    output = VideoOutput(tmp_path / "o.mp4", 10.0, live=True)
    output.write(result(50, 0.0))
    output._part.encoder._process.kill()
    output._part.encoder._process.wait()
    output.write(result(50, 1.0))
    assert output.problem
    output.write(result(50, 2.0))
    free = 0
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(recording.shutil, "disk_usage", lambda path: usage._replace(free=free))
    output.write(result(50, 1.0 + recording.RETRY))  # there is none yet
    assert output.problem
    free = 1 << 30
    for number in range(5):
        output.write(result(100, 2.0 + 2 * recording.RETRY + number / 10))
    with pytest.raises(UserError, match="incomplete"):  # what was lost meanwhile
        output.close()
    assert output.path.name == "o-2.mp4" and len(frames_of(output.path)) == 5
    assert "o-2.mp4: recording again" in caplog.text


def test_for_files_what_cannot_be_written_is_an_error(tmp_path):
    output = VideoOutput(tmp_path / "o.mp4")
    output.write(result(50, 0.0))
    os.kill(output._part.encoder._process.pid, signal.SIGKILL)
    output._part.encoder._process.wait()
    with pytest.raises(UserError, match=r"o\.mp4: cannot write the recording"):
        output.write(result(50, 1.0))


class Clock:
    """Both clocks of `time`, which a test sets: seconds since 1970 and monotonic."""

    wall, now = 1_795_615_380.0, 500.0  # 2026-11-25, 14:03 UTC

    def set(self, moment: float, wall: float | None = None) -> float:
        self.wall = self.wall + moment - self.now if wall is None else wall
        self.now = moment
        return moment

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(recording, "time", made)
    monkeypatch.setattr(part, "time", made)
    yield made
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def quick(monkeypatch):
    """An encoder that writes a byte a picture: hours pass in a moment."""

    class Encoder:
        def __init__(self, target, *_):
            self.path = Path(target.removeprefix("file:"))

        def send(self, image):
            with self.path.open("ab") as file:
                file.write(b"x")

        def close(self, patience):
            return ""

    monkeypatch.setattr(part, "Encoder", Encoder)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_segments_of_cameras_end_by_the_clock(tmp_path, clock, quick):
    counts = iter([{"late": 1}])

    def statistics():
        return replace(STATISTICS, infrared=replace(SIDE, dropped=next(counts, {"late": 4})))

    output = VideoOutput(
        tmp_path / "%Y-%m-%d" / "cam-%H%M%S.mp4",
        1.0,
        segment=600.0,
        live=True,
        statistics=statistics,
    )
    for number in range(500, 500 + 8 * 60):
        moment = clock.set(float(number))
        frame = Frame(np.zeros((48, 64, 3), np.uint8), moment, number)
        reason = "infrared down: why" if number < 510 else ""
        infrared = None if reason else frame
        output.write(Result(frame.image, frame, infrared, not reason, reason, moment, moment))
    output.close()

    names = sorted(path.name for path in (tmp_path / "2026-11-25").iterdir())
    assert names == ["cam-140300.mp4", "cam-141000.mp4"]
    begun, first, *_, last = lines_of(tmp_path / "cam.jsonl")
    assert begun["event"] == "begin" and begun["begin"] == "2026-11-25T14:03:00.000+00:00"
    assert first["file"] == "2026-11-25/cam-140300.mp4" and first["event"] == "end"
    assert first["end"] == "2026-11-25T14:10:00.000+00:00" and first["why"] == "segment"
    assert (first["frames"], first["fused"]) == (420, 410)
    assert first["alone"] == {"infrared down": 10}
    assert first["away"] == {"visible": 0, "infrared": 9}
    assert first["dropped"] == {"visible": {}, "infrared": {"late": 3}}
    assert last["why"] == "the end" and last["frames"] == 60


def test_a_clock_that_is_set_begins_a_new_file(tmp_path, clock, quick):
    """A robot that starts without the time gets it from the network."""
    output = VideoOutput(tmp_path / "%Y%m%d-%H%M%S.mp4", 1.0, live=True)
    for moment, wall in ((500.0, 7.0), (501.0, None), (502.0, 1_795_615_380.0)):
        output.write(result(0, clock.set(moment, wall)))
    output.close()
    names = sorted(path.name for path in tmp_path.glob("*.mp4"))
    assert names == ["19700101-000007.mp4", "20261125-140300.mp4"]


def test_the_oldest_files_make_room(tmp_path, clock, quick):
    (tmp_path / "o-20261125-130000.mp4").write_bytes(b"somebody else's")
    output = VideoOutput(tmp_path / "o.mp4", 1.0, segment=60.0, live=True, keep=Keep(size=250))
    for number in range(600):
        output.write(result(0, clock.set(500.0 + number)))
    output.close()
    names = sorted(path.name for path in tmp_path.glob("*.mp4"))
    assert names[0] == "o-20261125-130000.mp4"
    assert names[1:] == [f"o-20261125-14{minute:02}00.mp4" for minute in (9, 10, 11, 12)]
    assert [part.path.name for part in read_index(tmp_path / "o.jsonl")] == names[1:]


def test_what_it_says_of_itself(tmp_path, clock):
    output = VideoOutput(tmp_path / "o.mp4", live=True)
    assert output.state().written is None and output.state().bytes == 0
    output.write(result(0, clock.set(501.0)))
    output.close()
    state = output.state()
    assert state.written == clock.wall and state.free > 0 and state.problem == ""
    assert state.bytes == (tmp_path / "o.mp4").stat().st_size > 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_says_when_it_was_begun(tmp_path, clock, suffix):
    output = VideoOutput(tmp_path / f"o.{suffix}", live=True)
    output.write(result(0, clock.now))
    output.close()
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags", output.path]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    assert "creation_time=2026-11-25T14:03:00.000000Z" in said


def test_a_clock_in_the_picture(tmp_path, clock):
    image = np.full((480, 640, 3), 90, np.uint8)
    drawn = part.draw_clock(image, clock.wall)
    assert 0.003 < (drawn == 255).mean() < (drawn != 90).mean() < 0.1
    assert (drawn[60:] == 90).all()
    output = VideoOutput(tmp_path / "o.mp4", live=True, clock=True)
    output.write(Result(image, None, None, False, "", clock.now, 0.0))
    output.close()
    shown = cv2.VideoCapture(str(tmp_path / "o.mp4")).read()[1]
    assert (shown[:60] > 200).any() and (image == 90).all()


PLAY = """async () => {
  const video = document.querySelector("video");
  await new Promise((done, failed) => {
    video.onloadeddata = done;
    video.onerror = () => failed(new Error(video.error.message));
    video.src = "/o.mp4";
  });
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const pixel = canvas.getContext("2d").getImageData(8, 8, 1, 1).data;
  return [video.videoWidth, video.videoHeight, pixel[0]];
}"""


def test_a_browser_plays_it(chromium, tmp_path):
    output = VideoOutput(tmp_path / "o.mp4", segment=60.0)
    for number in range(50):
        output.write(result(150, number / 25))
    output.close()
    page = chromium.new_page()

    def answer(route):
        if route.request.url.endswith(".mp4"):
            route.fulfill(body=output.path.read_bytes(), content_type="video/mp4")
        else:
            route.fulfill(body="<video muted></video>", content_type="text/html")

    page.route("**/*", answer)
    page.goto("http://localhost/")
    width, height, red = page.evaluate(PLAY)
    page.close()
    assert (width, height) == (64, 48) and red == pytest.approx(150, abs=6)
