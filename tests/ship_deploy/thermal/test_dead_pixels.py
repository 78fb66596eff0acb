import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.images import write_png
from ship_deploy.thermal import DeadPixels, find_dead_pixels, read_dead_pixels
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


@pytest.fixture(scope="module")
def mask():
    dead = np.zeros(SIZE, bool)
    dead.flat[np.random.default_rng(1).choice(dead.size, 30, replace=False)] = True
    dead[20:22, 30:32] = True  # a cluster
    return dead


def test_stuck_pixels_are_found(frames, mask):
    broken = frames.copy()
    broken[:, mask] = np.random.default_rng(2).choice([0, 9000, 16383], mask.sum())
    found = find_dead_pixels(broken)
    assert found[mask].all()
    assert found[~mask].sum() <= 1


def test_pixels_that_stick_out_are_found(frames):
    broken = frames.copy()
    places = [(5, 7), (30, 40), (50, 71)]
    for place in places:
        broken[(slice(None), *place)] += 3000
    found = find_dead_pixels(broken)
    assert all(found[place] for place in places)
    assert found.sum() <= 4


def test_a_whole_sensor_has_none(frames):
    assert find_dead_pixels(frames).sum() <= 1


def test_what_cannot_tell(frames):
    with pytest.raises(UserError, match="4 frames; dead pixels need at least 5"):
        find_dead_pixels(frames[:4])
    broken = frames.copy()
    broken[:, :, :20] = 0
    with pytest.raises(UserError, match="25% of the pixels look dead"):
        find_dead_pixels(broken)


def test_the_median_of_the_nearest_living_pixels_replaces(frames, mask):
    broken = frames[0].copy()
    broken[mask] = 0
    mended = DeadPixels(mask).replace(broken)
    assert np.array_equal(mended[~mask], broken[~mask])
    around = np.array([mended[y - 1 : y + 2, x - 1 : x + 2] for y, x in [(30, 40)]])
    assert np.abs(mended[mask].astype(int) - frames[0][mask]).mean() < 200 < around.mean()
    assert (broken[mask] == 0).all()  # the frame that came is as it was


def test_a_known_neighbourhood():
    image = np.arange(25, dtype=np.uint16).reshape(5, 5)
    dead = np.zeros((5, 5), bool)
    dead[2, 2] = dead[0, 0] = True
    mended = DeadPixels(dead).replace(np.where(dead, 60000, image).astype(np.uint16))
    assert mended[2, 2] == 12  # the eight around it
    assert mended[0, 0] == 5  # of 1, 5, 6, 2, 10, 7, 11 and 3 or 15


def test_a_region_without_living_neighbours():
    with pytest.raises(UserError, match="too many dead pixels around"):
        DeadPixels(np.ones((20, 20), bool))


def test_a_map_from_a_file(tmp_path, mask):
    write_png(tmp_path / "dead.png", np.uint8(mask) * 255)
    dead = read_dead_pixels(tmp_path / "dead.png")
    assert np.array_equal(dead.replace(np.ones(SIZE, np.uint8)), np.ones(SIZE, np.uint8))
    with pytest.raises(UserError, match="is 60x80, the frame is 20x30"):
        dead.replace(np.ones((20, 30), np.uint16))
    write_png(tmp_path / "dead.png", np.full(SIZE, 255, np.uint8))
    with pytest.raises(UserError, match=r"dead\.png: too many dead pixels"):
        read_dead_pixels(tmp_path / "dead.png")
    write_png(tmp_path / "dead.png", np.full((400, 400), 255, np.uint8))
    with pytest.raises(UserError, match=r"dead\.png: 160,000 pixels are not black"):
        read_dead_pixels(tmp_path / "dead.png")
    with pytest.raises(UserError, match=r"none\.png: cannot read"):
        read_dead_pixels(tmp_path / "none.png")
