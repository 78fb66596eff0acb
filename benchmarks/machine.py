"""The machine that figures were measured on, so that they can be told apart later."""

import os
import platform
import shutil
import subprocess
from datetime import datetime, timezone
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ship-deploy", "torch", "numpy", "tensorrt", "tensorrt-rtx", "polygraphy", "pycuda")
WHERE_THERE = ("onnxruntime-gpu", "cuda-python", "cuda-bindings", "cuda-core")
GPU_FACTS = (
    "name",
    "driver_version",
    "memory.total",
    "clocks.sm",
    "clocks.mem",
    "power.limit",
    "temperature.gpu",
)


def describe() -> dict[str, Any]:
    """Processor and its clock, cores this process may use, load, GPU, versions, time (UTC)."""
    return {
        "processor": _cpuinfo("model name") or platform.processor() or "unknown",
        "cores": str(len(os.sched_getaffinity(0))),
        "clock_mhz": _cpuinfo("cpu MHz"),
        "load": [round(load, 2) for load in os.getloadavg()],
        "gpu": _gpu(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        # Two packages bring the module, and both may be installed: the one that runs says so.
        "onnxruntime": str(import_module("onnxruntime").__version__),
        **{package: found for package in (*PACKAGES, *WHERE_THERE) if (found := _version(package))},
        "measured": datetime.now(timezone.utc).isoformat(timespec="minutes"),
    }


def where(facts: dict[str, Any]) -> str:
    """The GPU of a machine, or its processor if it has none."""
    gpu = facts.get("gpu")
    return str(gpu["name"] if gpu else facts["processor"])


def _cpuinfo(field: str) -> str | None:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    found = [line.split(":", 1)[1].strip() for line in lines if line.startswith(field)]
    return found[0] if found else None


def _gpu() -> dict[str, str] | None:
    """What nvidia-smi says of the first GPU, its clocks as they are now."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", f"--query-gpu={','.join(GPU_FACTS)}", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    if found.returncode or not found.stdout.strip():
        return None
    return dict(zip(GPU_FACTS, found.stdout.splitlines()[0].split(", "), strict=False))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
