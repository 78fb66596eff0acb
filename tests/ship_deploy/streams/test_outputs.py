"""What is written, and when it is there."""

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.results import Result
from ship_deploy.streams import ImageOutput, VideoOutput
from ship_deploy.streams.outputs import close_all


def result(value: int, time: float, shape=(48, 64, 3)) -> Result:
    return Result(np.full(shape, value, np.uint8), None, None, False, "", time, time)


def frames_of(path) -> list[int]:
    video, values = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        values.append(round(float(read[1].mean())))
        assert read[1].shape == (48, 64, 3)
    return values


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "avi"])
def test_a_video_plays_at_the_speed_of_the_frames(tmp_path, suffix):
    path = tmp_path / "new" / f"o.{suffix}"
    output = VideoOutput(path, 10.0)
    for value, time in ((20, 7.0), (60, 7.1), (100, 7.5), (140, 7.61), (160, 7.62), (180, 7.7)):
        output.write(result(value, time))
    assert not path.exists()  # only finished files are there
    output.close()
    output.close()

    expected = [20, 60, 60, 60, 60, 100, 140, 180]
    assert frames_of(path) == pytest.approx(expected, abs=6)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_long_gap_is_cut_short_and_other_sizes_are_scaled(tmp_path):
    output = VideoOutput(tmp_path / "o.mp4", 10.0)
    output.write(result(50, 0.0))
    output.write(result(100, 3600.0, shape=(32, 32, 3)))
    output.close()

    assert len(frames_of(tmp_path / "o.mp4")) == 1 + 20 + 1


def test_without_a_frame_no_file_is_made(tmp_path):
    VideoOutput(tmp_path / "o.mp4").close()

    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_to_are_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "o.mp4").mkdir()
    for path in (tmp_path / "o.gif", tmp_path / "file" / "o.mp4", tmp_path / "o.mp4"):
        with pytest.raises(UserError, match=str(tmp_path)):
            VideoOutput(path)


def test_a_video_that_does_not_play_is_an_error(tmp_path):
    output = VideoOutput(tmp_path / "o.mp4")
    output.write(result(50, 0.0))
    output._part.unlink()

    with pytest.raises(UserError, match="full"):
        output.close()
    assert not (tmp_path / "o.mp4").exists()


def test_images_are_numbered(tmp_path):
    output = ImageOutput(tmp_path / "new")
    for value in range(3):
        output.write(result(value, 0.0))
    output.close()

    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["00000000.png", "00000001.png", "00000002.png"]
    assert (cv2.imread(str(tmp_path / "new" / names[2])) == 2).all()


def test_every_output_is_closed_though_one_fails():
    closed = []

    class Output:
        def __init__(self, error=None):
            self.error = error

        def write(self, result):
            pass

        def close(self):
            closed.append(self)
            if self.error:
                raise self.error

    outputs = [Output(UserError("first")), Output(UserError("second")), Output()]
    with pytest.raises(UserError, match="first"):
        close_all(outputs)
    assert closed == outputs
