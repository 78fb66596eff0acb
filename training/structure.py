"""The structure that a fused picture is to have: everywhere that of the source that shows more.

The wanted patch of a place, apart from its mean, is a mixture a V + b I of the sources' patches
with the contrast of the stronger of both. Where one source has less than half of the other's
contrast, it is the other one's patch. Where both have contrast and agree, it is their sum, each
weighted by its contrast. Where they disagree, as for a dark coat on snow that is warm, it is either
one, never their sum, in which they cancel: the one that the fused patch is closer to, with a bonus
for the stronger one, so that one object has one polarity, and a small one for the visible frame's.

Closeness is the contrast and structure part of SSIM (Wang et al., 2004) to that patch. The idea of
a wanted patch is MEF-SSIM's (Ma et al., TIP 2015), but for the choice of a polarity. It is taken in
Gaussian windows at several scales, so that fine texture and whole objects both count.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 7, 1.5  # pixels, at every scale
SCALES = 5  # 1, 1/2, ... 1/16
STABLE = 3e-4  # on [0, 1]: contrasts below sqrt of it hardly count
AGREE = 0.3  # correlation from which on the sources' patches are summed
WEAK = 0.5  # share of the other's contrast below which a source is left out
FIRM = (
    1.0  # in favour of the stronger source where the two disagree, times their relative difference
)
PREFERENCE = 0.1  # in favour of the visible frame there


def dissimilarity(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Mean over the frame and all scales of 1 - closeness to the wanted patch, in [0, 2].

    Args:
        fused: (N, 1, H, W), raw.
        visible: luminance, same shape, in [0, 1].
        infrared: same shape, in [0, 1].

    Frames shorter than 16 windows are seen at fewer scales.
    """
    images = torch.cat([fused, visible, infrared], dim=1)  # (N, 3, H, W)
    losses = []
    for scale in range(SCALES):
        if scale:
            images = F.avg_pool2d(images, 2)
        if min(images.shape[2:]) < WINDOW:
            break
        losses.append(1 - closeness(images).mean())
    return torch.stack(losses).mean()


def closeness(images: Tensor) -> Tensor:
    """Of the fused patch around each pixel to the wanted one, (N, 1, H - 6, W - 6) in [-1, 1].

    Args:
        images: (N, 3, H, W): fused, visible, infrared.
    """
    f, v, i = images.split(1, dim=1)
    products = torch.cat([images, f * f, v * v, i * i, f * v, f * i, v * i], dim=1)
    mf, mv, mi, ff, vv, ii, fv, fi, vi = blur(products).split(1, dim=1)
    ff, vv, ii = (
        (ff - mf * mf).clamp_min(0),
        (vv - mv * mv).clamp_min(0),
        (ii - mi * mi).clamp_min(0),
    )
    fv, fi, vi = fv - mf * mv, fi - mf * mi, vi - mv * mi
    # Nothing of what is wanted has a gradient: the sources are given.
    sv, si = vv.sqrt(), ii.sqrt()
    strongest = torch.maximum(sv, si)
    energy = strongest**2

    def close(a: Tensor, b: Tensor) -> Tensor:
        return (2 * (a * fv + b * fi) + STABLE) / (ff + energy + STABLE)

    only_visible = strongest / sv.clamp_min(1e-6)
    only_infrared = strongest / si.clamp_min(1e-6)
    zero = torch.zeros_like(sv)
    as_visible, as_infrared = close(only_visible, zero), close(zero, only_infrared)
    # The sum sv v + si i, scaled to the stronger's contrast.
    deviation = (sv**4 + si**4 + 2 * sv * si * vi).clamp_min(1e-12).sqrt()
    together = close(strongest * sv / deviation, strongest * si / deviation)
    lead = FIRM * (sv - si) / strongest.clamp_min(1e-6) + PREFERENCE
    either = torch.where(as_visible + lead >= as_infrared, as_visible, as_infrared)
    agree = vi > AGREE * sv * si
    both = torch.where(agree, together, either)
    visible_weak, infrared_weak = sv < WEAK * si, si < WEAK * sv
    return torch.where(visible_weak, as_infrared, torch.where(infrared_weak, as_visible, both))


def blur(images: Tensor) -> Tensor:
    """Gaussian windows of `WINDOW` pixels, no border: (N, C, H, W) to (N, C, H - 6, W - 6)."""
    at = torch.arange(WINDOW, dtype=images.dtype, device=images.device) - WINDOW // 2
    kernel = torch.exp(-(at**2) / (2 * SIGMA**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    images = F.conv2d(images, kernel[:, :, None], groups=images.shape[1])
    return F.conv2d(images, kernel[:, :, :, None], groups=images.shape[1])
