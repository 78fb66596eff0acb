"""How published data sets name the two images of a scene."""

import pytest

from ship_deploy.names import group_by_scene, name_some


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
        ("7.png", "0007.png"),
        ("v10_07.png", "V010_0007.png"),
        ("caf\u00e9.png", "cafe\u0301.png"),  # one name, in both forms of Unicode
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


def test_zeros_within_and_at_the_end_of_a_number_count(tmp_path):
    fill(tmp_path, "v/100.png", "v/0.png", "i/1.png", "i/00.png")
    left, right = scenes(tmp_path)
    assert left.keys() & right.keys() == {"0"}


def test_many_names_are_told_in_part():
    assert name_some(["a", "b"]) == "a, b"
    names = [str(number) for number in range(110)]
    assert name_some(names, separator="; ") == "0; 1; 2; 3; 4; 5; 6; 7; 8; 9 and 100 more"
