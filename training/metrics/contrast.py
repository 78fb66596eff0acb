"""How much a fused image varies: SD, SF, AG. They see no source, so noise raises all of them."""

import torch
from torch import Tensor


def standard_deviation(fused: Tensor, *_: Tensor) -> Tensor:
    """SD = sqrt(mean((F - mean F)^2)), in grey levels, 0 to 127.5; higher is better.

    Source: Rao, Meas. Sci. Technol. 8 (1997). Divided by the number of pixels, not by one less.
    """
    return fused.flatten(1).std(1, correction=0)


def spatial_frequency(fused: Tensor, *_: Tensor) -> Tensor:
    """SF = sqrt(RF^2 + CF^2), the RMS steps along rows and columns, 0 to 361; higher is better.

    Source: Eskicioglu & Fisher, IEEE Trans. Commun. 43 (1995). Each mean is over the steps that
    exist: W - 1 a row and H - 1 a column. Others divide by H W.
    """
    rows, columns = fused.diff(dim=2), fused.diff(dim=1)
    return (rows.square().mean((1, 2)) + columns.square().mean((1, 2))).sqrt()


def average_gradient(fused: Tensor, *_: Tensor) -> Tensor:
    """AG = mean(sqrt((Gx^2 + Gy^2) / 2)), in grey levels per pixel, 0 to 255; higher is better.

    Source: Cui et al., Opt. Commun. 341 (2015). Central differences, one-sided at the border;
    others take forward differences, which give more.
    """
    along_y, along_x = torch.gradient(fused, dim=(1, 2))
    return ((along_x.square() + along_y.square()) / 2).sqrt().mean((1, 2))
