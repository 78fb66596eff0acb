"""The examples run, with stand-ins for what is not here."""

import importlib
import os
import sys
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from examples import minimal, thermal_rig, threaded
from ship_deploy.errors import UserError
from ship_deploy.geometry.calibration import Calibration, write_calibration
from ship_deploy.images import write_png
from ship_deploy.streams import Thermal
from tests.ship_deploy.streams.cameras import ScriptedCamera


def average(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    return visible // 2 + infrared[..., None] // 2


def test_the_minimal_loop(tmp_path, fuser, frames):
    for name, frame in zip(("v.png", "i.png"), frames, strict=True):
        write_png(tmp_path / name, frame)
    shown = []

    minimal.main(str(tmp_path / "v.png"), str(tmp_path / "i.png"), fuser, shown.append)

    (result,) = shown
    assert np.array_equal(result.image, fuser(*frames))


def test_a_thermal_rig(tmp_path, frames):
    """Three frames of two folders; the thermal ones 16 bits, of half the size, and aligned."""
    visible, infrared = frames
    counts = cv2.resize(infrared, (48, 32), interpolation=cv2.INTER_AREA).astype(np.uint16) * 20
    for folder, frame in (("v", visible), ("i", counts + 7000)):
        (tmp_path / folder).mkdir()
        for number in range(3):
            write_png(tmp_path / folder / f"{number}.png", frame)
    twice = ((2.0, 0.0, 0.5), (0.0, 2.0, 0.5), (0.0, 0.0, 1.0))
    rig = Calibration(twice, (32, 48), (64, 96), 0.1, 0.2, 12, "points")
    write_calibration(tmp_path / "rig.json", rig)
    seen = []

    def fuse(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
        seen.append(infrared)
        return average(visible, infrared)

    places = [str(tmp_path / name) for name in ("v", "i", "rig.json", "fused.mkv")]
    thermal_rig.main(*places, fuse)

    (first, *_) = seen
    levels = Thermal(percentiles=(1, 99), clahe=2)(counts + 7000, 0.0)
    assert len(seen) == 3 and np.array_equal(first, rig.align(levels, (64, 96)))
    video = cv2.VideoCapture(places[-1])
    pictures = [video.read()[1] for _ in range(3)]
    assert not video.read()[0]
    assert all(np.abs(p - average(visible, first)).mean() < 12 for p in np.float64(pictures))


def test_the_threaded_pipeline_gives_the_newest_result():
    made_on = []

    def make_fuser():
        made_on.append((threading.current_thread().name, os.sched_getaffinity(0)))
        return average

    core = {min(os.sched_getaffinity(0))}
    before = os.sched_getaffinity(0)
    cameras = ScriptedCamera("v", (32, 40, 3)), ScriptedCamera("i", (32, 40))
    with threaded.FusedCamera(*cameras, make_fuser, cores=core) as camera:
        while (result := camera.newest()) is None:
            pass
        while (later := camera.newest()) is result:
            pass

    assert result.fused and later.time > result.time
    assert made_on == [("fuse", core)] and os.sched_getaffinity(0) == before


def test_the_threaded_pipeline_passes_errors_on():
    def make_fuser():
        raise UserError("no model")

    with threaded.FusedCamera(
        ScriptedCamera("v", (32, 40)), ScriptedCamera("i", (32, 40)), make_fuser
    ) as camera:
        camera._thread.join()
        with pytest.raises(UserError, match="no model"):
            camera.newest()


def test_the_server_of_the_example_needs_no_more_than_gstreamer():
    """It runs under the system's Python, which has nothing of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ship_deploy", None)
        patch.setitem(sys.modules, "gi", SimpleNamespace(require_version=lambda *_: None))
        repository = SimpleNamespace(GLib=None, Gst=None, GstRtspServer=None)
        patch.setitem(sys.modules, "gi.repository", repository)
        assert importlib.import_module("examples.rtsp_server").serve
