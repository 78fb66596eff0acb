from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ship_deploy import UserError
from training.checkpoints import (
    load_network,
    mix,
    read_metadata,
    save_network,
    training_configs,
)
from training.networks import SHIP


def edit_authors(shared, path, change) -> None:
    content = torch.load(shared / "checkpoints" / "SHIP_model.pth", weights_only=True)
    change(content["params"])
    torch.save(content, path)


def test_ours_come_back_to_the_bit(tmp_path):
    network = SHIP(channels=4, interactions=1, orders=2)
    save_network(network, tmp_path / "a.safetensors", step="7")

    loaded = load_network(tmp_path / "a.safetensors")

    assert loaded.config == network.config
    assert not loaded.training
    state = loaded.state_dict()
    assert all(torch.equal(state[k], v) for k, v in network.state_dict().items())


def test_the_authors_checkpoint_loads_whole(shared):
    network = load_network(shared / "checkpoints" / "SHIP_model.pth")
    assert sum(t.numel() for t in network.state_dict().values()) == 553029
    assert len(network.state_dict()) == 484


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("vis.conv.weight"), "lacks tensor visible_features.lift.weight"),
        (lambda t: t.update(extra=torch.zeros(1)), "has an unknown tensor extra"),
        (
            lambda t: t.update({"inf.conv.weight": torch.zeros(8, 1, 1, 1)}),
            r"infrared_features.lift.weight is \(8, 1, 1, 1\), expected \(16, 1, 1, 1\)",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(shared, tmp_path, change, message):
    edit_authors(shared, tmp_path / "edited.pth", change)
    with pytest.raises(UserError, match=message) as error:
        load_network(tmp_path / "edited.pth")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 50])
def test_what_is_no_checkpoint(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="not a readable"):
        load_network(tmp_path / name)


def before(prefix):
    return lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("bare.pth", dict),
        ("ddp.pth", before("module.")),
        ("compiled.pt", before("_orig_mod.")),
        ("both.pth", before("_orig_mod.module.")),
        ("lightning.ckpt", lambda t: {"epoch": 3, "state_dict": before("net.")(t)}),
        ("model.pth.tar", lambda t: {"step": 7, "model": before("module.")(t)}),
        ("ema.pth", lambda t: {"params": before("x")(t), "params_ema": t}),
        ("deep.bin", lambda t: {"model": {"state_dict": t}}),
    ],
)
def test_weights_load_however_a_framework_wraps_them(shared, tmp_path, name, wrap):
    path = shared / "checkpoints" / "SHIP_model.pth"
    tensors = torch.load(path, weights_only=True)["params"]
    torch.save(wrap(tensors), tmp_path / name)
    loaded, expected = load_network(tmp_path / name).state_dict(), load_network(path).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in expected.items())


def test_ours_load_under_another_name(tmp_path):
    save_network(SHIP(channels=4, interactions=1, orders=1), tmp_path / "a.ckpt")
    assert load_network(tmp_path / "a.ckpt").config["channels"] == 4


def test_a_file_that_holds_itself_is_no_checkpoint(tmp_path):
    content = {"step": 1}
    content["model"] = content
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"not a readable|holds no tensors"):
        load_network(tmp_path / "a.pth")


def test_missing(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        load_network(tmp_path / "a.pth")


def test_tensors_of_somebody_else(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="not one of ours"):
        load_network(tmp_path / "a.safetensors")
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(UserError, match="holds no tensors, neither bare nor under"):
        load_network(tmp_path / "a.pth")


def test_a_pickle_that_runs_code_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return open, (str(tmp_path / "harmed"), "w")

    torch.save({"params": Harm()}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="not a readable"):
        load_network(tmp_path / "a.pth")
    assert not (tmp_path / "harmed").exists()


def test_an_unknown_network(tmp_path):
    save_file(
        {"x": torch.zeros(1)}, tmp_path / "a.safetensors", {"network": "Boat", "config": "{}"}
    )
    with pytest.raises(UserError, match="unknown network Boat"):
        load_network(tmp_path / "a.safetensors")


def test_a_mix_lies_between_its_networks_and_knows_where_from(tmp_path):
    first = SHIP(channels=4, interactions=1, orders=1)
    second = SHIP(channels=4, interactions=1, orders=1)
    state = first.state_dict()
    second.load_state_dict({k: v if "mixing" in k else v + 1 for k, v in state.items()})
    for name, network, key in (("a", first, "recipe"), ("b", second, "training_config")):
        config = {key: f'{{"run": {{"name": "{name}"}}}}'}  # the key of old checkpoints, and ours
        save_network(network, tmp_path / f"{name}.safetensors", **config)
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"

    mix(*paths, 0.25, tmp_path / "c.safetensors")

    mixed = load_network(tmp_path / "c.safetensors").state_dict()
    assert torch.allclose(mixed["output.weight"], first.output.weight + 0.25)
    assert torch.equal(mixed["merge.mixing.permutation"], first.merge.mixing.permutation)
    stages = training_configs(tmp_path / "c.safetensors")
    assert [stage["run"]["name"] for stage in stages] == ["a", "b"]


def test_the_shipped_checkpoint_knows_its_training():
    shipped = Path(__file__).parents[2] / "configs" / "ship.safetensors"
    assert load_network(shipped).config == {"channels": 16, "interactions": 3, "orders": 3}
    assert [stage["run"]["name"] for stage in training_configs(shipped)]


def test_what_cannot_be_mixed_is_refused(tmp_path):
    for name, channels in (("a", 4), ("b", 8)):
        network = SHIP(channels=channels, interactions=1, orders=1)
        save_network(network, tmp_path / f"{name}.safetensors")
    a, b, c = (tmp_path / f"{name}.safetensors" for name in "abc")
    with pytest.raises(UserError, match="different networks"):
        mix(a, b, 0.5, c)
    with pytest.raises(UserError, match=r"share is 1\.5, expected 0 to 1"):
        mix(a, a, 1.5, c)
    assert not c.exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"orders": 1000000}', "no SHIP has settings like"),
        ('{"channels": 100000}', "no SHIP has settings like"),
        ('{"channels": 1000}', "lacks tensor|unexpected|expected|unknown"),  # no memory is taken
        ('{"channels": -1}', "takes no"),
        ('{"colours": 3}', "takes no"),
        ("[1]", "takes no"),
        ("{", "names no network that is known"),
        ("[" * 100_000, "names no network that is known"),
    ],
)
def test_settings_that_no_network_has(tmp_path, config, said):
    about = {"network": "SHIP", "config": config}
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", about)
    with pytest.raises(UserError, match=rf"a\.safetensors: .*({said})"):
        load_network(tmp_path / "a.safetensors")


def test_configs_of_a_training_that_are_damaged(tmp_path):
    about = {"training_config": "{", "network": "SHIP", "config": "{}"}
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", about)
    with pytest.raises(UserError, match="configs of its training are damaged"):
        training_configs(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"{")
    with pytest.raises(UserError, match="not a readable"):
        read_metadata(tmp_path / "a.safetensors")
