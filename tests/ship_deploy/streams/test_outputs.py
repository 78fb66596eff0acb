"""What is written, and when it is there."""

import cv2
import numpy as np
import pytest

from ship_deploy.errors import UserError
from ship_deploy.results import Result
from ship_deploy.streams import ImageOutput
from ship_deploy.streams.outputs import close_all


def result(value: int, time: float, shape=(48, 64, 3)) -> Result:
    return Result(np.full(shape, value, np.uint8), None, None, False, "", time, time)


def test_images_are_numbered(tmp_path):
    output = ImageOutput(tmp_path / "new")
    for value in range(3):
        output.write(result(value, 0.0))
    output.close()

    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["00000000.png", "00000001.png", "00000002.png"]
    assert (cv2.imread(str(tmp_path / "new" / names[2])) == 2).all()


@pytest.mark.parametrize("overwrite", [False, True])
def test_images_of_an_earlier_run_stay(tmp_path, overwrite):
    for name in ("00000006.png", "7.png", "note.png"):
        (tmp_path / name).touch()
    output = ImageOutput(tmp_path, overwrite=overwrite)
    output.write(result(1, 0.0))
    assert (tmp_path / ("00000000.png" if overwrite else "00000007.png")).exists()


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
