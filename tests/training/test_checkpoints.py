import pytest
import torch
from safetensors.torch import save_file

from ship_deploy import UserError
from training.checkpoints import load_network, save_network
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


def test_missing(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        load_network(tmp_path / "a.pth")


def test_tensors_of_somebody_else(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="not one of ours"):
        load_network(tmp_path / "a.safetensors")
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(UserError, match="not the authors' checkpoint"):
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
