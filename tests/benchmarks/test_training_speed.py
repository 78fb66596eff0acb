import json

import pytest
import torch

from benchmarks.training_speed import literal, run, tabulate
from training.networks import SHIP

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(autouse=True)
def denormals_as_they_were():
    yield
    torch.set_flush_denormal(False)


def test_the_plain_network_computes_the_same():
    torch.manual_seed(0)
    network = SHIP(4, 1, 1).double()
    network.visible_features.edge1.difference.mix.data.fill_(0.3)
    plain, inputs = literal(network), torch.rand(2, 1, 1, 24, 32, dtype=torch.float64)
    assert {type(m).__name__ for m in plain.modules()} >= {"LiteralDifference"}
    assert not any(type(m).__name__ == "CentralDifference" for m in plain.modules())
    torch.testing.assert_close(plain(*inputs), network(*inputs), rtol=1e-9, atol=1e-9)
    gradients = []
    for one in (network, plain):
        one(*inputs)[1].square().mean().backward()
        gradients.append(one.visible_features.edge1.difference.cross.grad)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_writes_what_it_measured(tmp_path):
    small = {"channels": 4, "interactions": 1, "orders": 1}
    table = run(tmp_path, ["32-true", "bf16-mixed"], crop=16, batch=2, rounds=3, network=small)

    record = json.loads((tmp_path / "training.json").read_text())
    assert (tmp_path / "training.md").read_text() == table == tabulate(record)
    assert [result["precision"] for result in record["training"]] == ["32-true", "bf16-mixed"]
    for result in record["training"]:
        assert result["rounds"] == 3
        median, fastest, slowest = result["seconds"]
        assert 0 < fastest <= median <= slowest
        low, high = result["speedup_range"]
        assert low <= result["speedup"] <= high
