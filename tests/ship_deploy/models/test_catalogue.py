"""The bundled models: each is what its entry says, and is found by its name."""

from pathlib import Path
from typing import get_args

import pytest

from benchmarks import catalogue as figures
from benchmarks.report import RESULTS
from ship_deploy import Fuser, UserError
from ship_deploy.artifact import read_artifact
from ship_deploy.models import CATALOGUE, Name, find_model

NAMES = list(CATALOGUE)


def test_the_names_that_are_typed_are_those_of_the_catalogue():
    assert list(get_args(Name)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_what_the_file_says(name):
    model = CATALOGUE[name]
    metadata = read_artifact(model.path).metadata
    assert (model.network, model.precision) == (metadata["network"], metadata["precision"])
    assert model.purpose and model.data


def test_every_model_that_is_there_has_an_entry():
    folder = find_model().parent
    assert {model.path for model in CATALOGUE.values()} == set(folder.glob("*.onnx"))


def test_the_figures_are_those_of_the_committed_results():
    text = figures.PATH.read_text("utf-8")
    assert figures.update(text, RESULTS) == text
    default = CATALOGUE["ship-s"]
    assert default.speed.seconds["480x640"] > 0.01 and default.kept.targets > 0.5
    assert default.quality is None or default.quality.means["TNO"]["Qabf"] > 0.1


def test_a_model_that_was_not_measured_has_no_figures(tmp_path):
    """As after new weights: what was measured of others is not shown."""
    assert '"speed": null' in figures.update(figures.PATH.read_text("utf-8"), tmp_path)


def test_names_and_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_model() == find_model("ship-s") == CATALOGUE["ship-s"].path
    assert find_model("ship") == CATALOGUE["ship"].path
    assert find_model("other.onnx") == Path("other.onnx")
    assert find_model("folder/ship") == Path("folder/ship")
    assert find_model(Path("ship")) == Path("ship")
    Path("engine").touch()
    assert find_model("engine") == Path("engine")


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UserError, match=r"unknown model 'shp' \(did you mean ship\?\); .*\(ship"):
        Fuser("shp")
    with pytest.raises(UserError, match="unknown model 'zzz'; give a bundled model"):
        find_model("zzz")


def test_by_name(frames):
    assert Fuser("ship", device="cpu").info.model == str(CATALOGUE["ship"].path)
