"""What folds exactly in SHIP, beside the shared layers. Parts are swapped, never their order.

Not folded, because it costs more than it saves in ONNX Runtime: the second convolution of the
pooled attention, whose mean over the frame also follows from sums of its input.
"""

import torch
from torch import Tensor, nn

from training.layers.folded import convolution
from training.networks.ship.network import FeatureExtractor, SpatialInteraction


def centre(interaction: SpatialInteraction) -> SpatialInteraction:
    """Let the convolution ahead of a channel norm put out features whose channel mean is zero."""
    for refine, norm in zip(interaction.refine_fused, interaction.norms, strict=True):
        conv = refine[-1]
        conv.weight -= conv.weight.mean(0)
        conv.bias -= conv.bias.mean()
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

    def __init__(self, lift: nn.Conv2d, conv: nn.Conv2d) -> None:
        super().__init__()
        inputs = torch.stack([lift.weight[:, 0, 0, 0], lift.bias], dim=1)  # (C, 2)
        self.conv = convolution(torch.einsum("ochw,ci->oihw", conv.weight, inputs), conv.bias)

    def forward(self, x: Tensor) -> Tensor:  # (N, 1, H, W) -> (N, C, H, W)
        return self.conv(torch.cat([x, torch.ones_like(x)], dim=1))
