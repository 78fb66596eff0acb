"""`ship-deploy models`, and models by name in the other commands."""

import json
import os
from dataclasses import asdict

import pytest

from ship_deploy.models import CATALOGUE
from tests.ship_deploy.commands.process import check_refused, ship_deploy

ENVIRONMENT = {**os.environ, "COLUMNS": "80"}


def test_the_table_is_not_cut_at_80_columns():
    result = ship_deploy("models", env=ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    assert "…" not in result.stdout
    for model in CATALOGUE.values():
        assert model.name in result.stdout and model.data in result.stdout
        assert f"{model.network}, {model.precision}" in result.stdout
    default = next(iter(CATALOGUE.values()))
    assert f"{default.speed.seconds['480x640']:.3g} s" in result.stdout
    assert f"{default.kept.lost:.1%}" in result.stdout


def test_json_holds_everything():
    entries = json.loads(ship_deploy("models", "--json").stdout)
    assert [entry["name"] for entry in entries] == list(CATALOGUE)
    named = {entry["name"]: entry for entry in entries}
    assert named["ship-s"]["kept"] == asdict(CATALOGUE["ship-s"].kept)


def test_info_by_name():
    info = json.loads(ship_deploy("info", "ship").stdout)
    assert info["path"] == str(CATALOGUE["ship"].path) and info["network"] == "SHIP"


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "shp"],
        ["build", "shp", "-o", "x.engine"],
        ["fuse", "v.png", "i.png", "-o", "out", "--model", "shp"],
        ["stream", "v.mp4", "i.mp4", "-o", "out", "--model", "shp"],
    ],
)
def test_an_unknown_name(arguments, tmp_path, pair):
    for source, name in zip(pair, ("v.png", "i.png"), strict=True):
        source.rename(tmp_path / name)
    if arguments[0] == "stream":
        arguments = [a.replace(".mp4", ".png") for a in arguments]
    result = ship_deploy(*arguments, cwd=tmp_path)
    check_refused(result, "unknown model 'shp' (did you mean ship?); give a bundled model (ship")
