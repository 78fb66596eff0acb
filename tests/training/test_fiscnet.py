"""FISCNet: any size, gradients where a phase or a deviation has none, scales, the phase's floor."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ship_deploy import UserError
from training.checkpoints import load_network
from training.layers.phase import PhaseMix
from training.networks.fiscnet import FISCNet
from training.networks.fiscnet.network import FrameStatistic, half, quarter
from training.networks.fiscnet.published import DEAD


@pytest.fixture(scope="module")
def network() -> FISCNet:
    torch.manual_seed(0)
    return FISCNet(channels=4, levels=2)


def edit_authors(shared, path, change) -> None:
    content = torch.load(shared / "checkpoints" / "FISCNet_model.pth", weights_only=True)
    change(content["params"])
    torch.save(content, path)


def test_the_authors_checkpoint_loads_whole(shared):
    content = torch.load(shared / "checkpoints" / "FISCNet_model.pth", weights_only=True)["params"]
    assert len(content) == 434 and sum(t.numel() for t in content.values()) == 324_290 + 3_168
    assert len(DEAD) == 18 and content.keys() > DEAD
    network = load_network(shared / "checkpoints" / "FISCNet_model.pth")
    assert type(network) is FISCNet
    assert len(network.state_dict()) == 434 - 18
    dead = sum(content[key].numel() for key in DEAD)
    assert sum(t.numel() for t in network.state_dict().values()) == 324_290 + 3_168 - dead
    assert all(t.isfinite().all() and t.abs().max() < 100 for t in network.state_dict().values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("correction2.vis.process.bias"), "lacks tensor levels.0.visible.process"),
        (
            lambda t: t.update({"correction1.vis.more": torch.zeros(1)}),
            "has an unknown tensor vis.more",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(shared, tmp_path, change, message):
    edit_authors(shared, tmp_path / "edited.pth", change)
    with pytest.raises(UserError, match=message):
        load_network(tmp_path / "edited.pth")


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (8, 11), (15, 15), (33, 41), (64, 48)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_any_size_from_8_up(network, size, device):
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


@pytest.mark.parametrize("infrared", ["noise", "black", "flat"])
def test_every_parameter_gets_a_gradient(network, infrared):
    """Where the infrared frame is flat, its phases and deviations have no derivative."""
    frames = {"noise": torch.rand(1, 1, 20, 24), "black": 0.0, "flat": 0.4}
    network.zero_grad()
    visible, source = torch.rand(1, 1, 20, 24), torch.zeros(1, 1, 20, 24) + frames[infrared]
    visible.requires_grad_()
    source.requires_grad_()
    network(visible, source)[1].square().mean().backward()
    for name, tensor in [*network.named_parameters(), ("", visible), ("", source)]:
        assert tensor.grad is not None, name
        assert tensor.grad.isfinite().all(), name


def test_constant_channels_have_a_finite_gradient():
    x = torch.full((1, 2, 5, 7), 0.3, requires_grad=True)
    statistic = FrameStatistic()(x)
    statistic.sum().backward()
    torch.testing.assert_close(statistic.detach(), torch.full((1, 2, 1, 1), 0.3))
    torch.testing.assert_close(x.grad, torch.full_like(x, 1 / 35))


def test_gradients_are_right():
    """Against finite differences, in FP64."""
    torch.manual_seed(1)
    network = FISCNet(channels=2, levels=2).double()
    visible, infrared = torch.rand(2, 1, 1, 16, 16, dtype=torch.float64)
    weight = network.levels[0].infrared.process.weight

    def loss() -> torch.Tensor:
        return network(visible, infrared)[1].square().mean()

    (gradient,) = torch.autograd.grad(loss(), weight)
    direction = gradient / gradient.norm()
    step = 1e-7
    with torch.no_grad():
        weight += step * direction
        above = loss()
        weight -= 2 * step * direction
        below = loss()
    slope = (above - below).item() / (2 * step)
    assert math.isclose(slope, gradient.norm().item(), rel_tol=1e-4)


def test_compiles():
    torch.manual_seed(0)
    network = FISCNet(channels=2, levels=1)  # compiling takes its time: a second level adds as much
    visible, infrared = torch.rand(2, 1, 1, 20, 24)
    expected = network(visible, infrared)[1]
    raw = torch.compile(network, backend="aot_eager")(visible, infrared)[1]
    raw.mean().backward()
    torch.testing.assert_close(raw, expected, rtol=1e-4, atol=1e-5)


def test_bf16_keeps_the_spectrum_in_fp32(network):
    visible, infrared = torch.rand(2, 1, 1, 20, 24)
    seen = []
    hook = network.levels[0].phases.register_forward_hook(
        lambda module, inputs, output: seen.append(output.dtype)
    )
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        assert network(visible, infrared)[1].isfinite().all()
    hook.remove()
    assert seen == [torch.float32]


@pytest.mark.parametrize("size", [(8, 8), (9, 15), (10, 14), (11, 13)])
def test_smaller_scales_are_bilinear_without_antialiasing(size):
    x = torch.rand(1, 3, *size)
    for small, scale in ((half, 2), (quarter, 4)):
        expected = F.interpolate(
            x, scale_factor=1 / scale, mode="bilinear", recompute_scale_factor=False
        )
        torch.testing.assert_close(small(x), expected)


def test_phase_mix_is_what_the_paper_says():
    """Against amplitudes, cosines and sines of whole spectra, in NumPy."""
    a, v, r = torch.rand(3, 2, 3, 9, 10, dtype=torch.float64)
    amplitude = np.abs(np.fft.fft2(a))
    phases = [np.angle(np.fft.fft2(x)) for x in (v, r)]
    real, imaginary = (amplitude * sum(f(p) for p in phases) for f in (np.cos, np.sin))
    expected = np.abs(np.fft.ifft2(real + 1j * imaginary))
    np.testing.assert_allclose(PhaseMix(0)(a, v, r), expected, atol=1e-12)


def test_equal_phases_double():
    x = torch.rand(1, 2, 12, 17)
    torch.testing.assert_close(PhaseMix(4e-6)(x, x, x), 2 * x)


def test_a_phase_below_the_floor_is_zero():
    """A cosine so weak that it counts as nothing, and one that does not."""
    columns = torch.arange(16, dtype=torch.float64)
    ripple = torch.sin(2 * torch.pi * 3 * columns / 16).expand(1, 1, 8, 16)
    amplitude = torch.rand(1, 1, 8, 16, dtype=torch.float64)
    flat = torch.ones_like(amplitude)
    mix = PhaseMix(1e-3)
    expected = mix(amplitude, flat, flat)
    torch.testing.assert_close(mix(amplitude, flat, flat + 1e-6 * ripple), expected)
    assert (mix(amplitude, flat, flat + 0.1 * ripple) - expected).abs().max() > 1e-3


def test_a_dark_mean_turns_the_phase_of_the_mean():
    amplitude = torch.full((1, 1, 8, 8), 0.5)
    torch.testing.assert_close(PhaseMix(4e-6)(amplitude, amplitude, -amplitude), 0 * amplitude)
