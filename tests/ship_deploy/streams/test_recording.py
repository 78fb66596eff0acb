"""Recordings: what they show, and what is left of them when something goes wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.results import Result
from ship_deploy.streams import VideoOutput, recording
from tests.ship_deploy.streams.media_server import needs_ffmpeg

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


def test_a_long_gap_is_cut_short_and_other_sizes_are_scaled(tmp_path):
    output = VideoOutput(tmp_path / "o.mp4", 10.0)
    output.write(result(50, 0.0, shape=(49, 65, 3)))
    output.write(result(100, 3600.0, shape=(32, 32, 3)))
    output.close()

    assert len(frames_of(tmp_path / "o.mp4")) == 1 + 20 + 1


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
    films = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
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
    output._file.encoder._process.kill()


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
    output = VideoOutput(tmp_path / f"o.{suffix}", overwrite=True, keep_going=True)
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
    output = VideoOutput(tmp_path / "o.mp4", 10.0, keep_going=True)
    output.write(result(50, 0.0))
    output._file.encoder._process.kill()
    output._file.encoder._process.wait()
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
    os.kill(output._file.encoder._process.pid, signal.SIGKILL)
    output._file.encoder._process.wait()
    with pytest.raises(UserError, match=r"o\.mp4: cannot write the recording"):
        output.write(result(50, 1.0))
