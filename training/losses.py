"""What a fused luminance is measured against: both sources' brightness, edges and salient parts.

All images are (N, 1, H, W); the sources and the saliency are in [0, 1]. The fused image is the
network's raw output: clamping it first would hide every value outside [0, 1] from the gradient.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

from training import structure, targets
from training.config import Loss
from training.filters import blur

NEIGHBOURHOOD = 16  # pixels, square: brightness is compared of its means
DETAIL = 3  # pixels, sigma: detail is what a Gaussian takes away
FINE, COARSE = (
    1,
    2,
)  # pixels, sigmas at which gradients are compared, COARSE at a quarter of the size


def fusion_losses(
    fused: Tensor,
    visible: Tensor,
    infrared: Tensor,
    saliency: Tensor,
    numbers: Tensor,
    loss: Loss,
) -> dict[str, Tensor]:
    """Every term that has a weight, multiplied by it; the loss is their sum.

    Args:
        fused: the network's raw output, floating point, not clamped.
        visible: luminance of the visible frame.
        infrared: the infrared frame.
        saliency: saliency map of the visible frame.
        numbers: of known targets, uint8: 0, or 1 to `targets.MOST`.
        loss: weights and forms; its defaults are the published loss (Zheng et al., CVPR 2024).
    """
    if loss.clamp:
        fused = fused.clamp(0, 1)
    sources = fused, visible, infrared
    terms = {}
    if loss.mask:
        form = published_mask if loss.mask_form == "published" else selective_mask
        terms["mask"] = loss.mask * form(*sources, saliency)
    if loss.intensity:
        terms["intensity"] = loss.intensity * intensity(*sources)
    if loss.gradient:
        slopes = published_gradient if loss.gradient_form == "published" else signed_gradient
        terms["gradient"] = loss.gradient * slopes(*sources)
    if loss.ssim:
        terms["ssim"] = loss.ssim * dissimilarity(*sources)
    if loss.structure:
        terms["structure"] = loss.structure * structure.dissimilarity(*sources)
    if loss.targets:
        terms["targets"] = loss.targets * targets.missing(*sources, numbers)
    if loss.detail:
        terms["detail"] = loss.detail * missing_detail(fused, visible)
    if loss.invented:
        terms["invented"] = loss.invented * invented(*sources)
    if loss.between:
        terms["between"] = loss.between * beyond(*sources)
    if loss.tone:
        terms["tone"] = loss.tone * tone(fused, visible)
    if loss.excess:
        terms["excess"] = loss.excess * excess(fused)
    return terms


def intensity(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """As bright as the brighter source."""
    return F.l1_loss(fused, torch.maximum(visible, infrared))


def published_gradient(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """As steep as the steeper source, |sobel_x| + |sobel_y|; the direction of a slope is free."""
    fused, visible, infrared = (
        sobel(image).abs().sum(1, keepdim=True) for image in (fused, visible, infrared)
    )
    return F.l1_loss(fused, torch.maximum(visible, infrared))


def signed_gradient(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Along each axis, the slope of the source that is steeper there, with its sign.

    Magnitudes alone let the network flip an edge at no cost, which shows as dots along it. Where
    the sources' slopes have opposite signs, the steeper one would pull against the brightness that
    `intensity` asks for, which shows as a halo; there it is the slope of the brighter of both.
    """
    brighter = sobel(torch.maximum(visible, infrared))
    fused, visible, infrared = sobel(fused), sobel(visible), sobel(infrared)
    steeper = torch.where(visible.abs() >= infrared.abs(), visible, infrared)
    wanted = torch.where(visible * infrared < 0, brighter, steeper)
    return 2 * F.l1_loss(fused, wanted)  # the sum over both axes, as in the published form


def published_mask(fused: Tensor, visible: Tensor, infrared: Tensor, saliency: Tensor) -> Tensor:
    """L1(m Y, F) + L1(F, m_ir I), as published: F is not masked, m_ir is 0 only where m is 1."""
    elsewhere = (saliency < 1).to(infrared.dtype)
    return F.l1_loss(fused, saliency * visible) + F.l1_loss(fused, elsewhere * infrared)


def selective_mask(fused: Tensor, visible: Tensor, infrared: Tensor, saliency: Tensor) -> Tensor:
    """The visible frame where it is salient, else the infrared: m |F - Y| + (1 - m) |F - I|."""
    return (saliency * (fused - visible).abs() + (1 - saliency) * (fused - infrared).abs()).mean()


def dissimilarity(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """1 - SSIM, the mean over both sources; 0 where the fused image equals both."""
    similarity = []
    for source in (visible, infrared):
        score = structural_similarity_index_measure(fused, source, data_range=1.0)
        assert isinstance(score, Tensor)  # no images beside it
        similarity.append(score)
    return 1 - (similarity[0] + similarity[1]) / 2


def missing_detail(fused: Tensor, visible: Tensor) -> Tensor:
    """The share of the visible frame's detail that the fused image lacks; more than all is no gain.

    1 - <F, V> / <V, V> in Gaussian windows, F and V being the images less their Gaussian blur of 3
    pixels; windows count by the contrast of what is in them, four times the mean at most.
    """
    fused, visible = (image - blur(image, DETAIL) for image in (fused, visible))
    products = blur(torch.cat([fused * visible, visible**2], dim=1), DETAIL)
    both, own = products.split(1, dim=1)
    contrast = own.clamp_min(0).sqrt()
    counts = (contrast / (contrast.mean((2, 3), keepdim=True) + 0.002)).clamp(max=4)
    return (counts * F.relu(1 - both / (own + 2e-5))).mean()


def invented(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Gradients beyond the larger of both sources' within a pixel, as a share of these.

    Taken of the images and of images of a quarter of the size: halos, and shading that neither
    source has.
    """
    images = torch.cat([fused, visible, infrared], dim=1)
    total = fused.new_zeros(())
    for sigma, image in ((FINE, images), (COARSE, F.avg_pool2d(images, 4))):
        own, *sources = _gradient(blur(image, sigma)).split(1, dim=1)
        allowed = F.max_pool2d(torch.maximum(*sources), 3, stride=1, padding=1)
        beyond_allowed = F.relu(own - allowed).mean((1, 2, 3))
        total = total + (beyond_allowed / (allowed.mean((1, 2, 3)) + 0.003)).mean()
    return total


def beyond(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """How far the means of neighbourhoods leave what lies between the sources' own."""
    fused, visible, infrared = _means(fused), _means(visible), _means(infrared)
    low, high = torch.minimum(visible, infrared), torch.maximum(visible, infrared)
    return (fused - torch.clamp(fused, low, high)).abs().mean()


def tone(fused: Tensor, visible: Tensor) -> Tensor:
    """As bright as the visible frame, by neighbourhood, where it is neither black nor white.

    Full weight from 0.15 to 0.82, none below 0.05 and above 0.92: what an over- or underexposed
    camera shows of a place's brightness says nothing.
    """
    fused, visible = _means(fused), _means(visible)
    exposed = ((visible - 0.05) / 0.1).clamp(0, 1) * ((0.92 - visible) / 0.1).clamp(0, 1)
    return (exposed * (fused - visible).abs()).mean()


def _means(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, NEIGHBOURHOOD)


def excess(fused: Tensor) -> Tensor:
    """How far the raw output leaves [0, 1], where it would be clipped."""
    return (fused - fused.clamp(0, 1)).abs().mean()


def _gradient(image: Tensor) -> Tensor:
    """Magnitude of the gradient, per pixel, (N, C, H - 2, W - 2)."""
    along_y = (image[..., 2:, 1:-1] - image[..., :-2, 1:-1]) / 2
    along_x = (image[..., 1:-1, 2:] - image[..., 1:-1, :-2]) / 2
    return (along_x**2 + along_y**2 + 1e-10).sqrt()


def sobel(image: Tensor) -> Tensor:
    """Slopes along x and y, (N, 2, H, W), 8 times the step per pixel; level beyond the border."""
    at = torch.arange(-1, 2, dtype=image.dtype, device=image.device)
    along_x = (2 - at.abs())[:, None] * at  # (3, 3)
    kernel = torch.stack([along_x, along_x.T])[:, None]  # (2, 1, 3, 3)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel)
