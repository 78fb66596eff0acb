"""Colour as the authors handle it: fuse the luminance, keep the visible frame's colour."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Rows: Y, Cr, Cb from B, G, R. Cr = 0.713 (R - Y), Cb = 0.564 (B - Y), without the usual offset.
_Y = (0.114, 0.587, 0.299)
BGR_TO_YCRCB = (
    _Y,
    tuple(0.713 * (c - y) for c, y in zip((0.0, 0.0, 1.0), _Y, strict=True)),
    tuple(0.564 * (c - y) for c, y in zip((1.0, 0.0, 0.0), _Y, strict=True)),
)
# Rows: B, G, R from Y, Cr, Cb.
YCRCB_TO_BGR = ((1.0, 0.0, 1.773), (1.0, -0.714, -0.344), (1.0, 1.403, 0.0))
# Rows: what B, G, R have beyond Y, from B - G and R - G; both matrices in one, rounded once. Their
# rows would sum to zero but for rounding; of differences, what is grey stays so to the bit.
COLOUR = tuple(
    tuple(cr * BGR_TO_YCRCB[1][c] + cb * BGR_TO_YCRCB[2][c] for c in (0, 2))
    for _, cr, cb in YCRCB_TO_BGR
)
DIFFERENCES = ((1, -1, 0), (0, -1, 1))  # B - G and R - G from B, G, R


def split(bgr: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and colour of frames.

    Args:
        bgr: (N, 3, H, W), channels in the order blue, green, red, in [0, 1].

    Returns:
        Y (N, 1, H, W) in [0, 1], and Cr, Cb (N, 2, H, W), zero where the frame is grey.
    """
    ycrcb = F.conv2d(bgr, bgr.new_tensor(BGR_TO_YCRCB)[:, :, None, None])
    return ycrcb[:, :1], ycrcb[:, 1:]


def join(luminance: Tensor, crcb: Tensor) -> Tensor:
    """Inverse of `split`: clamped luminance and colour to BGR in [0, 1], (N, 3, H, W)."""
    ycrcb = torch.cat([luminance.clamp(0, 1), crcb], dim=1)
    return F.conv2d(ycrcb, ycrcb.new_tensor(YCRCB_TO_BGR)[:, :, None, None]).clamp(0, 1)


def fuse_frames(
    network: torch.nn.Module, visible: Tensor, infrared: Tensor
) -> tuple[Tensor, Tensor]:
    """Camera frames through the reference network: what every deployed artifact must reproduce.

    Args:
        network: one of `training.networks`, in any floating type; colour is FP32 at least.
        visible: uint8 BGR, (N, H, W, 3).
        infrared: uint8, (N, H, W).

    Returns:
        The fused frames, uint8 BGR (N, H, W, 3), and the unclamped luminance (N, 1, H, W).
    """
    dtype = torch.promote_types(next(network.parameters()).dtype, torch.float32)
    # `split` and `join`, but as products of small matrices with the pixels as the camera gave them:
    # a third of the time of convolutions, for which an engine reorders whole frames and back.
    # 8 bits only at the very ends: TensorRT takes uint8 into a cast and out of one, nowhere else.
    bgr = visible.to(dtype) / 255
    luminance = (bgr @ bgr.new_tensor(_Y)[:, None]).movedim(3, 1)
    _, raw = network(luminance, infrared.to(dtype)[:, None] / 255)
    grey = raw.clamp(0, 1).movedim(1, 3) @ bgr.new_ones(1, 3)
    colour = bgr @ bgr.new_tensor(DIFFERENCES).T @ bgr.new_tensor(COLOUR).T
    fused = (grey + colour).clamp(0, 1)
    return (fused * 255).round().to(torch.uint8), raw
