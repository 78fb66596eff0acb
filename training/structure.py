"""The structure that a fused picture is to have: everywhere that of the source that shows more.

The wanted patch of a place, apart from its mean, is a mixture a V + b I of the sources' patches:

- where they do not oppose each other (correlation above -0.25), their sum, with the contrast of the
  stronger one and of as much of the weaker one as is not in it already;
- where they do, as for a dark coat on snow that is warm, either one with the contrast of the
  stronger, never their sum, in which they cancel: the one that the fused patch is closer to, with a
  bonus for the stronger one, so that one object has one polarity, and a small one for the visible
  frame's. A source with less than 0.3 of the other's contrast is left out;
- at the finest scale, where lettering and branches are, the infrared is turned instead, V - I,
  unless either source has less than 0.7 of the other's contrast.

Closeness is the contrast and structure part of SSIM (Wang et al., 2004) to that patch. The idea of
a wanted patch is MEF-SSIM's (Ma et al., TIP 2015), but for the choice of a polarity. It is taken in
Gaussian windows at several scales, so that fine texture and whole objects both count, and places
count by their contrast, so that people do more than sky.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 7, 1.5  # pixels, at every scale
WEIGHTS = (2, 2, 2, 2, 1)  # of the scales 1, 1/2, ... 1/16
STABLE = 3e-4  # variance, on [0, 1]: contrasts below its root hardly count
OPPOSED = -0.25  # correlation below which the sources oppose each other
WEAK, WEAK_FINEST = 0.3, 0.7  # share of the other's contrast below which a source is left out
FIRMNESS = 1.0  # bonus for the stronger source, times their relative difference
PREFERENCE = 0.1  # bonus for the visible frame
FLOOR, MOST = 0.02, 4.0  # a place counts by its contrast plus FLOOR, at most MOST times the mean


def dissimilarity(fused: Tensor, visible: Tensor, infrared: Tensor) -> Tensor:
    """Weighted mean over the frame and all scales of 1 - closeness to the wanted patch, in [0, 2].

    Args:
        fused: (N, 1, H, W), raw.
        visible: luminance, same shape, in [0, 1].
        infrared: same shape, in [0, 1].

    Frames shorter than 16 windows are seen at fewer scales.
    """
    images = torch.cat([fused, visible, infrared], dim=1)  # (N, 3, H, W)
    total, weights = fused.new_zeros(()), 0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            images = F.avg_pool2d(images, 2)
        if min(images.shape[2:]) < WINDOW:
            break
        close, contrast = closeness(images, finest=scale == 0)
        counts = (contrast + FLOOR) / (contrast.mean((2, 3), keepdim=True) + FLOOR)
        counts = counts.clamp(max=MOST)
        total = total + weight * ((1 - close) * counts).mean() / counts.mean()
        weights += weight
    return total / weights


def closeness(images: Tensor, finest: bool) -> tuple[Tensor, Tensor]:
    """Of the fused patch around each pixel to the wanted one, and the stronger source's contrast.

    Args:
        images: (N, 3, H, W): fused, visible, infrared.
        finest: whether this is the finest scale.

    Returns:
        Both (N, 1, H - 6, W - 6); the closeness is in [-1, 1], the contrast a standard deviation.
    """
    f, v, i = images.split(1, dim=1)
    products = torch.cat([images, f * f, v * v, i * i, f * v, f * i, v * i], dim=1)
    mf, mv, mi, ff, vv, ii, fv, fi, vi = blur(products).split(1, dim=1)
    ff, vv, ii = (x.clamp_min(0) for x in (ff - mf * mf, vv - mv * mv, ii - mi * mi))
    fv, fi, vi = fv - mf * mv, fi - mf * mi, vi - mv * mi
    # Nothing of what is wanted has a gradient: the sources are given.
    sv, si = vv.sqrt(), ii.sqrt()
    strong, weak = torch.maximum(sv, si), torch.minimum(sv, si)
    alike = vi / (sv * si + STABLE / 4)  # correlation; fades where either shows nothing

    def close(a: Tensor | float, b: Tensor | float, energy: Tensor) -> Tensor:
        return (2 * (a * fv + b * fi) + STABLE) / (ff + energy + STABLE)

    def joined(sign: int) -> Tensor:
        """To V + I or V - I."""
        energy = strong**2 + (1 - (sign * alike).clamp_min(0)) * weak**2
        scale = energy.sqrt() / (vv + ii + 2 * sign * vi).clamp_min(1e-9).sqrt()
        return close(scale, sign * scale, energy)

    as_visible = close(strong / sv.clamp_min(1e-6), 0, strong**2)
    as_infrared = close(0, strong / si.clamp_min(1e-6), strong**2)
    if finest:
        opposed, share = joined(-1), WEAK_FINEST
    else:
        bonus = FIRMNESS * (sv - si) / strong.clamp_min(1e-6) + PREFERENCE
        opposed = torch.where(as_visible + bonus >= as_infrared, as_visible, as_infrared)
        share = WEAK
    opposed = torch.where(si < share * sv, as_visible, opposed)
    opposed = torch.where(sv < share * si, as_infrared, opposed)
    return torch.where(alike > OPPOSED, joined(1), opposed), strong


def blur(images: Tensor) -> Tensor:
    """Gaussian windows of `WINDOW` pixels, no border: (N, C, H, W) to (N, C, H - 6, W - 6)."""
    at = torch.arange(WINDOW, dtype=images.dtype, device=images.device) - WINDOW // 2
    kernel = torch.exp(-(at**2) / (2 * SIGMA**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    images = F.conv2d(images, kernel[:, :, None], groups=images.shape[1])
    return F.conv2d(images, kernel[:, :, :, None], groups=images.shape[1])
