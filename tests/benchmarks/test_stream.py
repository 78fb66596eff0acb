"""The measurements of the pipeline, in small."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from benchmarks.streaming import faults, recordings, soak, threads
from benchmarks.streaming import overhead as stream
from benchmarks.streaming.scripted import ScriptedCamera
from ship_deploy.errors import UserError
from tests.ship_deploy.streams.media_server import needs_ffmpeg


def test_overhead_and_rate_are_written_down(tmp_path):
    table = stream.run(tmp_path, [(32, 40)], 10, [stream.NOTHING, "ship-t"])

    results = json.loads((tmp_path / "stream.json").read_text())["stream"]
    assert [result["model"] for result in results] == ["nothing", "ship-t"]
    for result in results:
        assert result["frames"] == 10 and result["size"] == "32x40"
        assert 0 < result["p50"] <= result["p99"] and result["rate"] > 0
    assert table == (tmp_path / "stream.md").read_text() and "32x40" in table


ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(soak, "RATE", 2000.0)


@needs_ffmpeg
def test_a_soak_keeps_its_memory_and_its_accounts(quick, tmp_path):
    table = soak.run(tmp_path, 3000, 48, 64)

    result = json.loads((tmp_path / "soak.json").read_text())["soak"]
    assert result["results"] == 3000 and result["unaccounted"] == 0
    assert result["growth"] <= soak.MOST_GROWTH and len(result["resident"]) == 10
    assert 10e6 < max(result["resident"]) <= result["peak"]
    assert result["reconnections"] >= 4 and "48x64" in table
    assert len(result["descriptors"]) == len(result["threads"]) == 10
    assert result["more"] <= soak.MOST_MORE


@needs_ffmpeg
@pytest.mark.parametrize(
    ("lost", "said"),
    [("leak=10_000", "memory grew by"), ("hold=True", "descriptors or threads grew by")],
)
def test_a_leak_is_seen(lost, said):
    """In a process of its own: what this one has freed before could hold the leak."""
    code = (
        "from benchmarks.streaming import soak; soak.RATE = 2000.0; "
        f"soak.check(soak.soak(2000, 48, 64, {lost}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert found.returncode == 1 and f"UserError: {said}" in found.stderr


@needs_ffmpeg
def test_a_lost_frame_is_seen(quick):
    result = soak.soak(1000, 48, 64)

    with pytest.raises(UserError, match="1 frames are unaccounted"):
        soak.check(soak.Soak(**{**vars(result), "unaccounted": 1}))


def test_faults_are_noticed_and_over(tmp_path):
    table = faults.run(tmp_path, [7], 100)

    (result,) = json.loads((tmp_path / "faults.json").read_text())["faults"]
    assert sum(result["faults"].values()) == 100 and result["unaccounted"] == 0
    assert 0 < result["noticed"] < 100 and result["results"] > result["fused"] >= faults.CALM
    assert 0 < result["notice_p50"] <= result["notice_p99"]
    assert 0 < result["recovery_p50"] <= result["recovery_p99"] <= result["recovery_max"]
    assert "| 7 | 100 |" in table
    with pytest.raises(UserError, match="seed 7: 1 frames are unaccounted"):
        faults.check(faults.Run(**{**result, "unaccounted": 1}))
    with pytest.raises(UserError, match=r"seed 7: memory grew by 11\.0 MB"):
        faults.check(faults.Run(**{**result, "growth": 11_000_000}))


def test_a_fault_is_timed_to_what_names_it():
    visible, infrared = ScriptedCamera("visible", (16, 16)), ScriptedCamera("infrared", (16, 16))
    visible.log = [(1.0, "cut"), (2.0, "garbage")]
    infrared.log = [(2.5, "stall")]
    shown = [(1.1, ""), (1.2, "visible down"), (1.3, ""), (2.2, ""), (2.8, "infrared down")]
    notices, recoveries = faults._times([visible, infrared], [*shown, (2.9, "")])
    assert notices == pytest.approx([0.2, 0.3])
    assert recoveries == pytest.approx([0.3, 0.2, 0.4])


@needs_ffmpeg
def test_a_killed_recording_is_counted(tmp_path):
    written, plays = recordings.kill(tmp_path / "o.mp4", 20, 0.0, encoder=False)
    assert written >= 20 and plays >= written - 1  # the last one may be cut
    written, plays = recordings.kill(tmp_path / "k.mkv", 20, 0.0, encoder=True)
    assert written >= 20 and plays <= written


@needs_ffmpeg
@pytest.mark.skipif(
    subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True
    ).returncode
    != 0,
    reason="needs mount namespaces for users",
)
def test_a_full_disk_is_counted():
    disk = recordings.fill(".mkv", 512)
    assert disk.accepted == recordings.PICTURES > disk.before >= disk.plays > 5
    assert disk.said == 1 and disk.problem.endswith("No space left on device")


def test_recordings_that_lose_too_much_are_a_failure():
    kills = recordings.Kills(".mp4", 25, 25, 0.1, 0.2)
    full = recordings.Full(".mp4", 64, 150, 5, 3, 1, "o.mp4: No space left on device")
    recordings.check([kills], [full])
    table = {"kills": [vars(kills)], "full": [vars(full)]}
    host = {"processor": "P", "cores": "2", "measured": "2026-11-26T10:00"}
    assert "| .mp4 | 25 | 25 | 0.10 s | 0.20 s | 1 | 1 | 1 | 2 pictures |" in recordings.tabulate(
        {"machine": host, **table}
    )
    for change in ({"plays": 24}, {"lost_max": 3.1}):
        with pytest.raises(UserError, match=r"\.mp4: 2. of 25 killed recordings play"):
            recordings.check([recordings.Kills(**{**vars(kills), **change})], [full])
    for change in ({"accepted": 149}, {"said": 2}, {"problem": ""}):
        with pytest.raises(UserError, match=r"\.mp4 on 64 KiB"):
            recordings.check([kills], [recordings.Full(**{**vars(full), **change})])


@needs_ffmpeg
def test_a_soak_is_disturbed_and_recorded(quick, monkeypatch):
    monkeypatch.setattr(soak, "DISTURB", 0.4)

    result = soak.soak(1500, 48, 64)

    assert result.disturbances >= 2 and result.files >= 1 and result.unaccounted == 0


def test_threads_make_the_frames_that_one_makes(tmp_path):
    table = threads.run(tmp_path, "ship-t", 4, 5, 32, 48)

    result = json.loads((tmp_path / "threads.json").read_text())["threads"]
    assert (result["threads"], result["frames"], result["different"]) == (4, 5, 0)
    assert table == (tmp_path / "threads.md").read_text()


def test_a_frame_that_differs_is_seen():
    """By an engine that gives one wrong bit, once, when several threads use it."""
    calls, guard = [], threading.Lock()

    def fuse(visible, infrared):
        with guard:
            calls.append(None)
            number = len(calls)
        return visible ^ np.uint8(number == 12)

    pairs = [(np.full((16, 16, 3), n, np.uint8), np.zeros((16, 16), np.uint8)) for n in range(8)]
    assert threads.compare(fuse, pairs, 2, 10) == 1
