"""What may import what, and what is shipped."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).parents[1]
PACKAGES = ("ship_deploy", "training", "export", "benchmarks")
MAY_IMPORT = {
    "ship_deploy": set(),
    "training": {"ship_deploy"},
    "export": {"ship_deploy", "training"},
    "benchmarks": {"ship_deploy", "training", "export"},
}
HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "tensorrt", "lightning", "cv2", "rich")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package):
    forbidden = set(PACKAGES) - MAY_IMPORT[package] - {package}
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & (forbidden | {"tests"}), path


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_runtime_imports_without_torch():
    """Every module, in an interpreter where the training stack cannot be imported."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "ship_deploy").rglob("*.py")
        if path.name != "__main__.py"
    ]
    assert len(modules) > 10
    run_python(
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'lightning', 'training', 'export'):\n"
        "    sys.modules[name] = None\n"
        f"import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
    )


def test_importing_the_package_is_light():
    """numpy is all it needs; engines, OpenCV and the console come when they are used."""
    found = run_python(
        f"import sys, ship_deploy\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert found.strip() == "[]"


def test_the_wheel_holds_the_runtime_alone(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
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
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "ship_deploy").rglob("*.py")}
    data = {"ship_deploy/py.typed", "ship_deploy/report.html", "ship_deploy/serving/page.html"}
    data |= {str(p.relative_to(ROOT)) for p in (ROOT / "ship_deploy" / "models").glob("*.*")}
    assert sources | data == {name for name in names if name.startswith("ship_deploy/")}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    required = {
        line.split(":", 1)[1].strip()
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist")
    }
    base = {requirement.split(">")[0] for requirement in required if "extra ==" not in requirement}
    assert base == {"numpy", "opencv-python", "typer", "rich"}


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
    name, _, version = re.fullmatch(r"([\w-]+)((?:>=|==)(.+))?", requirement).groups("")
    return name, version
