"""What all metrics have in common, and what they refuse."""

import math

import pytest
import torch

from training.metrics import METRICS

NAMES = [
    *("EN", "SD", "SF", "AG"),
    *("MI", "NMI", "SCD", "CC", "PSNR", "SSIM", "MS-SSIM", "VIF"),
    *("Qabf", "N_abf", "FMI", "edge beads"),
]
CONVENTIONS = ("paper", "cddfuse")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def images() -> list[torch.Tensor]:
    """Fused, visible, infrared, (2, 180, 200), that have something in common."""
    sources = [noise(2, 180, 200, seed=seed).float() for seed in (1, 2)]
    smooth = [torch.nn.functional.avg_pool2d(s, 5, 1, 2) * 2 - 128 for s in sources]
    fused = (smooth[0] + smooth[1]) / 2 + noise(2, 180, 200, seed=3) / 4
    return [image.clamp(0, 255).byte() for image in (fused, *smooth)]


def test_names_are_the_fields():
    assert list(METRICS) == NAMES


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_scores_as_its_images_do(name, convention, images):
    together = METRICS[name](*images, convention=convention)
    alone = [METRICS[name](*(i[n] for i in images), convention=convention) for n in range(2)]
    assert together.shape == (2,) and alone[0].shape == ()
    assert together.dtype == torch.float64
    assert torch.isfinite(together).all()
    assert together[0] != together[1]
    assert torch.allclose(together, torch.stack(alone), rtol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_sources_are_equals(name, convention, images):
    fused, visible, infrared = images
    score = METRICS[name](fused, visible, infrared, convention)
    assert torch.allclose(score, METRICS[name](fused, infrared, visible, convention), rtol=1e-9)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(NAMES[:4])))
def test_better_scores_better(name, images):
    """The better fusion is of both sources; the worse is unrelated noise, which oscillates."""
    metric, (_, visible, infrared) = METRICS[name], images
    average = ((visible.int() + infrared.int()) // 2).byte()
    better, worse = (metric(f, visible, infrared) for f in (average, noise(2, 180, 200, seed=9)))
    assert ((better > worse) if metric.higher_is_better else (better < worse)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_scores_as_the_processor_does(name, convention, images):
    score = METRICS[name](*(i.cuda() for i in images), convention=convention)
    assert score.is_cuda
    assert torch.allclose(score.cpu(), METRICS[name](*images, convention=convention), rtol=1e-4)


def test_the_unit_goes_with_the_convention():
    assert METRICS["MI"].unit_in("paper") == "bit"
    assert METRICS["MI"].unit_in("cddfuse") == "nat"
    assert METRICS["EN"].unit_in("cddfuse") == "bit"


@pytest.mark.parametrize(("name", "side"), [("MS-SSIM", 175), ("VIF", 40), ("edge beads", 32)])
def test_too_small_is_nan(name, side):
    images = [noise(side, 200, seed=seed) for seed in range(3)]
    assert math.isnan(METRICS[name](*images))
    larger = [noise(side + 1, 200, seed=seed) for seed in range(3)]
    assert math.isfinite(METRICS[name](*larger))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_constant_images_are_no_accident(name, convention):
    """Nothing divides by nothing: a score that a mean can be taken of, even where all is black."""
    for level in (0, 90):
        flat = torch.full((180, 180), level, dtype=torch.uint8)
        assert METRICS[name](flat, flat, flat, convention).isfinite()
        assert METRICS[name](flat, flat, noise(180, 180), convention).isfinite()


def test_wrong_images_are_refused():
    metric, good = METRICS["CC"], noise(8, 8)
    with pytest.raises(TypeError, match=r"uint8 tensors, not torch\.float32"):
        metric(good.float(), good, good)
    with pytest.raises(TypeError, match="uint8 tensors, not ndarray"):
        metric(good, good.numpy(), good)
    with pytest.raises(ValueError, match=r"\(8, 8\), \(8, 9\), \(8, 8\)"):
        metric(good, noise(8, 9), good)
    with pytest.raises(ValueError, match="expected"):
        metric(good[None, None], good[None, None], good[None, None])
    with pytest.raises(ValueError, match="convention is 'matlab'"):
        metric(good, good, good, convention="matlab")
