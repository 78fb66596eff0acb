"""Every name of PyCUDA that our code uses, looked for in the sources of several versions."""

import ast
import re
from pathlib import Path
from typing import Any

from benchmarks.bindings.packages import fetch, grid
from ship_deploy.console import ERR

VERSIONS = ("2022.1", "2024.1.2", "2026.1")
FILE = Path(__file__).parents[2] / "ship_deploy" / "cuda" / "pycuda.py"
OBJECTS = ("_driver", "driver", "gpu", "device", "kind", "_context", "base", "host_alloc_flags")
"""What the variables are called that hold what comes from PyCUDA."""
PROTOCOL = ("free", "handle", "synchronize")
"""What `Memory` and `Stream`, as which its objects are handed on, are asked for."""
OTHERS = {"cuGetErrorString", "CUresult"}  # of cuda-python


def names() -> list[str]:
    """What is asked for; a keyword of a function as "FUNCTION(KEYWORD=)"."""
    found = set(PROTOCOL)
    for node in ast.walk(ast.parse(FILE.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and _holder(node.value) in OBJECTS:
            found.add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(function := node.func, ast.Attribute):
            keywords = node.keywords if _holder(function.value) in OBJECTS else []
            found |= {f"{function.attr}({keyword.arg}=)" for keyword in keywords}
    return sorted(found - OTHERS)


def _holder(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def look(folder: Path) -> dict[str, Any]:
    """Look into every version: name -> version -> whether it is there."""
    found: dict[str, dict[str, bool]] = {name: {} for name in names()}
    for version in VERSIONS:
        ERR.print(f"pycuda {version}")
        source = fetch(folder, "pycuda", version, "--no-binary", "pycuda")
        files = [*source.rglob("src/wrapper/*.cpp"), *source.glob("*/pycuda/driver.py")]
        text = "\n".join(file.read_text("utf-8") for file in files)
        for name in found:
            found[name][version] = re.search(_pattern(name), text, re.DOTALL) is not None
    return {"versions": list(VERSIONS), "names": found}


def _pattern(name: str) -> str:
    """How Boost.Python is told of a name, or of a function's keyword."""
    function, _, keyword = name.partition("(")
    if keyword:
        return rf'def\("{function}",[^;]*py::arg\("{keyword.rstrip("=)")}"\)'
    return rf'["(]{name}[")]'


def lacking(content: dict[str, Any]) -> list[str]:
    """Names that a version does not have, as "NAME (VERSION)"."""
    return [
        f"{name} ({version})"
        for name, versions in content["names"].items()
        for version, there in versions.items()
        if not there
    ]


def tabulate(content: dict[str, Any]) -> list[str]:
    """The lines of the table."""
    rows = {
        name: {version: "yes" if there else "no" for version, there in versions.items()}
        for name, versions in content["names"].items()
    }
    return ["In the sources, by what they tell Boost.Python.", "", *grid(content["versions"], rows)]
