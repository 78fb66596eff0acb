"""Every option that we set in ONNX Runtime, looked for in the libraries of its providers."""

import mmap
from pathlib import Path
from typing import Any

from benchmarks.bindings.packages import fetch, grid
from ship_deploy.backends.providers import CUDA, RTX, TENSORRT, GpuOptions, settings
from ship_deploy.console import ERR

VERSIONS = ("1.21.0", "1.31.1")  # the oldest that the extra `gpu` admits, and the newest
PLUGIN, PLUGIN_VERSION = "onnxruntime-ep-nv-tensorrt-rtx-cu13", "0.5.0"
SESSION = ("session.disable_cpu_ep_fallback", "session.intra_op.allow_spinning")
LIBRARIES = {
    "session": "libonnxruntime.so.*",
    CUDA: "libonnxruntime_providers_cuda.so",
    TENSORRT: "libonnxruntime_providers_tensorrt.so",
}
HEADER = "tensorrt_rtx_provider_options.h"  # comes with the plugin


def options() -> dict[str, list[str]]:
    """Provider, or "session" -> names of all options that our code can set."""
    everything = GpuOptions(graph=True, stream=1, memory=1)
    found = {provider: sorted(settings(provider, 1, everything)) for provider in (CUDA, TENSORRT)}
    plugin = settings(RTX, 1, GpuOptions(stream=1, memory=1))  # without a graph
    return {"session": list(SESSION), **found, RTX: sorted(plugin)}


def look(folder: Path) -> dict[str, Any]:
    """Look into every version: provider -> option -> version -> whether it knows the option."""
    asked = options()
    found: dict[str, dict[str, dict[str, bool]]] = {p: {n: {} for n in asked[p]} for p in asked}
    for version in VERSIONS:
        ERR.print(f"onnxruntime-gpu {version}")
        wheel = fetch(folder, "onnxruntime-gpu", version)
        for provider, pattern in LIBRARIES.items():
            library = next(wheel.rglob(pattern))
            with library.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                for name in asked[provider]:  # which may be the end of a longer one, stored once
                    found[provider][name][version] = content.find(name.encode() + b"\0") >= 0
                content.close()
    ERR.print(f"{PLUGIN} {PLUGIN_VERSION}")
    header = next(fetch(folder, PLUGIN, PLUGIN_VERSION).rglob(HEADER)).read_text()
    for name in asked[RTX]:
        found[RTX][name][PLUGIN_VERSION] = f'"{name}"' in header
    return {"versions": list(VERSIONS), "plugin": PLUGIN_VERSION, "options": found}


def lacking(content: dict[str, Any]) -> list[str]:
    """Options that a version does not know, as "PROVIDER: OPTION (VERSION)"."""
    return [
        f"{provider}: {name} ({version})"
        for provider, names in content["options"].items()
        for name, versions in names.items()
        for version, known in versions.items()
        if not known
    ]


def tabulate(content: dict[str, Any]) -> list[str]:
    """The lines of the table."""
    versions = [*content["versions"], f"plugin {content['plugin']}"]
    rows = {}
    for provider, names in content["options"].items():
        for name, known in names.items():
            cells = {v: "yes" if k else "no" for v, k in known.items()}
            cells[versions[-1]] = cells.pop(content["plugin"], "")
            rows[f"{provider}: {name}"] = {version: cells.get(version, "") for version in versions}
    return [
        "Each name is a text in the library of its provider in `onnxruntime-gpu`, or in the header "
        f"of the plugin, `{PLUGIN}`.",
        "",
        *grid(versions, rows),
    ]
