"""The loss terms, against values worked out by hand."""

import pytest
import torch

from training import losses, structure
from training.config import Loss

NONE = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)  # no known targets


def flat(value: float) -> torch.Tensor:
    return torch.full((1, 1, 8, 8), float(value))


def step(low: float, high: float) -> torch.Tensor:
    """A vertical edge in the middle."""
    image = flat(low)
    image[..., 4:] = high
    return image


def test_sobel_is_eight_times_the_slope_along_each_axis():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    slopes = losses.sobel(ramp)[..., 1:-1, 1:-1]
    assert torch.equal(slopes[0, 0], torch.full((6, 6), 8.0))
    assert torch.equal(slopes[0, 1], torch.zeros(6, 6))
    assert torch.equal(losses.sobel(ramp.mT)[:, 1], losses.sobel(ramp)[:, 0].mT)
    assert losses.sobel(flat(0.7)).abs().max() < 1e-6  # nothing at the border either


def test_intensity_wants_the_brighter_source():
    brighter = torch.maximum(step(0, 1), step(0.8, 0.2))
    assert losses.intensity(brighter, step(0, 1), step(0.8, 0.2)) == 0
    assert losses.intensity(flat(0.1), flat(0.3), flat(0.6)).item() == pytest.approx(0.5)


def test_published_gradient_is_blind_to_a_flipped_edge_and_the_signed_one_is_not():
    visible, infrared = step(0.2, 0.8), flat(0.5)
    assert losses.published_gradient(visible, visible, infrared) == 0
    flipped = losses.published_gradient(1 - visible, visible, infrared).item()
    assert flipped == pytest.approx(0, abs=1e-6)
    assert losses.signed_gradient(visible, visible, infrared) == 0
    # 0.6 * 4 on the two columns beside the edge, wrong by twice that; the other axis is zero.
    flipped = losses.signed_gradient(1 - visible, visible, infrared).item()
    assert flipped == pytest.approx(2 * 2.4 * 2 / 8)


def test_signed_gradient_follows_the_steeper_source_along_each_axis():
    visible = step(0.2, 0.8) + step(0, 0.1).mT  # steeper along x
    infrared = step(0.5, 0.6) + step(0, 0.5).mT  # steeper along y
    wanted = step(0.2, 0.8) + step(0, 0.5).mT
    assert losses.signed_gradient(wanted, visible, infrared).item() == pytest.approx(0, abs=1e-6)
    assert losses.signed_gradient(visible, visible, infrared) > 0.1
    assert losses.signed_gradient(infrared, visible, infrared) > 0.1


def test_signed_gradient_asks_for_no_halo_where_the_slopes_oppose():
    """Dark before bright in one frame, bright before dark in the other."""
    visible, infrared = step(0.9, 0.1), step(0.2, 0.8)
    brighter = step(0.9, 0.8)
    assert losses.signed_gradient(brighter, visible, infrared).item() == pytest.approx(0, abs=1e-6)
    assert losses.signed_gradient(visible, visible, infrared) > 0.5  # the steeper of the two


def test_both_gradients_agree_where_no_sign_is_wrong():
    visible, fused = step(0.2, 0.8), step(0.2, 0.5)
    published = losses.published_gradient(fused, visible, flat(0))
    assert losses.signed_gradient(fused, visible, flat(0)).item() == pytest.approx(published.item())


def test_published_mask_leaves_the_fused_image_whole():
    half = flat(0.5)
    loss = losses.published_mask(flat(0.2), flat(0.8), flat(0.6), half)
    assert loss.item() == pytest.approx(abs(0.5 * 0.8 - 0.2) + abs(0.2 - 0.6))
    everywhere = losses.published_mask(flat(0.2), flat(0.8), flat(0.6), flat(1))
    assert everywhere.item() == pytest.approx(abs(0.8 - 0.2) + abs(0.2 - 0))


def test_selective_mask_chooses_a_source():
    args = flat(0.2), flat(0.8), flat(0.6)
    assert losses.selective_mask(*args, flat(1)).item() == pytest.approx(0.6)
    assert losses.selective_mask(*args, flat(0)).item() == pytest.approx(0.4)
    assert losses.selective_mask(*args, flat(0.25)).item() == pytest.approx(0.45)


def test_ssim_term_is_zero_for_equal_images_and_grows_with_noise():
    torch.manual_seed(0)
    image = torch.rand(1, 1, 16, 16)
    assert losses.dissimilarity(image, image, image).item() == pytest.approx(0, abs=1e-5)
    assert losses.dissimilarity(torch.rand(1, 1, 16, 16), image, image) > 0.3


def test_ssim_term_of_flat_images():
    """Without contrast only luminance counts: (2ab + c1) / (a^2 + b^2 + c1), c1 = 0.01^2."""
    fused, visible, infrared = (torch.full((1, 1, 16, 16), v) for v in (0.4, 0.8, 0.2))
    similar = [(2 * 0.4 * b + 1e-4) / (0.16 + b * b + 1e-4) for b in (0.8, 0.2)]
    loss = losses.dissimilarity(fused, visible, infrared).item()
    assert loss == pytest.approx(1 - sum(similar) / 2, abs=1e-4)


def test_published_gradient_of_a_step():
    """Sobel of a step of 0.6 is 4 * 0.6 on two of eight columns, and the fused frame has none."""
    loss = losses.published_gradient(flat(0.5), step(0.2, 0.8), step(0.2, 0.3)).item()
    assert loss == pytest.approx(4 * 0.6 * 2 / 8)


def test_defaults_are_the_published_loss():
    torch.manual_seed(0)
    images = torch.rand(4, 2, 1, 16, 16)
    terms = losses.fusion_losses(*images, NONE, Loss())
    assert terms.keys() == {"mask", "intensity", "gradient"}
    assert terms["mask"] == 3 * losses.published_mask(*images)
    assert terms["intensity"] == 10 * losses.intensity(*images[:3])
    assert terms["gradient"] == 10 * losses.published_gradient(*images[:3])


def test_configuration_selects_forms_and_weights():
    torch.manual_seed(0)
    images = torch.rand(4, 2, 1, 16, 16)
    settings = Loss(
        mask=1, mask_form="selective", intensity=0, gradient=2, gradient_form="signed", ssim=4
    )
    terms = losses.fusion_losses(*images, NONE, settings)
    assert terms.keys() == {"mask", "gradient", "ssim"}
    assert terms["mask"] == losses.selective_mask(*images)
    assert terms["gradient"] == 2 * losses.signed_gradient(*images[:3])
    assert terms["ssim"] == 4 * losses.dissimilarity(*images[:3])


def test_excess_is_the_distance_to_the_range():
    assert losses.excess(step(0, 1)) == 0
    assert losses.excess(step(-0.5, 1.25)).item() == pytest.approx((0.5 + 0.25) / 2)
    fused = step(-0.5, 1.25).requires_grad_()
    weights = Loss(mask=0, intensity=0, gradient=0, excess=64)
    losses.fusion_losses(fused, *[flat(0.5)] * 3, NONE, weights)["excess"].backward()
    assert torch.equal(fused.grad, step(-1, 1))


@pytest.mark.parametrize(("value", "source", "sign"), [(-0.25, 0, -1), (1.25, 1, 1)])
def test_values_outside_the_range_are_pulled_back(value, source, sign):
    """An overshoot still has a gradient, which a clamp of the fused image would hide."""
    fused = flat(value).requires_grad_()
    terms = losses.fusion_losses(
        fused, flat(source), flat(source), flat(0.5), NONE, Loss(mask_form="selective")
    )
    sum(terms.values()).backward()
    assert (fused.grad * sign > 0).all()


def texture(contrast: float, seed: int = 0) -> torch.Tensor:
    """64x64 about mid-grey, with structure at several scales."""
    noise = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(seed))
    parts = [noise - 0.5]
    for _ in range(3):
        coarser = torch.nn.functional.avg_pool2d(noise, 2)
        noise = torch.nn.functional.interpolate(coarser, size=(64, 64), mode="bilinear")
        parts.append(noise - 0.5)
    return 0.5 + contrast * sum(parts)


def test_structure_is_that_of_the_source_that_shows_something():
    shown, flat_frame = texture(0.3), torch.full((1, 1, 64, 64), 1.0)  # glare
    assert structure.dissimilarity(shown, flat_frame, shown).item() == pytest.approx(0, abs=1e-4)
    assert structure.dissimilarity(shown, shown, flat_frame).item() == pytest.approx(0, abs=1e-4)
    assert structure.dissimilarity(flat_frame, flat_frame, shown) > 0.8
    assert structure.dissimilarity((shown + flat_frame) / 2, flat_frame, shown) > 0.1


def test_structure_does_not_see_brightness():
    shown, other = texture(0.2), texture(0.3, seed=1)
    here, there = (structure.dissimilarity(fused, shown, other) for fused in (shown, shown - 0.2))
    assert there.item() == pytest.approx(here.item(), abs=1e-3)


def test_opposite_polarities_may_be_either_and_never_cancel():
    dark = texture(0.3)
    warm = 1 - dark

    def close(fused: torch.Tensor, finest: bool) -> float:
        return structure.closeness(torch.cat([fused, dark, warm], dim=1), finest)[0].mean().item()

    for fused in (dark, warm):
        assert close(fused, finest=False) == pytest.approx(1, abs=1e-3)
    assert close((dark + warm) / 2, finest=False) < 0.2
    # Of lettering and branches the visible frame's sign is kept.
    assert close(dark, finest=True) == pytest.approx(1, abs=0.01)
    assert close(warm, finest=True) < -0.9


def test_unrelated_structures_are_both_there():
    visible, infrared = texture(0.2), texture(0.2, seed=1)
    both = visible + infrared - 0.5
    here = structure.dissimilarity(both, visible, infrared)
    assert here < 0.1
    for alone in (visible, infrared, (visible + infrared) / 2):
        assert structure.dissimilarity(alone, visible, infrared) > 1.5 * here


def test_agreeing_structures_keep_the_stronger_contrast():
    weak, strong = texture(0.2), texture(0.3)
    assert structure.dissimilarity(strong, weak, strong).item() == pytest.approx(0, abs=1e-3)
    assert structure.dissimilarity(weak, weak, strong) > 0.05


def test_means_stay_between_those_of_the_sources():
    visible, infrared = (torch.full((1, 1, 32, 32), value) for value in (0.2, 0.6))
    for inside in (0.2, 0.4, 0.6):
        fused = torch.full((1, 1, 32, 32), inside)
        assert losses.beyond(fused, visible, infrared) == 0
    fused = torch.full((1, 1, 32, 32), 0.9)
    assert losses.beyond(fused, visible, infrared).item() == pytest.approx(0.3, abs=1e-5)


def test_tone_is_the_visible_frames_where_it_is_exposed():
    fused = torch.full((1, 1, 32, 32), 0.5)
    for level, exposed in ((0.0, 0), (0.1, 0.5), (0.3, 1), (0.7, 1), (1.0, 0)):
        visible = torch.full((1, 1, 32, 32), level)
        wanted = exposed * abs(0.5 - level)
        assert losses.tone(fused, visible).item() == pytest.approx(wanted, abs=1e-5)


def test_clamping_hides_what_is_outside_from_every_term():
    fused = torch.full((1, 1, 32, 32), 1.5, requires_grad=True)
    white = torch.ones(1, 1, 32, 32)
    weights = {"mask": 0, "gradient": 0, "intensity": 1, "excess": 1}
    free = losses.fusion_losses(fused, white, white, white, NONE, Loss(**weights))
    assert free["intensity"].item() == pytest.approx(0.5)
    clamped = losses.fusion_losses(fused, white, white, white, NONE, Loss(**weights, clamp=True))
    assert clamped["intensity"] == clamped["excess"] == 0


def test_detail_that_is_missing():
    visible = texture(0.2)
    assert losses.missing_detail(visible, visible).item() == pytest.approx(0, abs=0.02)
    stronger = 0.5 + 1.5 * (visible - 0.5)
    assert losses.missing_detail(stronger, visible).item() == pytest.approx(0, abs=0.02)
    half = losses.missing_detail(0.5 + 0.5 * (visible - 0.5), visible)
    none = losses.missing_detail(torch.full_like(visible, 0.5), visible)
    opposed = losses.missing_detail(1 - visible, visible)
    assert half == pytest.approx(none.item() / 2, rel=0.05)
    assert opposed == pytest.approx(2 * none.item(), rel=0.05)


def test_invented_are_gradients_that_neither_source_has():
    visible, infrared = texture(0.2), torch.full((1, 1, 64, 64), 0.3)
    for fused in (visible, infrared, (visible + infrared) / 2, 1 - visible):
        assert losses.invented(fused, visible, infrared).item() == pytest.approx(0, abs=1e-4)
    assert losses.invented(infrared, torch.full_like(visible, 0.3), infrared).item() == 0
    assert losses.invented(visible, infrared, visible).item() == pytest.approx(0, abs=1e-4)
    # Under noise, which hides it where it is looked at closely.
    noise = 0.25 + 0.5 * torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    faint = noise + torch.linspace(-0.15, 0.15, 64)
    assert losses.invented(faint, noise, torch.full_like(noise, 0.5)) > 0.5
    shaded = visible + torch.linspace(0, 0.5, 64)
    assert losses.invented(shaded, visible, infrared) > 0.05
    assert losses.invented(0.5 + 2 * (visible - 0.5), visible, infrared) > 0.2


def test_missing_detail_counts_by_its_contrast():
    """What is lost of strong texture costs more than as large a share of faint texture."""
    strong, faint = texture(0.3), 0.5 + 0.05 * (texture(0.3, seed=1) - 0.5)
    visible = torch.cat([strong, faint], dim=3)
    grey = torch.full_like(strong, 0.5)
    without_strong = losses.missing_detail(torch.cat([grey, faint], dim=3), visible)
    without_faint = losses.missing_detail(torch.cat([strong, grey], dim=3), visible)
    assert without_strong > 4 * without_faint > 0


@pytest.mark.parametrize(
    "term", ["structure", "targets", "detail", "invented", "between", "tone", "excess", "ssim"]
)
def test_a_term_is_there_if_it_has_a_weight_and_is_multiplied_by_it(term):
    numbers = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    numbers[..., 20:30, 20:30] = 1
    images = texture(0.5), texture(0.3, 1), texture(0.3, 2), texture(0.3, 3), numbers
    nothing = {"mask": 0, "intensity": 0, "gradient": 0}
    once = losses.fusion_losses(*images, Loss(**nothing, **{term: 1}))
    thrice = losses.fusion_losses(*images, Loss(**nothing, **{term: 3}))
    assert list(once) == list(thrice) == [term]
    assert once[term] > 0
    assert thrice[term].item() == pytest.approx(3 * once[term].item())
