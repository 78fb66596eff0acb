import copy

import pytest
import torch
from torch import nn

from export.fold import fold
from training.layers.blocks import CentralDifference, ChannelNorm, EdgeBlock
from training.layers.invertible import HalfInstanceNorm, Invertible1x1, InvertibleBlock
from training.layers.spectrum import CircularConvolution
from training.networks import SHIP


@pytest.fixture(scope="module")
def network() -> SHIP:
    """Random weights far from their neutral initial values, so that every folding counts."""
    torch.manual_seed(2)
    network = SHIP(channels=8, interactions=2, orders=2).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1:
                parameter += 0.5 * torch.randn_like(parameter)
            if name.endswith(("lower", "upper")):
                parameter += 0.2 * torch.randn_like(parameter)  # their unused halves too
    return network


@torch.inference_mode()
def test_folding_changes_nothing(network):
    visible, infrared = torch.rand(2, 2, 1, 33, 40)
    expected = copy.deepcopy(network).double()(visible.double(), infrared.double())[1]

    result = fold(network)(visible, infrared)[1]

    torch.testing.assert_close(result.double(), expected, rtol=0, atol=1e-5 * expected.abs().max())


def test_folding_leaves_the_network_alone(network):
    before = copy.deepcopy(network.state_dict())

    fold(network)

    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_what_folds_is_gone(network):
    folded = fold(network)
    kinds = {type(part) for part in folded.modules()}

    assert not kinds & {
        CentralDifference,
        ChannelNorm,
        CircularConvolution,
        EdgeBlock,
        HalfInstanceNorm,
        Invertible1x1,
        InvertibleBlock,
    }
    for extractor in (folded.visible_features, folded.infrared_features):
        assert isinstance(extractor.lift, nn.Identity)
    for interaction in folded.interactions:
        assert all(norm.centred for norm in interaction.spatial.norms)
    assert not [p for p in folded.parameters() if p.requires_grad]
    assert nn.Conv2d in kinds
