"""What folds exactly in SHIP, beside the shared layers. Parts are swapped, never their order.

Not folded, because it costs more than it saves in ONNX Runtime: the second convolution of the
pooled attention, whose mean over the frame also follows from sums of its input.
"""

import torch
from torch import Tensor, nn

from training.layers.folded import FoldedNorm, convolution, weights
from training.networks.ship.network import FeatureExtractor, SpatialInteraction


def centre(interaction: SpatialInteraction) -> SpatialInteraction:
    """Let the convolution ahead of a channel norm put out features whose channel mean is zero."""
    for refine, norm in zip(interaction.refine_fused, interaction.norms, strict=True):
        assert isinstance(refine, nn.Sequential) and isinstance(norm, FoldedNorm)
        weight, bias = weights(refine[-1])
        weight -= weight.mean(0)
        bias -= bias.mean()
        norm.centred = True
    return interaction


def drop_lift(extractor: FeatureExtractor) -> FeatureExtractor:
    """Fold the 1x1 convolution of the input into the 3x3 one behind it."""
    extractor.edge1.process = LiftedConvolution(extractor.lift, extractor.edge1.process)
    extractor.lift = nn.Identity()
    return extractor


class LiftedConvolution(nn.Module):
    """A 1x1 convolution of one channel and a 3x3 one, as one.

    The bias of the first ends where the frame ends; as the weights of a second input channel, all
    ones, it does so in the product too.
    """

    def __init__(self, lift: nn.Module, conv: nn.Module) -> None:
        super().__init__()
        lift_weight, lift_bias = weights(lift)
        inputs = torch.stack([lift_weight[:, 0, 0, 0], lift_bias], dim=1)  # (C, 2)
        weight, bias = weights(conv)
        self.conv = convolution(torch.einsum("ochw,ci->oihw", weight, inputs), bias)

    def forward(self, x: Tensor) -> Tensor:  # (N, 1, H, W) -> (N, C, H, W)
        return self.conv(torch.cat([x, torch.ones_like(x)], dim=1))
