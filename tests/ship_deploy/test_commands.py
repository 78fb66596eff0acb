"""`ship-deploy` as a user meets it: a process, its exit code, what it prints and leaves behind."""

import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ship_deploy.fuser import BUNDLED_MODEL
from ship_deploy.images import write_png
from training.scenes import render

COMMAND = [sys.executable, "-m", "ship_deploy"]


def ship_deploy(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options
    )


def start(*arguments: object, **options) -> subprocess.Popen[str]:
    """The command in the background, open to signals even where these tests themselves are not."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def check_refused(result: subprocess.CompletedProcess[str], message: str, code: int = 1) -> None:
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    visible, infrared = render(0, 48, 64)
    write_png(tmp_path / "v.png", visible)
    write_png(tmp_path / "i.png", infrared)
    return tmp_path / "v.png", tmp_path / "i.png"


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
        ("truncated", "cut short"),
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
    check_refused(result, "002.png: the image is cut short")
    assert not (tmp_path / "out").exists()


def test_names_without_partner_are_all_named(model, tmp_path):
    visible, infrared = make_folders(tmp_path, 3)
    (visible / "000.png").rename(visible / "left.png")
    (infrared / "002.png").unlink()
    result = ship_deploy("fuse", visible, infrared, "-o", tmp_path / "out", "--model", model)
    check_refused(result, "no partner of the same name for")
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


@pytest.mark.parametrize(
    "arguments", [["fuse"], ["fuse", "a", "b"], ["nonsense"], ["fuse", "a", "b", "-o", "c", "--x"]]
)
def test_wrong_usage(arguments):
    result = ship_deploy(*arguments)
    assert result.returncode == 2
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["fuse"],
        ["stream"],
        ["build"],
        ["calibrate"],
        ["find-dead-pixels"],
        ["info"],
        ["doctor"],
    ],
)
def test_help(command):
    result = ship_deploy(*command, "--help")
    assert result.returncode == 0
    assert "Usage:" in result.stdout


def test_info_is_json(model):
    result = ship_deploy("info", model)
    facts = json.loads(result.stdout)
    assert (facts["network"], facts["precision"], facts["size"]) == ("SHIP", "fp32", "any")
    assert facts["fidelity"]["raw_error"] < 1e-4
    assert len(facts["digest"]) == 64


def test_debug_shows_where(model, tmp_path):
    result = ship_deploy("info", tmp_path / "none.onnx", "--debug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_doctor_names_what_is_here_and_how_to_get_the_rest():
    result = ship_deploy("doctor", env={**os.environ, "COLUMNS": "120"})
    assert result.returncode == 0, result.stderr
    assert "ONNX Runtime" in result.stdout
    assert "NVIDIA GPU" in result.stdout
    assert "TensorRT-RTX" in result.stdout
    assert "cuda-python" in result.stdout


def test_an_opencv_that_does_not_load(tmp_path):
    """As in a container without the libraries of a desktop."""
    reason = "libGL.so.1: cannot open shared object file"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({reason!r})\n")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "COLUMNS": "150", "PYTHONPATH": path}
    refused = ship_deploy("fuse", "a", "b", "-o", "c", env=environment)
    check_refused(refused, f"error: {reason}; ship-deploy doctor says what is missing\n")
    result = ship_deploy("doctor", env=environment)
    assert result.returncode == 0, result.stderr
    assert f"{reason}; apt install libgl1 libglib2.0-0" in " ".join(result.stdout.split())
    assert "onnxruntime on cpu" in result.stdout


def test_doctor_without_what_engines_need():
    """Also with cuda-python and no driver, or with a GPU that is hidden: a line, no traceback."""
    code = (
        "import sys\n"
        "sys.modules['tensorrt'] = sys.modules['tensorrt_rtx'] = None\n"
        "from ship_deploy.doctor import examine\nexamine()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=120, env={**WITHOUT_GPU, "COLUMNS": "150"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for name, module in (("tensorrt", "tensorrt"), ("tensorrt-rtx", "tensorrt_rtx")):
        assert f"{module} is not installed: pip install 'ship-deploy[{name}]'" in result.stdout
    (line,) = (line for line in result.stdout.splitlines() if "GPU through cuda-python" in line)
    assert "no NVIDIA" in line and "(CUDA error " in line


needs_tensorrt_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None,
    reason="needs tensorrt-rtx, of the group test",
)
WITHOUT_GPU = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
RTX = ("--flavour", "tensorrt-rtx")


@needs_tensorrt_rtx
def test_an_engine_and_what_it_is(model, tmp_path):
    engine = tmp_path / "new" / "small.engine"
    result = ship_deploy(
        "build", model, "-o", engine, *RTX, "--min", "32x48", "--opt", "32x48", "--max", "32x48",
        "--batch", "2", "--compute-capability", "8.9", "--compute-capability", "8.6",
        env=WITHOUT_GPU,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(engine)
    assert f"Build {model} (fp32) with tensorrt-rtx " in result.stderr
    assert "for GPUs of compute capability 8.6, 8.9 (no GPU was found here)" in result.stderr
    assert "for frames of 32x48; 1 to 2 a call" in result.stderr
    assert " MiB in " in result.stderr
    assert sorted(p.name for p in engine.parent.iterdir()) == ["small.engine", "small.engine.json"]

    facts = json.loads(ship_deploy("info", engine).stdout)

    assert facts["engine"]["bytes"] == engine.stat().st_size
    assert facts["model_digest"] == json.loads(ship_deploy("info", model).stdout)["digest"]
    assert facts["compute_capabilities"] == ["8.6", "8.9"]
    assert facts["profile"]["max"] == [2, 32, 48]
    assert facts["metadata"]["network"] == "SHIP"
    assert facts["gpu"] is None

    engine.write_bytes(engine.read_bytes()[:-1])
    check_refused(ship_deploy("info", engine), "small.engine: the engine's size in bytes is ")
    engine.with_name("small.engine.json").unlink()
    check_refused(ship_deploy("info", engine), "cannot read the engine's passport")


@needs_tensorrt_rtx
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min", "96x96", "--opt", "48x64"], "--min (96x96) is larger than --opt (48x64)"),
        (["--opt", "48"], "--opt is '48', expected HEIGHTxWIDTH, such as 480x640"),
        (["--batch", "0"], "--batch is 0"),
        (["--flavour", "magic"], "unknown flavour 'magic'"),
        (["--compute-capability", "1.0", *RTX], "--compute-capability is '1.0', tensorrt-rtx "),
        (["--timing-cache", "times", *RTX], "--timing-cache: tensorrt-rtx times no kernels"),
        (["--workspace", "0", *RTX], "--workspace is 0"),
        (["-o", "/dev/null/new.engine", *RTX], "/dev/null: cannot write there"),
        (["-o", ".", *RTX], ".: is a folder; give a file for the engine"),
        (["-o", "model.onnx", *RTX], "model.onnx: would overwrite an input"),
    ],
)
def test_builds_that_make_no_sense(model, tmp_path, arguments, message):
    (tmp_path / "model.onnx").write_bytes(model.read_bytes())
    result = ship_deploy(
        "build", "model.onnx", "-o", "new/small.engine", *arguments, cwd=tmp_path, env=WITHOUT_GPU
    )
    check_refused(result, message)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == model.read_bytes()


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="tensorrt is here")
def test_a_build_with_what_is_not_installed(model, tmp_path):
    result = ship_deploy("build", model, "-o", tmp_path / "e", "--flavour", "tensorrt")
    check_refused(result, "tensorrt is not installed: pip install 'ship-deploy[tensorrt]'")
    assert not list(tmp_path.iterdir())


@needs_tensorrt_rtx
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(tmp_path, number):
    process = start("build", BUNDLED_MODEL, "-o", tmp_path / "ship.engine", *RTX, env=WITHOUT_GPU)
    while "for frames of" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(1)  # into the build, which takes several
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + number, errors
    assert errors.strip() == "interrupted; what was finished is kept"
    assert not output
    assert not list(tmp_path.iterdir())
