"""Reading configs: what is accepted, and how a mistake is named."""

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

from ship_deploy.errors import UserError
from training import networks
from training.config import Config, Pairs, load_config
from training.manual import render

RECIPES = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("run: {name: test}\ndata:\n  folders: [{path: pairs, weight: 2}]\n")
    return path


def test_defaults_are_the_published_recipe(recipe):
    config = load_config(recipe)
    assert config.network.model_dump() == {
        "name": "ship",
        "channels": 16,
        "interactions": 3,
        "orders": 3,
    }
    assert (config.data.crop, config.data.batch) == (128, 4)
    assert (config.optimiser.learning_rate, config.optimiser.iterations) == (1e-4, 100_000)
    assert (config.loss.mask, config.loss.intensity, config.loss.gradient) == (3, 10, 10)
    assert config.data.folders[0].path == Path("pairs")
    assert set(config.augmentation.model_dump().values()) == {0}


def test_overrides_win_and_are_yaml(recipe):
    config = load_config(
        recipe,
        [
            "run.name=other",
            "loss.gradient_form=signed",
            "optimiser.learning_rate=1e-3",
            "data.folders=[{path: a}, {path: b, weight: 3}]",
        ],
    )
    assert config.run.name == "other"
    assert config.loss.gradient_form == "signed"
    assert config.optimiser.learning_rate == 1e-3
    assert [(str(f.path), f.weight) for f in config.data.folders] == [("a", 1), ("b", 3)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_configs_of_the_repository_are_valid(path, monkeypatch):
    monkeypatch.setenv("SHIP_DEPLOY_DATA", "/datasets")
    config = load_config(path)
    assert not any("test" in folder.path.parts for folder in config.data.folders)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimiser.learning_rat=1",
            "unknown key optimiser.learning_rat; the nearest is optimiser.learning_rate",
        ),
        ("data.folders.path=a", "not of the form section.key=value"),
        ("optimizer.clip=1", "the nearest is optimiser.clip"),
        ("loss.gradient_from=signed", "the nearest is loss.gradient_form"),
        ("data.folders=[{path: a, wieght: 2}]", "the nearest is data.folders.weight"),
        ("optimiser.clip=-1", "optimiser.clip: input should be greater than 0"),
        ("loss.mask_form=reader", "loss.mask_form: input should be 'published' or 'selective'"),
        ("data.crop=wide", "data.crop: input should be a valid integer"),
        ("data.folders=[]", "data.folders: list should have at least 1 item"),
        ("optimiser.clip", "not of the form section.key=value"),
        ("clip=1", "not of the form section.key=value"),
        ("run.name=[", "the value is not YAML"),
        ("run.devics=2", "the nearest is run.devices"),
        ("run.devices=3", "data.batch: 4 crops cannot be shared out equally among run.devices"),
        ("run.accelerator=tpu", "run.accelerator: input should be 'auto', 'cpu' or 'gpu'"),
        (
            "optimiser.precision=fp16",
            "optimiser.precision: input should be '32-true', 'bf16-mixed'",
        ),
        ("augmentation.polarity=2", "augmentation.polarity: input should be less than or equal to"),
        ("validation.folder=a", "the nearest is validation.folders"),
        ("network.chanels=8", "unknown key network.chanels; the nearest is network.channels"),
        ("network.name=shp", "network: unknown network shp; the nearest is ship"),
        ("network.orders=0", "network.orders: input should be greater than 0"),
        ("network=4", "not of the form section.key=value"),
        ("data.crop=15", "data.crop: 15 pixels, but ship takes 16 at least"),
    ],
)
def test_a_wrong_override_is_named(recipe, override, message):
    with pytest.raises(UserError) as raised:
        load_config(recipe, [override])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("run: {name: a}\ndata: {folders: [{path: a}], corp: 96}", "the nearest is data.crop"),
        ("run: {name: a}\ndata: {folders: [{path: a}]}\nlosses: {}", "the nearest is loss"),
        ("data: {folders: [{path: a}]}", "run: field required"),
        ("run: [", "not a readable YAML file"),
        ("", "holds no sections"),
        ("run: {name: a}\ndata: {}\nloss: {mask: x, ssim: y}", "loss.ssim: input should be"),
    ],
)
def test_a_wrong_file_is_named(recipe, content, message):
    recipe.write_text(content)
    with pytest.raises(UserError) as raised:
        load_config(recipe)
    assert message in str(raised.value)
    assert str(recipe) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="not a readable YAML file"):
        load_config(tmp_path / "none.yaml")


def test_settings_cannot_change_once_read(recipe):
    config: Config = load_config(recipe)
    with pytest.raises(ValueError, match="frozen"):
        config.data.crop = 64


def test_a_path_may_begin_with_the_data_folder(recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("SHIP_DEPLOY_DATA", str(tmp_path))
    text = "${SHIP_DEPLOY_DATA}/data/a"
    config = load_config(recipe, [f"data.folders=[{{path: '{text}'}}]", "run.folder=here"])
    assert config.data.folders[0].path == tmp_path / "data" / "a"
    assert config.run.folder == Path("here")
    written = json.loads(config.model_dump_json())  # as in a checkpoint: of any machine
    assert written["data"]["folders"][0]["path"] == text


def test_a_variable_that_is_unknown_or_not_set_is_named(recipe, monkeypatch):
    monkeypatch.delenv("SHIP_DEPLOY_DATA", raising=False)
    for variable, message in (
        ("SHIP_DEPLOY_DATA", "run.folder: the environment variable SHIP_DEPLOY_DATA is not set"),
        ("HOME", "run.folder: unknown variable HOME, expected SHIP_DEPLOY_DATA"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            load_config(recipe, [f"run.folder=${{{variable}}}/runs"])


@pytest.mark.parametrize("network", networks.names())
def test_the_manual_is_a_config_of_the_defaults_with_every_key(tmp_path, network):
    text = render(network)
    (tmp_path / "all.yaml").write_text(text)
    config = load_config(tmp_path / "all.yaml")
    plain = {"run": {"name": "mine"}, "data": {"folders": ["my-pairs"]}}
    assert config == Config.model_validate(plain | {"network": {"name": network}})
    content = yaml.safe_load(text)
    shown = {key: list(section) for key, section in content.items()}
    assert shown == {key: list(section) for key, section in config.model_dump().items()}
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    for before, line in itertools.pairwise(lines):
        if re.match(r" +\w+: .", line):
            assert before.lstrip().startswith("#"), f"{line} has no meaning"
    assert max(map(len, text.splitlines())) <= 100


def test_sub_folders_are_named_in_pairs():
    with pytest.raises(ValueError, match="both sub-folders"):
        Pairs.model_validate({"path": "a", "visible": "rgb"})
    assert Pairs.model_validate("a") == Pairs(path=Path("a"))
