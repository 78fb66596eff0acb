"""What may import what, and what is shipped."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import tomllib

ROOT = Path(__file__).parents[1]
# What each may import besides itself; a line names nothing that stands below it.
PACKAGES: dict[str, set[str]] = {
    "ship_deploy": set(),
    "training": {"ship_deploy"},
    "export": {"ship_deploy", "training"},
    "benchmarks": {"ship_deploy", "training", "export"},
}
# The same for the rooms of the runtime and for the modules at its top.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "events": {"errors", "files"},
    "console": {"errors", "events"},
    "supervision": set(),
    "signatures": {"errors"},
    "artifact": {"errors", "signatures"},
    "checkpoint": {"errors", "signatures"},
    "frames": {"errors"},
    "containers": set(),
    "processors": set(),
    "names": set(),
    "options": {"errors"},
    "images": {"errors", "containers", "files", "frames", "names"},
    "models": {"errors"},
    "cuda": {"errors", "frames"},
    "engines": {"errors", "console", "files", "signatures", "artifact", "frames", "cuda"},
    "backends": {"errors", "processors", "artifact", "frames", "cuda", "engines"},
    "fuser": {"errors", "frames", "models", "cuda", "backends"},
    "": {"errors", "artifact", "backends", "fuser"},
    "report": {"errors", "files", "fuser"},
    "geometry": {"errors", "files", "frames"},
    "thermal": {"errors", "frames", "images"},
    "results": set(),
    "serving": {"errors", "results"},
    "streams": {
        "errors",
        "files",
        "frames",
        "names",
        "images",
        "geometry",
        "thermal",
        "results",
        "serving",
    },
}
ROOMS["adapters"] = set(ROOMS) - {"", "console", "report", "supervision"}
ROOMS["bench"] = {"errors", "processors", "results", "streams"}
ROOMS["commands"] = set(ROOMS) - {""}
ROOMS["__main__"] = {"commands"}
HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "tensorrt", "lightning", "cv2", "rich")
MAY_PRINT = ("commands", "console")


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it, and what it takes from them: "a.b.name"."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    """Where in the runtime "ship_deploy.x.y" is, or a name that the package itself exports."""
    first = module.split(".")[1] if "." in module else ""
    return first if first in ROOMS else ""


def lower(may_import: dict[str, set[str]]) -> None:
    """No line names itself or one below it, so nothing runs in circles."""
    seen: set[str] = set()
    for name, allowed in may_import.items():
        assert allowed <= seen, name
        seen.add(name)


def test_imports_run_one_way():
    lower(PACKAGES)
    for package, allowed in PACKAGES.items():
        forbidden = PACKAGES.keys() - allowed - {package} | {"tests"}
        for path in sources(package):
            assert not {name.split(".")[0] for name in imported(path)} & forbidden, path


def test_no_room_imports_one_above_it():
    lower(ROOMS)
    for path in sources("ship_deploy"):
        here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
        found = {room(name) for name in imported(path) if name.split(".")[0] == "ship_deploy"}
        assert found <= ROOMS[here] | {here}, f"{path}: {found - ROOMS[here] - {here}}"


def test_benchmarks_have_rooms_too():
    """What lies beside them is below all of them, but for the commands; none knows another."""
    folder, commands = ROOT / "benchmarks", {"__main__", "gpu", "report"}
    rooms = {path.name for path in folder.iterdir() if path.is_dir() and is_python(path)}
    for path in sources("benchmarks"):
        inside, *_ = path.relative_to(folder).with_suffix("").parts
        used = {name.split(".")[1] for name in imported(path) if name.startswith("benchmarks.")}
        assert inside in commands or not used & (rooms - {inside}), path


def test_every_room_has_its_line():
    found = {path.stem for path in (ROOT / "ship_deploy").iterdir() if is_python(path)}
    assert found - {"__init__"} == ROOMS.keys() - {""}


def is_python(path: Path) -> bool:
    return path.suffix == ".py" or any(path.glob("*.py"))


def prints(path: Path) -> bool:
    """Whether a file calls `print`, takes hold of the terminal, or makes a rich console."""
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    members = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    members |= imported(path)
    return bool({"print", "Console"} & names or {"sys.stdout", "sys.stderr"} & members)


def test_only_commands_print():
    printing = {path for path in sources("ship_deploy") if prints(path)}
    assert {room(".".join(p.relative_to(ROOT).with_suffix("").parts)) for p in printing} == set(
        MAY_PRINT
    )


def test_tests_mirror_the_runtime():
    """`tests/ship_deploy/ROOM/test_NAME.py`, or `test_NAME_ASPECT.py`, is about `ROOM/NAME`."""
    for path in (ROOT / "tests" / "ship_deploy").rglob("test_*.py"):
        folder = ROOT / path.parent.relative_to(ROOT / "tests")
        name = path.stem.removeprefix("test_")
        about = {name, name.rpartition("_")[0]} & {file.stem for file in folder.iterdir()}
        assert about, f"{path} is about nothing"


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def modules() -> list[str]:
    """All of the runtime by name, but `__main__`, which runs when it is imported."""
    paths = [path for path in sources("ship_deploy") if path.name != "__main__.py"]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]


def test_the_runtime_imports_without_torch():
    """Every module, in an interpreter where the training stack cannot be imported."""
    assert len(modules()) > 10
    run_python(
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'lightning', 'training', 'export'):\n"
        "    sys.modules[name] = None\n"
        f"import importlib\nfor name in {modules()!r}:\n    importlib.import_module(name)\n"
    )


STATE = """
import importlib, logging, os, signal, sys, threading, warnings
import cv2
def state():
    return {
        "environment": dict(os.environ),
        "level of OpenCV": getattr(cv2.utils, "logging", cv2).getLogLevel(),
        "threads of OpenCV": cv2.getNumThreads(),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "handlers of logs": list(logging.getLogger().handlers),
        "filters of warnings": list(warnings.filters),
        "threads": threading.active_count(),
        "streams": [sys.stdout, sys.stderr],
    }
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
before = state()
"""


def test_importing_changes_nothing_in_the_process():
    """But ONNX Runtime's telemetry, as the package's docstring says."""
    wanted = modules()
    run_python(
        f"{STATE}for name in {wanted!r}:\n    importlib.import_module(name)\n"
        "after = state()\n"
        "assert after['environment'].pop('ORT_DISABLE_TELEMETRY') == '1'\n"
        "for name in before:\n    assert before[name] == after[name], (name, after[name])\n"
    )


def test_importing_the_package_is_light():
    """numpy is all it needs; engines, OpenCV and the console come when they are used."""
    found = run_python(
        f"import sys, ship_deploy\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert found.strip() == "[]"


def test_the_wheel_holds_the_runtime_alone(tmp_path):
    settings = tmp_path / "settings.cfg"  # what an earlier build left in build/ stays out
    settings.write_text(f"[build]\nbuild_base = {tmp_path / 'build'}\n")
    result = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        env={**os.environ, "DIST_EXTRA_CONFIG": str(settings)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ship_deploy"}
    code = {str(path.relative_to(ROOT)) for path in sources("ship_deploy")}
    data = {"ship_deploy/py.typed", "ship_deploy/report.html", "ship_deploy/serving/page.html"}
    data |= {str(p.relative_to(ROOT)) for p in (ROOT / "ship_deploy" / "models").glob("*.*")}
    assert code | data == {name for name in names if name.startswith("ship_deploy/")}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    required = {
        line.split(":", 1)[1].strip()
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist")
    }
    base = {requirement.split(">")[0] for requirement in required if "extra ==" not in requirement}
    assert base == {"numpy", "opencv-python", "prometheus-client", "typer", "rich"}


def test_the_oldest_packages_are_those_that_are_admitted():
    """What `make test-oldest` lays over the others is what pyproject.toml promises."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    promised = [*project["dependencies"], *extras["cpu"], *extras["tensorrt-rtx"]]
    floors = {name: version for name, version in map(split, promised) if version}
    lines = (ROOT / "oldest.txt").read_text().splitlines()
    installed = dict(map(split, (line for line in lines if not line.startswith("#"))))
    assert floors and floors.keys() <= installed.keys()
    for name, version in floors.items():
        assert f"{installed[name]}.0".startswith(f"{version}."), name


def split(requirement: str) -> tuple[str, str]:
    name, _, version = re.fullmatch(r"([\w.-]+)((?:>=|==)(.+))?", requirement).groups("")
    return name, version


def test_the_lock_has_the_pinned_versions_with_hashes():
    """Of all that the runtime needs on the CPU."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["cpu"], *extras["signatures"]]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normal(n): v for n, v in (split(line) for line in lines if "==" in line)}
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", "").splitlines()
    locked = {}
    for entry in entries:
        if not entry.startswith("#"):
            requirement, *hashes = re.split(r" +--hash=sha256:", entry)
            assert hashes and all(
                re.fullmatch("[0-9a-f]{64}", found) for found in map(str.strip, hashes)
            )
            name, version = split(requirement.split(";")[0].strip())
            locked[normal(name)] = version
    assert {normal(split(requirement)[0]) for requirement in needed} <= locked.keys()
    assert locked == {name: pinned[name] for name in locked}


def normal(name: str) -> str:
    return name.lower().replace("_", "-")
