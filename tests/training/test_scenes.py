import subprocess
import sys

import cv2
import numpy as np
import pytest

from training.scenes import render
from training.scenes.figures import Person
from training.scenes.streets import invent


def test_a_seed_gives_the_same_frames_in_another_process_too():
    program = (
        "import hashlib; from training.scenes import render\n"
        "print(hashlib.sha256(b''.join(f.tobytes() for f in render(5, 64, 96))).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(digests) == 1
    first, second = render(5, 64, 96), render(5, 64, 96)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_seeds_give_different_streets():
    frames = [cv2.GaussianBlur(render(seed, 120, 160)[0], (0, 0), 3) for seed in range(4)]
    for i, one in enumerate(frames):
        for other in frames[:i]:  # noise alone would give less than 1
            assert np.abs(one.astype(int) - other).mean() > 10


@pytest.mark.parametrize(
    "size", [(32, 32), (33, 57), (64, 96), (97, 41), (233, 317), (480, 640)], ids=str
)
def test_any_size_gives_a_bright_person_in_a_dark_street(size):
    visible, infrared = render(7, *size)
    assert (visible.shape, visible.dtype) == ((*size, 3), np.uint8)
    assert (infrared.shape, infrared.dtype) == (size, np.uint8)
    assert np.median(visible) < 110 < visible.max()
    assert np.median(infrared) < 100 < 140 < infrared.max()


def contrasts(seed: int, size: tuple[int, int] = (480, 640)) -> np.ndarray:
    """How much brighter than its sides every chest is: rows of (visible, infrared), grey levels."""
    visible, infrared = render(seed, *size)
    street = invent(np.random.default_rng(seed), *(2 * n for n in size))
    rows = []
    for person in (thing for thing in street.things if isinstance(thing, Person)):
        chest = 0.7 * person.height
        ends = [(person.x + s * 0.12, chest + s * 0.15, person.z) for s in (-1, 1)]
        (left, bottom), (right, top) = (street.camera.project(ends) / 2).astype(int).tolist()
        wide = right - left
        if wide < 2 or left < 4 * wide or right + 4 * wide >= size[1] or bottom >= size[0]:
            continue
        row = []
        for grey in (cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY), infrared):
            band = grey[top:bottom]
            beside = (
                band[:, left - 4 * wide : left - wide],
                band[:, right + wide : right + 4 * wide],
            )
            row.append(band[:, left:right].mean() - np.median(np.hstack(beside)))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("seed", range(4))
def test_people_are_warm_and_some_are_seen_by_the_infrared_camera_only(seed):
    in_visible, in_infrared = contrasts(seed).T
    assert len(in_infrared) >= 3
    assert in_infrared.min() > 40
    assert np.abs(in_visible).min() < 15


@pytest.mark.parametrize("seed", [2, 3])
def test_paint_and_brick_are_in_the_visible_frame_only(seed):
    def detail(grey):
        smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.5)  # without the noise
        return np.abs(cv2.Laplacian(smooth, cv2.CV_32F)).mean()

    visible, infrared = render(seed)
    assert detail(cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY)) > 2 * detail(infrared)


def test_command_writes_pairs(tmp_path):
    command = [sys.executable, "-m", "training.scenes", str(tmp_path)]
    subprocess.run([*command, "--count", "2", "--height", "48", "--width", "64"], check=True)
    for seed in range(2):
        for name, frame in zip(("visible", "infrared"), render(seed, 48, 64), strict=True):
            path = tmp_path / name / f"street_{seed}.png"
            assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), frame)
