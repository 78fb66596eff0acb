"""PSNR, SSIM, MS-SSIM, VIF: known extremes, and their definitions in plain loops or libraries."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import visual_information_fidelity

from ship_deploy.frames import Frames
from training.metrics import METRICS
from training.scenes import render


@pytest.fixture(scope="module")
def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Fused, visible, infrared (180, 200): smooth parts, edges and noise."""
    visible, infrared = render(4, 180, 200)
    grey = visible[..., 1]
    fused = (grey.astype(int) + infrared) // 2
    return tuple(torch.from_numpy(np.uint8(i)) for i in (fused, grey, infrared))


def score(name: str, *images: torch.Tensor, convention="paper") -> float:
    return METRICS[name](*(i.byte() for i in images), convention=convention).item()


@pytest.mark.parametrize(
    ("name", "convention", "extreme"),
    [
        ("PSNR", "paper", 100),
        ("SSIM", "paper", 1),
        ("SSIM", "cddfuse", 2),
        ("MS-SSIM", "paper", 1),
        ("VIF", "paper", 1),
        ("VIF", "cddfuse", 2),
    ],
)
def test_an_image_fused_with_itself(name, convention, extreme, scene):
    image = scene[1]
    assert score(name, image, image, image, convention=convention) == pytest.approx(extreme)


def test_peak_ratio_by_hand():
    fused = torch.full((8, 8), 100)
    sources = fused + 6, fused - 2  # mean squared error (36 + 4) / 2
    assert score("PSNR", fused, *sources) == pytest.approx(10 * math.log10(255**2 / 20))
    cddfuse = score("PSNR", fused, *sources, convention="cddfuse")
    assert cddfuse == pytest.approx(10 * math.log10(100**2 / 20))


def ssim(first: Frames, second: Frames, weights: np.ndarray, unbiased: float) -> float:
    """Wang's formula, window by window; `unbiased` multiplies variances and covariance."""
    size, total = len(weights), []
    x, y = first.astype(float), second.astype(float)
    for top in range(len(x) - size + 1):
        for left in range(x.shape[1] - size + 1):
            a, b = (i[top : top + size, left : left + size] for i in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            variance_a = unbiased * (weights * (a - mean_a) ** 2).sum()
            variance_b = unbiased * (weights * (b - mean_b) ** 2).sum()
            covariance = unbiased * (weights * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = 2.55**2, 7.65**2
            total.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
            )
    return float(np.mean(total))


def test_ssim_is_wangs(scene):
    fused, visible, infrared = (image[:30, :40] for image in scene)
    x = np.arange(-5, 6)
    weights = np.exp(-(x**2 + x[:, None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    expected = [ssim(fused.numpy(), s.numpy(), weights, 1) for s in (visible, infrared)]
    assert score("SSIM", fused, visible, infrared) == pytest.approx(np.mean(expected), abs=2e-5)


def test_ssim_is_that_of_scikit_image_in_the_other_convention(scene):
    fused, visible, infrared = (image[:30, :40] for image in scene)
    weights = np.full((7, 7), 1 / 49)
    expected = [ssim(fused.numpy(), s.numpy(), weights, 49 / 48) for s in (visible, infrared)]
    result = score("SSIM", fused, visible, infrared, convention="cddfuse")
    assert result == pytest.approx(sum(expected), abs=2e-5)


def test_fidelity_is_that_of_torchmetrics(scene):
    fused, visible, infrared = scene
    expected = [
        visual_information_fidelity(fused[None, None].double(), s[None, None].double()).item()
        for s in (visible, infrared)
    ]
    assert score("VIF", *scene) == pytest.approx(np.mean(expected), rel=1e-9)
    assert score("VIF", *scene, convention="cddfuse") == pytest.approx(sum(expected), rel=1e-9)


def test_fidelity_rises_with_contrast_and_falls_with_blur(scene):
    image = scene[1] // 2 + 40
    blurred = torch.nn.functional.avg_pool2d(image[None].double(), 5, 1, 2)[0]
    stretched = 2 * (image.int() - 40)
    assert score("VIF", blurred, image, image) < 0.7
    assert score("VIF", stretched, image, image) > 1.05


def test_multiscale_similarity_falls_with_noise(scene):
    fused, *sources = scene
    noise = torch.randint(-40, 41, fused.shape, generator=torch.Generator().manual_seed(0))
    noisy = (fused + noise).clamp(0, 255)
    assert score("MS-SSIM", noisy, *sources) < score("MS-SSIM", fused, *sources) - 0.03
