"""`ship-deploy fuse`: pictures in, pictures out, and nothing half-written."""

import os
import resource
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy import UserError
from ship_deploy.commands.fuse import fuse_files
from ship_deploy.frames import stretch
from ship_deploy.images import read_visible, write_png
from tests.ship_deploy.commands.process import check_refused, ship_deploy, start
from training.scenes import render


def make_folders(folder: Path, count: int) -> tuple[Path, Path]:
    folders = folder / "visible", folder / "infrared"
    scenes = [render(seed, 48, 64) for seed in range(min(count, 3))]
    for side, path in enumerate(folders):
        path.mkdir()
        for number in range(count):
            write_png(path / f"{number:03}.png", scenes[number % 3][side])
    return folders


def test_two_files_into_a_file(pair, model, fuser, tmp_path):
    output = tmp_path / "fused.png"

    result = ship_deploy("fuse", *pair, "-o", output, "--model", model, "--device", "cpu")

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(output)
    visible, infrared = cv2.imread(str(pair[0])), cv2.imread(str(pair[1]), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(cv2.imread(str(output)), fuser(visible, infrared))


def test_two_folders_into_a_new_folder_with_a_report(model, tmp_path):
    folders = make_folders(tmp_path, 3)
    output, report = tmp_path / "deep" / "fused", tmp_path / "pages" / "report.html"

    result = ship_deploy("fuse", *folders, "-o", output, "--model", model, "--report", report)

    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in output.iterdir()) == ["000.png", "001.png", "002.png"]
    assert "Fused 3 pairs on onnxruntime, cpu" in result.stderr
    page = report.read_text()
    assert all(f"{n:03}" in page for n in range(3)) and "onnxruntime" in page


def test_16_bit_infrared_with_percentiles(pair, model, tmp_path):
    counts = cv2.imread(str(pair[1]), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 20 + 7000
    write_png(tmp_path / "counts.png", counts)
    for name, limits in (("wide", ("0", "100")), ("narrow", ("20", "80"))):
        result = ship_deploy(
            "fuse", pair[0], tmp_path / "counts.png", "-o", tmp_path / f"{name}.png",
            "--model", model, "--percentiles", *limits, "--report", tmp_path / "page.html",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    wide, narrow = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("wide", "narrow"))
    assert not np.array_equal(wide, narrow)


def damage(kind: str, path: Path) -> None:
    if kind == "missing":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-30])
    elif kind == "text":
        path.write_text("hello")
    else:
        height, width = (int(n) for n in kind.split("x"))
        write_png(path, np.zeros((height, width), np.uint8))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"),
        ("empty", "the file is empty"),
        ("truncated", "truncated"),
        ("text", "not an image"),
        ("1x1", "1x1"),
        ("40x64", "40x64"),
    ],
)
def test_a_bad_image_is_refused_and_nothing_is_written(pair, model, tmp_path, side, kind, message):
    damage(kind, pair[side])
    output, report = tmp_path / "out", tmp_path / "report.html"

    result = ship_deploy("fuse", *pair, "-o", output, "--model", model, "--report", report)

    check_refused(result, message)
    assert pair[side].name in result.stderr or "x" in kind
    assert not output.exists() and not report.exists()


@pytest.mark.parametrize("size", ["1x1", "15x64", "64x15"])
def test_images_that_are_too_small(pair, model, tmp_path, size):
    for path in pair:
        damage(size, path)
    result = ship_deploy("fuse", *pair, "-o", tmp_path / "out", "--model", model)
    check_refused(result, f"frames are {size}, the smallest is 16x16")
    assert not (tmp_path / "out").exists()


def test_float_infrared_with_a_nan(pair, model, tmp_path):
    degrees = np.full((48, 64), 21.5, np.float32)
    degrees[3, 5] = np.nan
    cv2.imwrite(str(tmp_path / "degrees.tiff"), degrees)

    result = ship_deploy(
        "fuse", pair[0], tmp_path / "degrees.tiff", "-o", tmp_path / "out", "--model", model
    )

    check_refused(
        result, "degrees.tiff: infrared has 1 NaN or infinite samples, the first at (3, 5)"
    )
    assert not (tmp_path / "out").exists()


def test_one_bad_pair_in_a_folder_stops_before_anything_is_written(model, tmp_path):
    folders = make_folders(tmp_path, 3)
    damage("truncated", folders[0] / "002.png")
    result = ship_deploy("fuse", *folders, "-o", tmp_path / "out", "--model", model)
    check_refused(result, "002.png: the image is truncated")
    assert not (tmp_path / "out").exists()


def test_names_without_partner_are_all_named(model, tmp_path):
    visible, infrared = make_folders(tmp_path, 3)
    (visible / "000.png").rename(visible / "left.png")
    (infrared / "002.png").unlink()
    result = ship_deploy("fuse", visible, infrared, "-o", tmp_path / "out", "--model", model)
    check_refused(result, "no image of the same name in the other folder for")
    assert all(name in result.stderr for name in ("000.png", "002.png", "left.png"))


def test_an_input_is_never_overwritten(model, tmp_path):
    folders = make_folders(tmp_path, 1)
    before = (folders[0] / "000.png").read_bytes()
    result = ship_deploy("fuse", *folders, "-o", folders[0], "--model", model)
    check_refused(result, "would overwrite an input")
    assert (folders[0] / "000.png").read_bytes() == before


@pytest.mark.parametrize("output", ["/proc/out", "/dev/null/out", "fused.jpg"])
def test_an_output_that_cannot_be_written(pair, model, output):
    result = ship_deploy("fuse", *pair, "-o", output, "--model", model)
    check_refused(result, output)


def test_a_read_only_folder(pair, model, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write to read-only folders")
    result = ship_deploy("fuse", *pair, "-o", folder, "--model", model)
    check_refused(result, "locked: cannot write there (Permission denied)")


def test_a_full_disk(pair, model, tmp_path):
    """A limit on the size of files stands in for the disk."""
    output = tmp_path / "out"
    result = ship_deploy(
        "fuse", *pair, "-o", output, "--model", model,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )  # fmt: skip
    assert result.returncode == 1
    assert "v.png: cannot write (File too large)" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(output.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_midway_leaves_whole_files_only(model, tmp_path, number):
    folders = make_folders(tmp_path, 200)
    output, report = tmp_path / "out", tmp_path / "report.html"
    arguments = ["fuse", *folders, "-o", output, "--model", model, "--report", report]
    process = start(*arguments)
    deadline = time.monotonic() + 60
    while len(finished(output)) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "interrupted; what was finished is kept" in errors
    assert "Traceback" not in errors
    assert 3 <= len(finished(output)) < 200
    assert not report.exists()
    assert all(cv2.imread(str(path)).shape == (48, 64, 3) for path in output.iterdir())


def finished(folder: Path) -> Sequence[Path]:
    return list(folder.glob("[!.]*.png")) if folder.exists() else []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backend", "magic"], "unknown backend 'magic'"),
        (["--device", "gpu9"], "unknown device 'gpu9'"),
        (["--threads", "0"], "threads is 0"),
        (["--percentiles", "9", "3"], "percentiles are 9.0 and 3.0"),
        (["--model", "none.onnx"], "none.onnx: cannot read the model"),
    ],
)
def test_wrong_values(pair, model, tmp_path, arguments, message):
    result = ship_deploy(
        "fuse", *pair, "-o", tmp_path / "out", "--model", model, *arguments, cwd=tmp_path
    )
    check_refused(result, message)
    assert not (tmp_path / "out").exists()


def test_a_list_of_pairs(tmp_path, model):
    visible, infrared = render(0, 48, 64)
    write_png(tmp_path / "left.png", visible)
    write_png(tmp_path / "right 1.png", infrared)
    (tmp_path / "list.csv").write_text("visible,infrared\nleft.png,right 1.png\n")
    out = tmp_path / "out"
    fuse_files(None, None, out, listed=tmp_path / "list.csv", model=model, device="cpu")
    assert [path.name for path in out.iterdir()] == ["left.png"]
    for wrong in ({"listed": None}, {"listed": tmp_path / "list.csv", "visible": tmp_path}):
        arguments = {"visible": None, "infrared": None, "output": out, **wrong}
        with pytest.raises(UserError, match="or --pairs"):
            fuse_files(**arguments)


def test_temperatures_below_an_image_are_fused_in_sixteen_bits(tmp_path, model, fuser):
    visible, infrared = render(0, 48, 64)
    counts = infrared.astype(np.uint16) * 20 + 280 * 64
    write_png(tmp_path / "v.png", visible)
    write_png(tmp_path / "i.png", np.concatenate([np.full((48, 64), 90, np.uint16), counts]))
    paths = tmp_path / "v.png", tmp_path / "i.png", tmp_path / "out.png"
    fuse_files(*paths, crop_infrared="bottom", model=model, device="cpu")
    expected = fuser(visible, stretch(counts, (0.5, 99.5)))
    assert np.array_equal(read_visible(paths[2]), expected)


@pytest.mark.parametrize("crop", [None, "top"])
def test_two_pictures_in_one_need_a_crop(tmp_path, model, crop):
    visible, infrared = render(0, 48, 64)
    write_png(tmp_path / "v.png", visible)
    write_png(tmp_path / "i.png", np.concatenate([infrared, 255 - infrared]))
    write_png(tmp_path / "one.png", infrared)
    paths = tmp_path / "v.png", tmp_path / "i.png", tmp_path / "out.png"
    options = {"model": model, "device": "cpu", "crop_infrared": crop}
    if crop is None:
        with pytest.raises(UserError, match="of the same proportions"):
            fuse_files(*paths, **options)
        return
    fuse_files(*paths, **options)
    fuse_files(paths[0], tmp_path / "one.png", tmp_path / "expected.png", model=model, device="cpu")
    assert np.array_equal(read_visible(paths[2]), read_visible(tmp_path / "expected.png"))


def test_nested_folders_keep_their_shape(tmp_path, model):
    for side, name in enumerate(("v", "i")):
        (tmp_path / name / "night").mkdir(parents=True)
        write_png(tmp_path / name / "night" / "1.png", render(0, 48, 64)[side])
    fuse_files(tmp_path / "v", tmp_path / "i", tmp_path / "out", model=model, device="cpu")
    assert (tmp_path / "out" / "night" / "1.png").exists()


def test_the_limit_on_pixels(pair, model, tmp_path):
    few = ("--max-pixels", "1000")
    check_refused(
        ship_deploy("fuse", *pair, "-o", tmp_path / "a.png", "--model", model, *few),
        "at most 1,000 are decoded",
    )
    assert not (tmp_path / "a.png").exists()
