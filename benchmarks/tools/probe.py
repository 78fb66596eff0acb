"""Runs a model in one tool; started in that tool's own environment, so it imports nothing of ours.

`python probe.py TOOL MODEL.onnx FRAMES.npz RESULT.npz`: frames are uint8, visible (1, H, W, 3) and
infrared (1, H, W) by turns; the result has what is fused of each pair, as the tool gives it.
"""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pairs = list[tuple[Array, Array]]
BINARIES = Path(sys.executable).parent
INPUTS, OUTPUT = ("visible", "infrared"), "fused"


def onnxruntime(model: str, pairs: Pairs) -> list[Array]:
    """As any program would open it."""
    session = import_module("onnxruntime").InferenceSession(
        model, providers=["CPUExecutionProvider"]
    )
    return [session.run(None, dict(zip(INPUTS, pair, strict=True)))[0] for pair in pairs]


def openvino(model: str, pairs: Pairs, **options: str) -> list[Array]:
    """In the type that OpenVINO chooses."""
    core = import_module("openvino").Core()
    compiled = core.compile_model(core.read_model(model), "CPU", options)
    return [compiled(list(pair))[0] for pair in pairs]


def openvino_f32(model: str, pairs: Pairs) -> list[Array]:
    """In FP32."""
    return openvino(model, pairs, INFERENCE_PRECISION_HINT="f32")


def opencv(model: str, pairs: Pairs) -> list[Array]:
    """OpenCV's module dnn."""
    net = import_module("cv2").dnn.readNetFromONNX(model)
    results = []
    for pair in pairs:
        for name, frame in zip(INPUTS, pair, strict=True):
            net.setInput(frame, name)
        results.append(net.forward().copy())
    return results


def mnn(model: str, pairs: Pairs) -> list[Array]:
    """Converted by mnnconvert."""
    options = ["-f", "ONNX", "--modelFile", model, "--MNNModel", "model.mnn", "--bizCode", "none"]
    call("mnnconvert", *options)
    import_module("MNN")
    nn, expr = import_module("MNN.nn"), import_module("MNN.expr")
    module = nn.load_module_from_file("model.mnn", list(INPUTS), [OUTPUT])
    results = []
    for pair in pairs:
        given = [expr.const(x.ravel().tolist(), list(x.shape), expr.NCHW, expr.uint8) for x in pair]
        made = module.forward(given)
        results.append(np.array((made[0] if isinstance(made, list | tuple) else made).read()))
    return results


def tract(model: str, pairs: Pairs) -> list[Array]:
    """Planned anew for each size."""
    results = []
    for pair in pairs:
        graph = import_module("tract").onnx().load(model)
        for number, frame in enumerate(pair):
            graph.set_input_fact(number, ",".join(map(str, frame.shape)) + ",u8")
        graph.analyse()
        runnable = graph.into_model().into_runnable()
        results.append(runnable.run(list(pair))[0].to_numpy())
    return results


def iree(model: str, pairs: Pairs) -> list[Array]:
    """Compiled for this CPU."""
    call("iree-import-onnx", model, "--opset-version", "20", "-o", "model.mlir")
    call(
        *("iree-compile", "model.mlir", "-o", "model.vmfb", "--iree-hal-target-device=local"),
        *("--iree-hal-local-target-device-backends=llvm-cpu", "--iree-llvmcpu-target-cpu=host"),
    )
    runtime = import_module("iree.runtime")
    loaded = runtime.load_vm_flatbuffer_file("model.vmfb", driver="local-task")
    names = [n for n in loaded.vm_module.function_names if not re.search("^__|async$", n)]
    function = getattr(loaded, names[0])
    # It returns bytes without a sign as if they had one.
    return [np.asarray(function(*pair).to_host()).view(np.uint8) for pair in pairs]


def iree_fixed(model: str, pairs: Pairs) -> list[Array]:
    """The size fixed by onnxslim before."""
    call("onnxslim", model, "fixed.onnx", "--input-shapes", *shapes(pairs[0], ","))
    return iree("fixed.onnx", pairs[:1])


def ncnn(model: str, pairs: Pairs) -> list[Array]:
    """Converted by pnnx for one size."""
    sizes = ",".join(f"[{','.join(map(str, frame.shape))}]u8" for frame in pairs[0])
    call("pnnx", str(Path(model).rename("model.onnx")), f"inputshape={sizes}")
    net = import_module("ncnn").Net()
    if net.load_param("model.ncnn.param") or net.load_model("model.ncnn.bin"):
        kinds = {line.split()[0] for line in Path("model.ncnn.param").read_text().splitlines()}
        foreign = ", ".join(sorted(kind for kind in kinds if "." in kind))
        raise RuntimeError(
            f"pnnx converts it, but ncnn does not load it: it has no layer {foreign}"
        )
    extractor = net.create_extractor()
    matrix = import_module("ncnn").Mat
    for number, frame in enumerate(pairs[0]):
        extractor.input(f"in{number}", matrix(frame[0].astype(np.float32)))
    return [np.array(extractor.extract("out0")[1])[None]]


def onnxslim(model: str, pairs: Pairs) -> list[Array]:
    """Then in ONNX Runtime."""
    call("onnxslim", model, "slim.onnx")
    return onnxruntime("slim.onnx", pairs)


def onnxsim(model: str, pairs: Pairs) -> list[Array]:
    """Then in ONNX Runtime."""
    call("onnxsim", model, "simple.onnx")
    return onnxruntime("simple.onnx", pairs)


def polygraphy(model: str, pairs: Pairs) -> list[Array]:
    """Inspected, run, and then what `surgeon sanitize` makes in ONNX Runtime."""
    call("polygraphy", "inspect", "model", model)
    sizes = (f"{name}:[{size}]" for name, size in (s.split(":") for s in shapes(pairs[0], ",")))
    call("polygraphy", "run", model, "--onnxrt", "--input-shapes", *sizes)
    call("polygraphy", "surgeon", "sanitize", "--fold-constants", model, "-o", "clean.onnx")
    return onnxruntime("clean.onnx", pairs)


def quantize_static(model: str, pairs: Pairs) -> list[Array]:
    """ONNX Runtime's, by its defaults, calibrated on calibration.npz; then in ONNX Runtime."""
    others = np.load("calibration.npz")
    feeds = (
        {name: frame[None] for name, frame in zip(INPUTS, pair, strict=True)}
        for pair in zip(*(others[name] for name in INPUTS), strict=True)
    )
    quantization = import_module("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def get_next(self) -> Any:
            return next(feeds, None)

    quantization.quantize_static(model, "quantized.onnx", Reader())
    return onnxruntime("quantized.onnx", pairs)


def opset(version: int, model: str, pairs: Pairs) -> list[Array]:
    """Converted by onnx, then in ONNX Runtime."""
    onnx = import_module("onnx")
    converted = import_module("onnx.version_converter").convert_version(onnx.load(model), version)
    onnx.checker.check_model(converted, full_check=True)
    onnx.save(converted, "converted.onnx")
    return onnxruntime("converted.onnx", pairs)


def netron(model: str, pairs: Pairs) -> list[Array]:
    """Serves its page and the model; it makes no picture."""
    package = import_module("netron")
    host, port = package.serve(model, Path(model).read_bytes(), ("127.0.0.1", 0))
    with urllib.request.urlopen(f"http://{host}:{port}/") as page:
        data = re.search(r'content="(/?data/[^"]+)"', page.read().decode())
    if data is None:
        raise RuntimeError("the page names no model")
    with urllib.request.urlopen(f"http://{host}:{port}/{data[1].lstrip('/')}") as served:
        if served.read() != Path(model).read_bytes():
            raise RuntimeError("another model is served")
    package.stop((host, port))
    return []


def shapes(pair: tuple[Array, Array], separator: str) -> list[str]:
    """Of both frames, such as "visible:1,120,160,3"."""
    sizes = (separator.join(map(str, frame.shape)) for frame in pair)
    return [f"{name}:{size}" for name, size in zip(INPUTS, sizes, strict=True)]


def call(program: str, *arguments: str) -> None:
    """Run a program of this environment; its first line about an error is raised."""
    environment = os.environ | {"PATH": f"{BINARIES}:{os.environ['PATH']}"}
    command = [str(BINARIES / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower()] or said or ["no message"]
        raise RuntimeError(f"{program}: {errors[0].strip()}")


FUNCTIONS: list[Callable[[str, Pairs], list[Array]]] = [
    *(onnxruntime, openvino, openvino_f32, opencv, mnn, tract, iree, iree_fixed, ncnn),
    *(onnxslim, onnxsim, polygraphy, quantize_static, netron),
]
TOOLS = {function.__name__: function for function in FUNCTIONS}
TOOLS.update({f"opset{version}": partial(opset, version) for version in (19, 18, 17)})


if __name__ == "__main__":
    tool, path, frames, result = sys.argv[1:]
    given = list(np.load(frames).values())
    try:
        made = TOOLS[tool](path, list(zip(given[::2], given[1::2], strict=True)))
    except Exception as error:  # of any library
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    np.savez(result, *made)
