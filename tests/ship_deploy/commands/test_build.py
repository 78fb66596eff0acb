"""`ship-deploy build`: a model into an engine."""

import importlib.util
import json
import signal
import time

import pytest

from ship_deploy.models import find_model
from tests.ship_deploy.commands.process import WITHOUT_GPU, check_refused, ship_deploy, start

needs_tensorrt_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None,
    reason="needs tensorrt-rtx, of the group test",
)


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
    assert "for frames of 32x48; 1 to 2 per call" in result.stderr
    assert " MiB in " in result.stderr
    assert sorted(p.name for p in engine.parent.iterdir()) == ["small.engine", "small.engine.json"]

    info = json.loads(ship_deploy("info", engine).stdout)

    assert info["engine"]["bytes"] == engine.stat().st_size
    assert info["model_digest"] == json.loads(ship_deploy("info", model).stdout)["digest"]
    assert info["compute_capabilities"] == ["8.6", "8.9"]
    assert info["profile"]["max"] == [2, 32, 48]
    assert info["metadata"]["network"] == "SHIP"
    assert info["gpu"] is None

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
        (["--timing-cache", "times", *RTX], "--timing-cache: tensorrt-rtx uses none"),
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
    check_refused(result, "tensorrt is not installed: pip install '.[tensorrt]'")
    assert not list(tmp_path.iterdir())


@needs_tensorrt_rtx
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(tmp_path, number):
    output = tmp_path / "ship.engine"
    process = start("build", find_model("ship"), "-o", output, *RTX, env=WITHOUT_GPU)
    while "for frames of" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(1)  # into the build, which takes several
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + number, errors
    assert errors.strip() == "interrupted; what was finished is kept"
    assert not output
    assert not list(tmp_path.iterdir())
