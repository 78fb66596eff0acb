import math

import pytest
import torch

from training.architecture import FusionNetwork
from training.layers.blocks import CentralDifference, ChannelNorm
from training.layers.invertible import HalfInstanceNorm, Invertible1x1
from training.networks import SHIP
from training.networks.compact import Compact

NETWORKS = {
    "ship": lambda: SHIP(channels=8, interactions=2, orders=2),
    "compact, blocks of 2": lambda: Compact(channels=8, survey=(8, 8, 8), block=2),
    "compact, blocks of 4": lambda: Compact(channels=8, survey=(8, 8, 8), block=4),
}


@pytest.fixture(scope="module")
def ship() -> SHIP:
    torch.manual_seed(0)
    return SHIP(channels=8, interactions=2, orders=2)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request) -> FusionNetwork:
    torch.manual_seed(0)
    return NETWORKS[request.param]()


def test_the_published_size():
    assert sum(p.numel() for p in SHIP().parameters()) + 3 * (32 * 32 + 32) + 48 * 48 + 48 == 553029


@pytest.mark.parametrize("size", [(16, 16), (17, 16), (16, 19), (33, 41), (64, 48)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_any_size_from_16_up(network, size, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    visible, infrared = torch.rand(2, 2, 1, *size, device=device)

    fused, raw = network.to(device)(visible, infrared)
    network.to("cpu")

    assert fused.shape == raw.shape == visible.shape
    assert raw.isfinite().all()
    assert torch.equal(fused, raw.clamp(0, 1))


def test_frames_of_a_batch_do_not_meet(network):
    visible, infrared = torch.rand(2, 3, 1, 20, 24)
    with torch.inference_mode():
        together = network(visible, infrared)[1]
        alone = network(visible[1:2], infrared[1:2])[1]
    torch.testing.assert_close(together[1:2], alone, rtol=1e-5, atol=1e-6)


def test_every_parameter_gets_a_gradient(network):
    network.zero_grad()
    visible, infrared = torch.rand(2, 1, 1, 20, 24)
    network(visible, infrared)[1].square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_gradients_are_right():
    """Against finite differences, in FP64."""
    torch.manual_seed(1)
    network = SHIP(channels=2, interactions=1, orders=1).double()
    visible, infrared = torch.rand(2, 1, 1, 16, 16, dtype=torch.float64)
    weight = network.interactions[0].spatial.refine_infrared[0][0].weight

    def loss() -> torch.Tensor:
        return network(visible, infrared)[1].square().mean()

    (gradient,) = torch.autograd.grad(loss(), weight)
    direction = torch.randn_like(weight)
    step = 1e-6
    with torch.no_grad():
        weight += step * direction
        above = loss()
        weight -= 2 * step * direction
        below = loss()
    slope = (above - below).item() / (2 * step)
    assert math.isclose(slope, (gradient * direction).sum().item(), rel_tol=1e-4)


def test_compiles(network):
    visible, infrared = torch.rand(2, 1, 1, 20, 24)
    expected = network(visible, infrared)[1]
    compiled = torch.compile(network, backend="aot_eager")
    raw = compiled(visible, infrared)[1]
    raw.mean().backward()
    torch.testing.assert_close(raw, expected, rtol=1e-4, atol=1e-5)


def test_bf16_keeps_the_spectrum_in_fp32(ship):
    visible, infrared = torch.rand(2, 1, 1, 20, 24)
    seen = []
    hook = ship.interactions[0].spatial.convolution.register_forward_hook(
        lambda module, inputs, output: seen.append(output.dtype)
    )
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        assert ship(visible, infrared)[1].isfinite().all()
    hook.remove()
    assert seen == [torch.float32]


def test_a_difference_of_nothing_is_nothing():
    """A central difference of a constant is 0 with strength 1; with 0.8 a fifth of it stays."""
    layer = CentralDifference(1)
    with torch.no_grad():
        layer.cross.fill_(1)
        layer.diagonal.fill_(1)
    inner = layer(torch.full((1, 1, 5, 5), 2.0))[0, 0, 1:-1, 1:-1]
    torch.testing.assert_close(inner, torch.full((3, 3), 2.0 * (5 * 0.2 + 1)))


def test_channel_norm_is_layer_norm_of_each_pixel():
    norm = ChannelNorm(6)
    x = torch.rand(2, 6, 5, 4)
    expected = torch.nn.functional.layer_norm(x.movedim(1, -1), (6,), eps=norm.eps).movedim(-1, 1)
    torch.testing.assert_close(norm(x), expected)


def test_the_bias_before_an_instance_norm_is_dead():
    """And does not even cost digits: 900 standard deviations of it are what the authors shipped."""
    torch.manual_seed(0)
    unit = HalfInstanceNorm(4, 8)
    x = torch.rand(1, 4, 20, 20)
    expected = unit(x)
    with torch.no_grad():
        unit.conv1.bias[:4] = 900
    assert torch.equal(unit(x), expected)


def test_mixing_is_invertible_and_starts_as_a_rotation():
    matrix = Invertible1x1(12).matrix()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(12), rtol=0, atol=1e-5)
