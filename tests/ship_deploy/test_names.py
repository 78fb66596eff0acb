"""How published data sets name the two images of a scene."""

import pytest

from ship_deploy.names import group_by_scene


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def scenes(root):
    groups = group_by_scene([(root / "v", "visible"), (root / "i", "infrared")])
    return [{name: [p.name for p in paths] for name, paths in group.items()} for group in groups]


@pytest.mark.parametrize(
    ("visible", "infrared"),
    [
        ("1.jpg", "1.TIFF"),
        ("A.PNG", "a.png"),
        ("001_vis.png", "001_ir.png"),
        ("001-VIS.png", "001-IR.png"),
        ("vis_7.bmp", "thermal_7.bmp"),
        ("FLIR_00001_RGB.jpg", "FLIR_00001_PreviewData.jpeg"),
        ("set00/V000/I1.png", "set00/V000/I1.png"),
        ("train/010001.jpg", "train/010001.jpg"),
        ("Set00/1 visible.png", "Set00/1 lwir.png"),
    ],
)
def test_schemes_of_data_sets(tmp_path, visible, infrared):
    fill(tmp_path, f"v/{visible}", f"i/{infrared}")
    fill(tmp_path, "v/._1.png", "v/Thumbs.db", "i/.DS_Store", "i/.thumbs/1.png", "v/notes.txt")
    left, right = scenes(tmp_path)
    assert left.keys() == right.keys() and len(left) == 1


def test_names_that_match_as_they_are_stay_apart(tmp_path):
    """Case matters where both folders hold both; so do endings that say nothing of a camera."""
    names = ("a.png", "A.png", "a_ir.png", "vis.png", "1/a.png", "2/a.png")
    fill(tmp_path, *(f"{side}/{name}" for side in "vi" for name in names))
    left, right = scenes(tmp_path)
    assert left == right and len(left) == len(names)


def test_the_mark_of_the_other_camera_is_no_mark(tmp_path):
    fill(tmp_path, "v/1_ir.png", "i/1_vis.png")
    left, right = scenes(tmp_path)
    assert left.keys() != right.keys()


def test_two_files_of_one_scene_are_both_told(tmp_path):
    fill(tmp_path, "v/1_vis.png", "v/1_rgb.png", "i/1_ir.png")
    left, right = scenes(tmp_path)
    assert left == {"1": ["1_rgb.png", "1_vis.png"]} and right == {"1": ["1_ir.png"]}
