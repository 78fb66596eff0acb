"""Enlarged crops of several methods, beside each other."""

import cv2
import numpy as np

from benchmarks.quality.panels import GAP, LABEL, SCALE, SIDE, Scene, run, strongest
from ship_deploy.images import write_png


def test_finds_the_window_with_the_strongest_edges_of_either_source():
    for kind in range(2):
        frames = [np.zeros((120, 160), np.uint8) for _ in range(2)]
        frames[0][10:14, 10:14] = 40  # weaker
        frames[kind][60:90:2, 100:130] = 200
        top, left = strongest(Scene("", *frames))
        assert 90 - SIDE <= top <= 60 and 130 - SIDE <= left <= 100


def test_a_frame_of_the_windows_size_has_one_window():
    frame = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    assert strongest(Scene("", frame, frame)) == (0, 0)


def test_sources_and_methods_stand_side_by_side_enlarged(tmp_path):
    levels = {"visible": 40, "infrared": 200}
    for kind, level in levels.items():
        (tmp_path / "set" / kind).mkdir(parents=True)
        for name in "abc":
            write_png(tmp_path / "set" / kind / f"{name}.png", np.full((64, 80), level, np.uint8))
    run([str(tmp_path / "set")], ["maximum", "average"], tmp_path / "out", 3)
    sheet = cv2.imread(str(tmp_path / "out" / "panels.jpg"), cv2.IMREAD_GRAYSCALE)
    step, middle = SIDE * SCALE + GAP, SIDE * SCALE // 2
    wide = sheet.shape[1] // 2
    for block, places in ((0, 2), (1, 1)):  # three crops: two in the first block, one in the second
        for place in range(places):
            line = sheet[LABEL + place * (step + LABEL) + LABEL + middle, block * wide :]
            found = [int(line[column * step + middle]) for column in range(4)]
            np.testing.assert_allclose(found, [40, 200, 200, 120], atol=2)
