"""Constants of channels, moved out of FP16 exactly.

Some features have means of many deviations. FP16 rounds relative to a value, so the mean costs
digits of what varies, and instance norms behind amplify the loss. Here a typical mean of each
channel is subtracted where features are FP16 and added where they are FP32. Any constant gives the
same function; a typical one gives it with smaller rounding errors.
"""

from collections.abc import Sequence
from fnmatch import fnmatch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.colour import fuse_frames
from training.layers.folded import convolution, weights
from training.scenes import render

SCENES, SIZE = 2, (96, 128)  # rendered frames that typical means are taken from


class CentredRefinement(nn.Module):
    """conv3x3, relu, conv3x3, with means subtracted behind each of the three.

    The last convolution pads with zeros, which are not zero once a mean is subtracted: so the mean
    comes in as one more channel, all ones, that ends where the frame ends.
    """

    def __init__(self, refinement: nn.Sequential, means: list[Tensor]) -> None:
        super().__init__()
        self.first, _, last = refinement
        before, after, offset = means  # (channels,) each
        self.before, self.after, self.offset = (nn.Parameter(m[:, None, None]) for m in means)
        first_bias = weights(self.first)[1]
        first_bias -= before
        weight, bias = weights(last)
        ones = torch.einsum("oihw,i->ohw", weight, after)
        ones[:, 1, 1] += bias - offset
        self.last = convolution(torch.cat([weight, ones[:, None]], dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """Features in any type; the result in the means' type if that is wider."""
        h = self.first(x)
        h = (F.relu(h + self.before) - self.after).to(h.dtype)
        return self.last(torch.cat([h, torch.ones_like(h[:, :1])], dim=1)) + self.offset


@torch.no_grad()
def centre(folded: nn.Module, paths: Sequence[str]) -> None:
    """Centre the refinements at these paths, * for anything, in place."""
    if not paths:
        return
    refinements = {
        path: refinement
        for path, refinement in folded.named_modules()
        if any(fnmatch(path, pattern) for pattern in paths)
        and isinstance(refinement, nn.Sequential)
    }
    means: dict[nn.Module, Tensor] = {}

    def note(part: nn.Module, features: object, result: Tensor) -> None:
        means[part] = result.mean((0, 2, 3))

    hooks = [part.register_forward_hook(note) for r in refinements.values() for part in r]
    pairs = [render(seed, *SIZE) for seed in range(SCENES)]
    visible, infrared = (
        torch.stack([*map(torch.from_numpy, side)]) for side in zip(*pairs, strict=True)
    )
    fuse_frames(folded, visible, infrared)
    for hook in hooks:
        hook.remove()
    for path, refinement in refinements.items():
        centred = CentredRefinement(refinement, [means[part] for part in refinement])
        folded.set_submodule(path, centred)
    folded.requires_grad_(False)
