"""README and docs hold true: code runs, commands and options exist, links lead somewhere."""

import ast
import importlib
import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import tomllib
import yaml
from packaging.requirements import Requirement
from typer import Typer
from typer.main import get_command
from typer.testing import CliRunner

from ship_deploy.commands.app import app
from ship_deploy.images import write_png
from ship_deploy.models import find_model
from training.config import Config
from training.scenes import render

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SIZE = (120, 160)  # height, width of all frames
FENCE = re.compile(
    r"^(?P<needs> *<!-- needs: .+ -->\n)?^(?P<indent> *)```(?P<language>.*)\n"
    r"(?P<text>(?:.*\n)*?)^(?P=indent)```$",
    re.MULTILINE,
)
TESTED = {"python", "sh", "yaml", "csv"}
SHOWN = {"text", "ini"}  # there is nothing to run
MODULES = {"training", "export", "benchmarks", "venv"}  # for python -m
# Programs that are not ours.
OTHERS = {
    "apt-get",
    "cd",
    "colcon",
    "cp",
    "docker",
    "export",
    "ffmpeg",
    "gst-launch-1.0",
    "jetson_clocks",
    "modprobe",
    "nvpmodel",
    "ros2",
    "systemctl",
}


class Block(NamedTuple):
    """A fenced block; `needs` is whether it is marked as in need of a camera or the like."""

    page: Path
    language: str
    text: str
    needs: bool


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of a page in one language, without their indentation."""
    found = []
    for match in FENCE.finditer(page.read_text()):
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        if match["language"] == language:
            found.append(Block(page, language, text, match["needs"] is not None))
    return found


def having(language: str) -> list[object]:
    """The pages with such blocks, as parameters."""
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in PAGES
        if blocks(page, language)
    ]


def commands(block: Block) -> list[list[str]]:
    """The commands of a block, split into words, without `sudo` and the folder of the program."""
    lines = block.text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    words = [line[1:] if line[0] == "sudo" else line for line in words if line]
    return [[Path(line[0]).name, *line[1:]] for line in words]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    visible, infrared = render(0, *SIZE)
    write_png(folder / "visible.png", visible)
    write_png(folder / "infrared.png", infrared)
    noise = np.random.default_rng(0)
    for number in range(6):
        for name, image in zip(("visible", "infrared"), render(number, *SIZE), strict=True):
            (folder / name).mkdir(exist_ok=True)
            write_png(folder / name / f"{number:03}.png", image)
        (folder / "thermal").mkdir(exist_ok=True)
        counts = 7000 + 4 * image.astype(np.uint16) + noise.integers(0, 9, SIZE, np.uint16)
        write_png(folder / "thermal" / f"{number:03}.png", counts)
    for name, image in (("visible", visible), ("infrared", cv2.merge([infrared] * 3))):
        code = cv2.VideoWriter.fourcc(*"mp4v")
        video = cv2.VideoWriter(str(folder / f"{name}.mp4"), code, 25, SIZE[::-1])
        for step in range(3):
            video.write(np.roll(image, step, axis=1))
        video.release()
    shutil.copy(find_model("ship"), folder / "model.onnx")
    (folder / "runs" / "mine").mkdir(parents=True)
    shutil.copy(ROOT / "configs/ship-s.safetensors", folder / "runs/mine/ema.safetensors")
    (points,) = blocks(ROOT / "docs" / "how-to" / "align.md", "csv")
    (folder / "points.csv").write_text(points.text)
    calibrate = ["calibrate", "visible.png", "infrared.png", "-o", "rig.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run([*calibrate, "--points", "points.csv"])
    return folder


@pytest.fixture
def folder(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory."""
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(arguments: list[str]) -> None:
    """Run `ship-deploy`."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"{arguments}: {result.output} {result.exception!r}"


@pytest.mark.parametrize("page", having("python"))
def test_python_runs(page: Path, folder: Path):
    """In order, in one namespace, with a pair of frames as `visible` and `infrared`."""
    visible, infrared = render(0, *SIZE)
    known = {"visible": visible, "infrared": infrared}
    for block in blocks(page, "python"):
        code = compile(block.text, str(page), "exec")
        if block.needs:
            check_imports(block)
        else:
            exec(code, known)
    assert known.get("fused", visible).shape == visible.shape


def check_imports(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("ship_deploy"):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


@pytest.mark.parametrize("page", having("sh"))
def test_commands_exist_and_those_of_ship_deploy_run(page: Path, folder: Path):
    for block in blocks(page, "sh"):
        for program, *arguments in commands(block):
            check_command(program, arguments)
            if program == "ship-deploy" and not block.needs:
                run(arguments)


def check_command(program: str, arguments: list[str]) -> None:
    said = shlex.join([program, *arguments])
    match program, *arguments:
        case ["ship-deploy", *_]:
            parse(app, arguments)
        case ["python" | "python3", "-m", module, *rest]:
            assert module in MODULES, said
            if module != "venv":
                parse(importlib.import_module(f"{module}.__main__").app, rest)
        case ["python" | "python3", script, *_]:
            assert (ROOT / script).is_file(), said
        case ["pip", "install" | "uninstall", *packages]:
            for package in packages:
                check_package(package)
        case ["torchrun", *_]:
            check_command("python", arguments[arguments.index("-m") :])
        case ["opentelemetry-instrument", *_]:
            parse(app, arguments[arguments.index("ship-deploy") + 1 :])
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), said
        case _:
            assert program in OTHERS, said


def parse(command: Typer, arguments: list[str]) -> None:
    """Fail if a command or one of its options does not exist, or a value is not one."""
    root = get_command(command)
    context = root.make_context("command", list(arguments))
    if hasattr(root, "resolve_command"):
        name, found, rest = root.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        found.make_context(name, rest, parent=context)


def check_package(package: str) -> None:
    """Fail if an extra of ours does not exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if package.startswith("-") or package == ".":
        return
    requirement = Requirement(package.replace(".[", "ship-deploy[", 1))
    if requirement.name == "ship-deploy":
        assert requirement.extras <= project["optional-dependencies"].keys(), package


@pytest.mark.parametrize("page", having("yaml"))
def test_configs_have_known_keys(page: Path):
    for block in blocks(page, "yaml"):
        Config.model_validate(yaml.safe_load(block.text))


def test_every_block_is_in_a_language_that_is_looked_at():
    for page in PAGES:
        text = page.read_text()
        assert {match["language"] for match in FENCE.finditer(text)} <= TESTED | SHOWN, page
        assert 2 * len(FENCE.findall(text)) == len(re.findall(r"^ *```", text, re.MULTILINE)), page


def test_messages_that_are_explained_exist():
    """The parts of messages in the tables of Troubleshooting stand in the source."""
    rows = re.findall(
        r"^\| (`.+?) \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE
    )
    parts = [part for row in rows for part in re.findall(r"`([^`]+)`", row)]
    literals = {
        node.value
        for package in ("ship_deploy", "training", "export")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert len(parts) > 30
    assert [part for part in parts if not any(part in literal for literal in literals)] == []


def test_links_of_the_readme_lead_somewhere():
    """Those of docs are checked by `mkdocs build --strict`."""
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text())
    local = [link.partition("#")[0] for link in links if "://" not in link]
    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []
