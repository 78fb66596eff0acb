"""The whole pipeline, around a stand-in for the network."""

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.errors import LastingError, UserError
from ship_deploy.images import write_png
from ship_deploy.results import Result
from ship_deploy.streams import Callback, ImageFolder, Pipeline, VideoFile, find_source
from tests.ship_deploy.streams.cameras import ScriptedCamera
from tests.ship_deploy.streams.mjpeg_server import MjpegServer


def average(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    return visible // 2 + infrared[..., None] // 2


def write_folder(path: Path, values, shape=(32, 40, 3), dtype=np.uint8) -> Path:
    path.mkdir(parents=True)
    for number, value in enumerate(values):
        write_png(path / f"{number:03}.png", np.full(shape, value, dtype))
    return path


def folders(tmp_path, visible, infrared, **options):
    return (
        ImageFolder(write_folder(tmp_path / "v", visible), infrared=False),
        ImageFolder(write_folder(tmp_path / "i", infrared, (24, 30), **options), infrared=True),
    )


def run(*arguments, **options) -> tuple[list[Result], Pipeline]:
    results: list[Result] = []
    with Pipeline(*arguments, **options) as pipeline:
        pipeline.run(Callback(results.append))
    return results, pipeline


def check_closed(pipeline) -> None:
    statistics = pipeline.statistics()
    for source in (statistics.visible, statistics.infrared):
        assert source.received == source.fused + sum(source.dropped.values())


@pytest.mark.parametrize("pair_by", ["time", "index"])
def test_folders_are_fused_without_losing_anything(tmp_path, pair_by):
    count = 30  # more than is held
    sources = folders(tmp_path, range(count), range(100, 100 + count))

    results, pipeline = run(*sources, average, pair_by=pair_by)

    assert [int(r.image[0, 0, 0]) for r in results] == [
        n // 2 + (100 + n) // 2 for n in range(count)
    ]
    assert all(r.fused and r.image.shape == (32, 40, 3) for r in results)
    assert all(r.infrared.image.shape == (32, 40) for r in results)  # as it was fused
    statistics = pipeline.statistics()
    assert statistics.fused == statistics.visible.fused == statistics.infrared.fused == count
    assert statistics.visible.dropped == statistics.infrared.dropped == {}
    assert statistics.offset == 0 and statistics.latency_p50 is None


def test_a_file_is_not_read_far_ahead(tmp_path):
    """Or a long one would fill the memory."""

    class Counting(ImageFolder):
        read = 0

        def open(self):
            capture = super().open()
            paths = capture._paths

            def counted():
                for found in paths:
                    self.read += 1
                    yield found

            capture._paths = counted()
            return capture

    read_ahead, results = [], []
    sources = [
        Counting(write_folder(tmp_path / side, range(100), (16, 16)), infrared=False)
        for side in ("v", "i")
    ]

    def fuse(visible, infrared):
        results.append(1)
        read_ahead.append(max(source.read for source in sources) - len(results))
        return average(visible, infrared)

    run(*sources, fuse, length=3)

    assert (
        len(results) == 100 and max(read_ahead) <= 3 + 2
    )  # held, in a reader's hand, being decoded


def test_what_is_left_of_a_longer_file_comes_alone(tmp_path):
    results, pipeline = run(*folders(tmp_path, [10, 20, 30], [7, 7]), average)

    assert [(r.fused, r.reason) for r in results[1:]] == [(True, ""), (False, "infrared ended")]
    assert results[2].infrared is None and (results[2].image == 30).all()
    check_closed(pipeline)

    results, pipeline = run(*folders(tmp_path / "more", [10], [7, 8]), average)

    assert results[1].visible is None and (results[1].image == 8).all()
    assert results[1].image.shape == (
        32,
        40,
        3,
    )  # of the visible camera's size, as long as it is known
    check_closed(pipeline)


def test_an_infrared_frame_is_prepared_once_though_it_is_fused_often(tmp_path):
    prepared = []

    def prepare(infrared, size):
        prepared.append(int(infrared.image[0, 0]))
        return cv2.resize(infrared.image, size[::-1])

    visible = ScriptedCamera("visible", (32, 40, 3), period=0.004)
    infrared = ScriptedCamera("infrared", (24, 30), period=0.02)
    used = []
    with Pipeline(visible, infrared, average, prepare=prepare) as pipeline:
        for result in pipeline:
            if result.fused:
                used.append(result.infrared.index)
            if len(set(used)) == 5:
                break

    assert len(used) > len(set(used))
    assert len(prepared) == len(set(prepared))


def test_sixteen_bits_are_stretched_on_one_side_and_cut_on_the_other(tmp_path):
    v = write_folder(tmp_path / "v", [1000, 4000, 1000], dtype=np.uint16)
    write_folder(tmp_path / "i", [])
    image = np.tile(np.linspace(20000, 21000, 40).astype(np.uint16), (32, 1))
    write_png(tmp_path / "i" / "0.png", image)

    seen = []
    results, _ = run(
        ImageFolder(v, infrared=True),  # read in the depth of the file, grey
        ImageFolder(tmp_path / "i", infrared=True),
        lambda *frames: seen.append(frames) or frames[0],
    )

    (visible_seen, infrared_seen), *_ = seen
    assert visible_seen.shape == (32, 40, 3)
    # 10 bits as far as is known, then 12.
    shown = [int(result.image[0, 0, 0]) for result in results]
    assert shown == [1000 >> 2, 4000 >> 4, 1000 >> 4]
    assert infrared_seen.min() == 0 and infrared_seen.max() == 255
    assert results[0].infrared.image is infrared_seen


@pytest.mark.parametrize("where", ["fuse", "prepare"])
def test_a_frame_that_is_refused_goes_out_alone_and_is_counted(tmp_path, where):
    calls = []

    def refuse_second(result):
        calls.append(1)
        if len(calls) == 2:
            raise UserError("the engine takes\n480x640")
        return result

    def fuse(visible, infrared):
        return refuse_second(visible) if where == "fuse" else visible

    def prepare(infrared, size):
        image = cv2.resize(infrared.image, size[::-1])
        return refuse_second(image) if where == "prepare" else image

    results, pipeline = run(*folders(tmp_path, [1, 2, 3], [1, 2, 3]), fuse, prepare=prepare)

    assert [r.reason for r in results] == ["", "refused: the engine takes 480x640", ""]
    assert pipeline.statistics().visible.dropped == {"refused": 1}
    check_closed(pipeline)


def test_what_memory_refuses_costs_a_frame(tmp_path):
    errors = [MemoryError()]

    def fuse(visible, infrared):
        if errors:
            raise errors.pop()
        return visible

    results, _ = run(*folders(tmp_path, [1, 2], [1, 2]), fuse)
    assert [r.reason for r in results] == ["refused: not enough memory", ""]


def test_an_error_that_lasts_ends_the_stream(tmp_path):
    """A service is started anew, instead of going on unfused."""

    def fuse(visible, infrared):
        raise LastingError("the GPU is lost")

    with pytest.raises(LastingError, match="the GPU is lost"):
        run(*folders(tmp_path, [1, 2], [1, 2]), fuse)


def test_a_bug_ends_the_stream_and_closes_the_outputs(tmp_path):
    class Closing:
        closed = 0

        def write(self, result):
            pass

        def close(self):
            self.closed += 1

    def fuse(visible, infrared):
        raise ZeroDivisionError

    output = Closing()
    pipeline = Pipeline(*folders(tmp_path, [1, 2], [1, 2]), fuse)
    with pytest.raises(ZeroDivisionError), pipeline:
        pipeline.run(output)

    assert output.closed == 1
    assert pipeline.statistics().visible.dropped["failed"] == 1
    check_closed(pipeline)


def test_a_damaged_file_is_named(tmp_path):
    sources = folders(tmp_path, [1, 2, 3], [1, 2, 3])
    (tmp_path / "i" / "001.png").write_bytes(b"no image")

    with pytest.raises(UserError, match=r"i/001\.png"):
        run(*sources, average)


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"no video")

    with pytest.raises(UserError, match=r"v\.mp4: cannot be opened"):
        run(VideoFile(tmp_path / "v.mp4"), VideoFile(tmp_path / "v.mp4"), average)


def test_a_camera_and_a_file_do_not_go_together(tmp_path):
    with pytest.raises(UserError, match="give two cameras or two files"):
        Pipeline(find_source("rtsp://rig/1"), folders(tmp_path, [1], [1])[1], average)
    with pytest.raises(UserError, match=r"rig/1 is live, .* is not; give two cameras"):
        Pipeline(ImageFolder(tmp_path / "v", infrared=False), find_source("rtsp://rig/1"), average)
    with pytest.raises(UserError, match="by time"):
        Pipeline(find_source("rtsp://rig/1"), find_source("rtsp://rig/2"), average, pair_by="index")


def test_a_consumer_that_sleeps_gets_the_newest_frame_and_no_backlog():
    visible = ScriptedCamera("visible", (32, 40, 3), period=0.002)
    infrared = ScriptedCamera("infrared", (24, 30), period=0.002)
    reached = threading.Event()
    with Pipeline(visible, infrared, average, length=4) as pipeline:
        results = iter(pipeline)
        for _ in range(5):
            next(results)
            start = visible.sent
            while visible.sent < start + 100:
                reached.wait(0.01)
            assert next(results).visible.index >= start + 100 - 4 - 1
        held = pipeline._pairer._tracks
        assert all(len(track.held) <= 4 for track in held.values())

    assert pipeline.statistics().visible.dropped["overrun"] >= 400
    check_closed(pipeline)


def test_stop_ends_the_loop_from_another_thread():
    cameras = [ScriptedCamera(n, (32, 40), period=0.002) for n in ("visible", "infrared")]
    with Pipeline(*cameras, average) as pipeline:
        for number, _ in enumerate(pipeline):
            if number == 3:
                threading.Thread(target=pipeline.stop).start()
    check_closed(pipeline)
    assert pipeline.statistics().visible.state == "ended"


def test_network_cameras_are_fused_and_one_may_leave_and_return():
    visible = np.full((48, 64, 3), 200, np.uint8)
    infrared = np.full((24, 32), 100, np.uint8)
    with MjpegServer(visible) as v, MjpegServer(infrared) as i:
        sources = find_source(v.address), find_source(i.address, infrared=True)
        with Pipeline(*sources, average, back_off=(0.01, 0.1)) as pipeline:
            results = iter(pipeline)
            while not (result := next(results)).fused:
                pass
            assert result.image.shape == (48, 64, 3) and abs(int(result.image.mean()) - 150) < 5
            i.live.clear()
            while next(results).reason != "infrared down":
                pass
            assert pipeline.statistics().infrared.state in ("down", "connecting", "live")
            i.live.set()
            while not next(results).fused:
                pass
            statistics = pipeline.statistics()
    assert statistics.infrared.reconnections >= 1 and statistics.visible.reconnections == 0
    assert statistics.latency_p50 is not None and statistics.rate > 0 and statistics.live
    check_closed(pipeline)


class Stamped(ScriptedCamera):
    """Declares a shared clock, from which its own is `wrong` seconds away."""

    clock, wrong = "shared", 0.0

    def picture(self) -> tuple[np.ndarray, float]:
        return super().picture()[0], time.monotonic() - self.wrong


def test_the_log_says_once_why_cameras_that_deliver_are_not_paired(monkeypatch, caplog):
    monkeypatch.setattr("ship_deploy.streams.pairer.UNPAIRED", 0.3)
    visible, infrared = Stamped("visible", (32, 40, 3)), Stamped("infrared", (24, 32))
    infrared.wrong = 0.9
    with Pipeline(visible, infrared, average, deadlines=(1.0, 0.1)) as pipeline:
        for number, result in enumerate(pipeline):
            assert not result.fused
            if number == 250:
                break
    said = [record.getMessage() for record in caplog.records]
    complaints = [text for text in said if text.startswith("nothing was paired")]
    assert len(complaints) == 1 and "infrared frames lie -0." in complaints[0]
