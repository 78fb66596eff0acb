"""The machine that figures were measured on, so that they can be told apart later."""

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("ship-deploy", "torch", "onnxruntime", "numpy")


def describe() -> dict[str, str]:
    """Processor, cores this process may use, system, versions, time (UTC)."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or "unknown",
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        **{package: version(package) for package in PACKAGES},
        "measured": datetime.now(timezone.utc).isoformat(timespec="minutes"),
    }
