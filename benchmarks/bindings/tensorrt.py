"""Every call of TensorRT that our code makes, looked for in the Python bindings of each version.

The bindings are small wheels; the libraries behind them, which are not needed for a look at names
and signatures, are stood in for by libraries whose functions return nothing.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bindings.packages import do, grid
from benchmarks.bindings.signatures import Call, fits, signatures
from ship_deploy.console import ERR

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
_GUARDED = "no, asked first"
_PACKAGE = Path(__file__).parents[2] / "ship_deploy"
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
    if isinstance(found, type):
        found = found.__init__
    return (getattr(found, "__doc__", None) or "") if callable(found) else ""
print(json.dumps({name: look(name) for name in json.loads(sys.argv[2])}))
"""


def calls() -> dict[str, list[Call]]:
    """Names that our code asks TensorRT for, such as "IBuilderConfig.clear_flag", and its calls."""
    found: dict[str, list[Call]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                for name in _asked(node):
                    found.setdefault(name, [])
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                for name in _asked(node.func):
                    known = found.setdefault(name, [])
                    if (call := _call(node)) and call not in known:
                        known.append(call)
    longer = {name.rpartition(".")[0] for name in found}
    wanted = {name for name, how in found.items() if how or name not in longer}
    return {n: found[n] for n in sorted(wanted) if ONLY_RTX.isdisjoint(n.split("."))}


def _call(node: ast.Call) -> Call | None:
    """What is passed; None if the code does not tell how many."""
    if any(isinstance(a, ast.Starred) for a in node.args) or any(not k.arg for k in node.keywords):
        return None
    return Call(len(node.args), tuple(str(keyword.arg) for keyword in node.keywords))


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


def look(folder: Path) -> dict[str, Any]:
    """Look into the bindings of every version.

    Returns:
        `packages`, version -> package; and `names`, name -> `calls` and, in `versions`, version ->
        argument lists, or None where the name is missing.
    """
    asked = calls()
    found: dict[str, dict[str, str | None]] = {}
    for version, package in VERSIONS.items():
        ERR.print(f"{package} {version}")
        found[version] = _look(folder / version, package, version, [*asked])
    names = {
        name: {
            "calls": how,
            "versions": {
                version: None if (said := docs[name]) is None else signatures(said)
                for version, docs in found.items()
            },
        }
        for name, how in asked.items()
    }
    return {"packages": VERSIONS, "names": names}


def _look(folder: Path, package: str, version: str, names: list[str]) -> dict[str, str | None]:
    folder.mkdir()
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    do(*install, folder, f"{package}=={version}")
    bindings = next(folder.rglob("tensorrt*.so"))
    wanted = do("nm", "-D", "--undefined-only", bindings)
    functions = set(re.findall(r"U ((?:create|get|init)\w+)$", wanted, re.MULTILINE))
    source = folder / "none.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in functions))
    for library in re.findall(r"NEEDED\s+(libnv\S+)", do("objdump", "-p", bindings)):
        do("gcc", "-shared", "-fPIC", "-o", folder / library, source)
    asked = json.dumps(names)
    return dict(json.loads(do(sys.executable, "-c", _LOOK, bindings, asked, path=folder)))


def state(name: str, entry: dict[str, Any], version: str) -> str:
    """Of a name in a version: "yes", "no", or which call does not fit; for a table."""
    found = entry["versions"][version]
    if found is None:
        return _GUARDED if name == GUARDED else "no"
    for call in (Call(positional, tuple(keywords)) for positional, keywords in entry["calls"]):
        if found and not any(fits(call, signature) for signature in found):
            return f"not ({call.positional} arguments, {', '.join(call.keywords) or 'no keywords'})"
    return "yes"


def lacking(content: dict[str, Any]) -> list[str]:
    """Names that a version does not have or calls that it does not take, as "NAME (VERSION)"."""
    return [
        f"{name} ({version})"
        for name, entry in content["names"].items()
        for version in entry["versions"]
        if state(name, entry, version) not in ("yes", _GUARDED)
    ]


def tabulate(content: dict[str, Any]) -> list[str]:
    """The lines of the table."""
    checked = sum(bool(e["calls"]) for e in content["names"].values())
    rows = {
        name: {version: state(name, entry, version) for version in entry["versions"]}
        for name, entry in content["names"].items()
    }
    return [
        "The Python bindings, without the libraries behind them. Of the "
        f"{checked} functions that are called, the number of arguments and the keywords "
        "were held against the signatures as well.",
        "",
        *grid(content["packages"], rows),
    ]
