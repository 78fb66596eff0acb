"""The files in deploy/: each holds what the others and the package have. `make lint` lints them."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import tomllib
import yaml

from ship_deploy.commands.app import app
from ship_deploy.results import Recording
from ship_deploy.serving.telemetry import write_telemetry
from tests.ship_deploy.serving.conftest import ENGINE, STATISTICS
from tests.test_docs import parse

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_the_dashboard_shows_metrics_that_exist():
    """All of ours but those that say the same in another way."""
    text = write_telemetry(STATISTICS, ENGINE, 3, Recording("", 0.0, 1, 1)).decode()
    exist = set(re.findall(r"^(\w+?)(?:\{| )", text, re.MULTILINE))
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    shown = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"(?:ship_deploy|process)_\w+", target["expr"])
    }
    others = {"frames_received_total", "frames_fused_total", "engine_info"}
    assert shown <= exist
    ours = {name for name in exist if name.startswith("ship_deploy_")}
    assert ours - shown == {f"ship_deploy_{name}" for name in others}


def test_the_panels_do_not_overlap():
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)) and all(x < 24 for x, _ in cells)


def test_labels_of_the_dashboard_exist():
    text = write_telemetry(STATISTICS, ENGINE, 3, Recording("", 0.0, 1, 1)).decode()
    for panel in json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            (name, *_) = re.findall(r"ship_deploy_\w+|process_\w+", target["expr"])
            sample = next(line for line in text.splitlines() if re.match(rf"{name}[ {{]", line))
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert f'{label}="' in sample, target


def test_what_compose_mounts_and_builds_from_is_there():
    volumes = {v.split(":")[0] for s in COMPOSE["services"].values() for v in s.get("volumes", ())}
    for source in volumes:
        there = (DEPLOY / source).is_file() if source[0] == "." else source in COMPOSE["volumes"]
        assert there, source
    build = COMPOSE["services"]["fusion"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_compose_and_prometheus_agree():
    jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    command = COMPOSE["services"]["fusion"]["command"]
    assert jobs[0]["static_configs"][0]["targets"] == ["fusion:8080"]
    assert "--serve=0.0.0.0:8080" in command
    source = yaml.safe_load((DEPLOY / "grafana" / "datasource.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    text = (DEPLOY / "grafana" / "dashboard.json").read_text()
    assert set(re.findall(r'"uid": "(prometheus)"', text)) == {source["uid"]}
    assert set(re.findall(r'job=\\"([\w-]+)', text)) == {jobs[0]["job_name"]}


def test_the_commands_are_ours():
    parse(app, COMPOSE["services"]["fusion"]["command"])
    unit = (DEPLOY / "ship-deploy.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    program, *arguments = shlex.split(line)
    assert Path(program).name == "ship-deploy"
    parse(app, arguments)


def test_what_the_images_copy_and_install_is_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for file in DEPLOY.glob("*.Dockerfile"):
        text = file.read_text()
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
            assert all((ROOT / source).exists() for source in sources.split()), file
        named = {*re.findall(r'"\.\[([\w-]+)\]"', text), *re.findall(r"ARG EXTRA=(\S+)", text)}
        assert named <= extras.keys(), file
        assert "USER 10001" in text, file


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    """But for its program, which is not installed there."""
    unit = (DEPLOY / "ship-deploy.service").read_text()
    (tmp_path / "ship-deploy.service").write_text(unit.replace("/opt/ship-deploy/.venv", "/usr"))
    program = "/usr/bin/ship-deploy"
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "ship-deploy.service"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    complaints = [line for line in result.stderr.splitlines() if "ship-deploy.service" in line]
    assert [line for line in complaints if f"{program} is not executable" not in line] == []
