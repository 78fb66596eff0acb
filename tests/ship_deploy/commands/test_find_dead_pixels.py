"""`ship-deploy find-dead-pixels`: a folder of frames into a map."""

import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.commands.find_dead_pixels import map_dead_pixels
from ship_deploy.images import read_infrared, write_png
from training.scenes import render

SIZE = (60, 80)


@pytest.fixture(scope="module")
def frames():
    """Counts of a camera that pans over a street."""
    wide = render(1, SIZE[0], 200)[1].astype(np.float64) * 20 + 7000
    noise = np.random.default_rng(0).normal(0, 10, (8, *SIZE))
    return np.stack([wide[:, 10 * n : 10 * n + SIZE[1]] + noise[n] for n in range(8)]).astype(
        np.uint16
    )


def test_a_folder_of_frames_into_a_map(tmp_path, frames, capsys):
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(frames):
        broken = frame.copy()
        broken[10, 20] = 0
        write_png(tmp_path / "frames" / f"{number}.png", broken)
    output = tmp_path / "new" / "dead.png"
    map_dead_pixels(tmp_path / "frames", output)
    said = capsys.readouterr()
    assert said.out.strip() == str(output) and "dead pixels of 4800" in said.err
    found = read_infrared(output)
    assert found[10, 20] == 255 and np.count_nonzero(found) <= 2


@pytest.mark.parametrize(
    ("folder", "output", "message"),
    [
        ("none", "dead.png", "none: no such folder"),
        (".", "new/dead.png", "no images in it"),
        ("frames", "dead.jpg", r"dead\.jpg: maps are written as \.png"),
        ("frames", "frames/dead.png", "would be one of the images"),
        ("frames", "dead.png", "the images are of different sizes"),
    ],
)
def test_maps_that_cannot_be_made(tmp_path, frames, folder, output, message):
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate((*frames, frames[0][1:])):
        write_png(tmp_path / "frames" / f"{number}.png", frame)
    with pytest.raises(UserError, match=message):
        map_dead_pixels(tmp_path / folder, tmp_path / output)
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]
