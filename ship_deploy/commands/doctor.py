"""`ship-deploy doctor`: what this machine can run, and how to get what it can't."""

import importlib
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from rich.markup import escape
from rich.table import Table

from ship_deploy import console
from ship_deploy.artifact import VERSION
from ship_deploy.cuda.gpu import find_gpu
from ship_deploy.cuda.jetson import OLDEST, Jetson, find_jetson
from ship_deploy.engines.flavour import MODULES, load
from ship_deploy.errors import UserError, how_to_install
from ship_deploy.fuser import Fuser
from ship_deploy.models import CATALOGUE, WHY, find_model

OK, MISSING = "[green]yes[/]", "[red]no[/]"
SAFE_OPENCV = [4, 13]  # 4.9, 4.11 and 4.12 crash, 4.13, 4.14 and 5.0 do not
Finding = tuple[str, str, str]  # what, state, what it means or what to do


def examine() -> None:
    """Print a table of what was found; every line that says no says how to mend it."""
    table = Table(title=f"ship-deploy {VERSION}", title_justify="left")
    for heading in ("component", "found", "details"):
        table.add_column(heading, overflow="fold")
    jetson = find_jetson()
    for finding in [
        _machine(),
        *([] if jetson is None else _jetson(jetson)),
        _opencv(),
        _ffmpeg(),
        _gpu(),
        *_onnxruntime(),
        _openvino(),
        *_tensorrt(jetson),
        _cuda(),
        _pycuda(),
        _triton(),
        _fusion(),
        ("default model", OK, f"{next(iter(CATALOGUE))}: {WHY}"),
    ]:
        table.add_row(*finding)
    console.OUT.print(table)


def _machine() -> Finding:
    python = f"Python {platform.python_version()}, numpy {version('numpy')}"
    return "machine", OK, f"{platform.system()} {platform.machine()}, {python}"


def _jetson(jetson: Jetson) -> list[Finding]:
    """The board, its JetPack and whether it may be as fast as it can."""
    shared = f", {jetson.memory:.1f} GiB that CPU and GPU share" if jetson.memory else ""
    known = f"JetPack {jetson.jetpack}" if jetson.jetpack else "of an unknown JetPack"
    found = f"{known}, Jetson Linux {jetson.release}" if jetson.release else "JetPack not found"
    old = jetson.jetpack and int(jetson.jetpack) < OLDEST
    if old:
        found += f"; TensorRT engines need JetPack {OLDEST} or newer; the CPU works"
    elif not jetson.release:
        found += ": no /etc/nv_tegra_release; in a container, mount it from the host"
    mode = f"power mode {jetson.mode}" if jetson.mode else "power mode unknown: sudo nvpmodel -q"
    if jetson.unlimited and not jetson.mode.startswith("MAXN"):
        mode += f"; for the one without a limit: sudo nvpmodel -m {jetson.unlimited}"
    clocks = {
        True: "clocks held at their highest",
        False: "clocks follow the load; to hold them before measuring: sudo jetson_clocks",
        None: "clocks unknown: sudo jetson_clocks --show",
    }[jetson.fixed_clocks]
    return [
        ("Jetson", OK, escape(f"{jetson.model}{shared}")),
        ("JetPack", MISSING if old or not jetson.release else OK, found),
        ("Jetson's speed", OK, escape(f"{mode}; {clocks}")),
    ]


def _opencv() -> Finding:
    try:
        found = importlib.import_module("cv2").__version__
        known = [int(part) for part in re.findall(r"[0-9]+", found)[:2]]
        advice = "pip install -U opencv-python: before 4.13, a camera that changes the sampling of "
        advice += "its MJPEG ends the process"
        return "OpenCV", OK, found if known >= SAFE_OPENCV else f"{found}; {advice}"
    except ImportError as error:
        advice = "apt install libgl1 libglib2.0-0, or put opencv-python-headless in its place"
        return "OpenCV", MISSING, f"{escape(str(error))}; {advice}"


def _ffmpeg() -> Finding:
    found = shutil.which("ffmpeg")
    advice = "to record videos and for --push: apt install ffmpeg"
    return "ffmpeg", OK if found else MISSING, found or advice


def _gpu() -> Finding:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    if shutil.which(query[0]) is None:
        return "NVIDIA GPU", MISSING, "no NVIDIA driver found (nvidia-smi); the CPU works"
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    if found.returncode:
        return "NVIDIA GPU", MISSING, (found.stdout + found.stderr).strip().splitlines()[0]
    return "NVIDIA GPU", OK, "; ".join(found.stdout.strip().splitlines())


def _onnxruntime() -> list[Finding]:
    try:
        ort = importlib.import_module("onnxruntime")
    except ImportError:
        advice = f"{how_to_install('cpu')}, or '.[gpu]' for CUDA"
        return [("ONNX Runtime", MISSING, escape(advice))]
    findings = [("ONNX Runtime", OK, ort.__version__)]
    if _installed("onnxruntime") and _installed("onnxruntime-gpu"):
        findings.append(
            (
                "one ONNX Runtime",
                MISSING,
                "onnxruntime and onnxruntime-gpu share a module name: pip uninstall both, "
                "then install one",
            )
        )
    if "CUDAExecutionProvider" in ort.get_available_providers():
        findings.append(("ONNX Runtime on CUDA", OK, 'device="cuda"'))
    else:
        advice = f"for an NVIDIA GPU: pip uninstall onnxruntime, then {how_to_install('gpu')}"
        findings.append(("ONNX Runtime on CUDA", MISSING, escape(advice)))
    return findings


def _openvino() -> Finding:
    if _installed("openvino"):
        return "OpenVINO", OK, version("openvino")
    advice = f"{how_to_install('openvino')}; only needed for backend openvino"
    return "OpenVINO", MISSING, escape(advice)


def _tensorrt(jetson: Jetson | None) -> list[Finding]:
    """What can build engines, of the two; a Jetson has TensorRT from JetPack, or not at all."""
    findings = []
    for name, title in zip(MODULES, ("TensorRT", "TensorRT-RTX"), strict=True):
        try:
            findings.append((title, OK, load(name).version))
        except UserError as error:
            advice = str(error)
            if jetson is not None:
                advice = {
                    "tensorrt": "sudo apt-get install python3-libnvinfer, and a virtual "
                    f"environment made with --system-site-packages ({error})",
                    "tensorrt-rtx": "not made for Jetson; TensorRT is",
                }[name]
            findings.append((title, MISSING, escape(advice)))
    return findings


def _cuda() -> Finding:
    try:
        gpu = find_gpu()
    except UserError as error:
        return "GPU through cuda-python", MISSING, escape(str(error))
    found = f"{gpu.name}, compute capability {gpu.compute_capability}"
    return "GPU through cuda-python", OK, f"{found}, driver for CUDA {gpu.driver}"


def _pycuda() -> Finding:
    try:
        importlib.import_module("pycuda.driver")
    except ImportError as error:
        advice = f'{how_to_install("pycuda")}; only needed for Fuser(cuda="pycuda")'
        broken = f"installed but does not load ({error}); " if _installed("pycuda") else ""
        return "PyCUDA", MISSING, escape(broken + advice)
    return "PyCUDA", OK, version("pycuda")


def _triton() -> Finding:
    if _installed("tritonclient"):
        return "Triton client", OK, version("tritonclient")
    advice = f"{how_to_install('triton')}; only needed for models on a Triton server"
    return "Triton client", MISSING, escape(advice)


def _fusion() -> Finding:
    """Whether a frame really comes out of the bundled model."""
    if not find_model().exists():
        return "bundled model", MISSING, "make one: python -m export CHECKPOINT -o DIR"
    try:
        fuser = Fuser()
        fused = fuser(np.full((32, 48, 3), 90, np.uint8), np.full((32, 48), 30, np.uint8))
    except UserError as error:
        return "bundled model fuses", MISSING, escape(str(error))
    return (
        "bundled model fuses",
        OK if fused.shape == (32, 48, 3) else MISSING,
        f"{fuser.info.backend} on {fuser.info.device}",
    )


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
