"""Every call of TensorRT that our code makes, looked for in the Python bindings of each version.

The bindings are small wheels; the libraries behind them, which are not needed for a look at names
and signatures, are stood in for by libraries whose functions return nothing.
"""

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine, record
from ship_deploy.console import ERR
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder

VERSIONS = {
    "10.3.0": "tensorrt-cu12-bindings",  # JetPack 6
    "10.8.0.43": "tensorrt-cu12-bindings",
    "10.13.3.9": "tensorrt-cu12-bindings",
    "10.16.0.72": "tensorrt-cu12-bindings",
    "11.4.0.106": "tensorrt-cu13-bindings",
}
OBJECTS = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "tensor": "ITensor",
    "profile": "IOptimizationProfile",
    "config": "IBuilderConfig",
    "cache": "ITimingCache",
    "parser": "OnnxParser",
    "first": "ParserError",
    "_runtime": "Runtime",
    "_engine": "ICudaEngine",
    "_context": "IExecutionContext",
    "strategy": "ExecutionContextAllocationStrategy",
}
"""What the variables of our code hold."""
ONLY_RTX = {
    *("ComputeCapability", "num_compute_capabilities", "set_compute_capability"),
    *("CudaGraphStrategy", "cuda_graph_strategy", "create_runtime_config"),
    "set_execution_context_allocation_strategy",
}
"""Names that only `tensorrt-rtx` is asked for."""
GUARDED = "NetworkDefinitionCreationFlag.STRONGLY_TYPED"
"""Our code asks whether it is there."""
_PACKAGE = Path(__file__).parents[1] / "ship_deploy"
FILES = [
    *(_PACKAGE / "engines" / f"{name}.py" for name in ("builder", "flavour", "progress")),
    *(_PACKAGE / "backends" / f"{name}.py" for name in ("tensorrt", "execution")),
]
_LOOK = """
import importlib.util, json, os, sys
sys.setdlopenflags(os.RTLD_LAZY)
spec = importlib.util.spec_from_file_location("tensorrt", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
def look(name):
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            return None
        found = getattr(found, part)
    return (getattr(found, "__doc__", None) or "").split(chr(10))[0] if callable(found) else ""
print(json.dumps({name: look(name) for name in json.loads(sys.argv[2])}))
"""


def calls() -> list[str]:
    """Names that our code asks TensorRT for, such as "IBuilderConfig.clear_flag"."""
    found: set[str] = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                found.update(_asked(node))
    longer = {name.rpartition(".")[0] for name in found}
    return sorted(name for name in found - longer if ONLY_RTX.isdisjoint(name.split(".")))


def _asked(node: ast.Attribute) -> Iterator[str]:
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        parts.insert(0, inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        parts.insert(0, inner.id)
    if "trt" in parts[:-1] and "__version__" not in parts:  # which is of the package around it
        yield ".".join(parts[parts.index("trt") + 1 :])
    elif parts[:-2] in ([], ["self"]) and len(parts) > 1 and (kind := OBJECTS.get(parts[-2])):
        yield f"{kind}.{parts[-1]}"


def run(output: Path) -> str:
    """Look into every version, and write `bindings.json` and `bindings.md`.

    Raises:
        UserError: the wheels cannot be fetched, or there is no C compiler.
    """
    make_folder(output)
    names = calls()
    found: dict[str, dict[str, str | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for version, package in VERSIONS.items():
            ERR.print(f"{package} {version}")
            found[version] = _look(Path(folder, version), package, version, names)
    rows = {name: {version: found[version][name] for version in found} for name in names}
    content = {"machine": machine.describe(), "packages": VERSIONS, "names": rows}
    table = tabulate(content)
    record.write(output, "bindings", content, table)
    return table


def _look(folder: Path, package: str, version: str, names: list[str]) -> dict[str, str | None]:
    folder.mkdir()
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    _do(*install, folder, f"{package}=={version}")
    bindings = next(folder.rglob("tensorrt*.so"))
    wanted = _do("nm", "-D", "--undefined-only", bindings)
    functions = set(re.findall(r"U ((?:create|get|init)\w+)$", wanted, re.MULTILINE))
    source = folder / "none.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in functions))
    for library in re.findall(r"NEEDED\s+(libnv\S+)", _do("objdump", "-p", bindings)):
        _do("gcc", "-shared", "-fPIC", "-o", folder / library, source)
    asked = json.dumps(names)
    return dict(json.loads(_do(sys.executable, "-c", _LOOK, bindings, asked, path=folder)))


def _do(*command: str | Path, path: Path | None = None) -> str:
    environment = {"PATH": "/usr/bin:/bin"} | ({"LD_LIBRARY_PATH": str(path)} if path else {})
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]} is needed, and not installed") from error
    except subprocess.CalledProcessError as error:
        raise UserError(f"{command[0]} failed: {error.stderr.strip()[-300:]}") from error
    return done.stdout


def lacking(content: dict[str, Any]) -> list[str]:
    """Names that a version does not have, as "NAME (VERSION)", but for the one that is guarded."""
    return [
        f"{name} ({version})"
        for name, by_version in content["names"].items()
        for version, signature in by_version.items()
        if signature is None and name != GUARDED
    ]


def tabulate(content: dict[str, Any]) -> str:
    """Names down, versions across."""
    lines = [
        f"{content['machine']['measured'][:10]}; the Python bindings from PyPI, without the "
        "libraries behind them.",
        "",
        f"| name | {' | '.join(content['packages'])} |",
        "|---|" + ":-:|" * len(content["packages"]),
    ]
    for name, by_version in content["names"].items():
        cells = ("no" if signature is None else "yes" for signature in by_version.values())
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
