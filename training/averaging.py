"""The moving average of the weights, which is what a run is judged by and leaves behind."""

from functools import partial

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from training.architecture import FusionNetwork


def blend(decay: float, average: Tensor, weight: Tensor, step: Tensor | int) -> Tensor:
    """The average after one more step; at first, with little past, it forgets faster."""
    return average.lerp(weight, max(1 - decay, 9 / (10 + int(step))))


class AveragedWeights(WeightAveraging):
    """Averages the weights after every step.

    Args:
        decay: of the moving average, once there is a past; at first the average forgets faster.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False, avg_fn=partial(blend, decay))

    @property
    def network(self) -> FusionNetwork:
        """The network with the averaged weights, from the start of the training on."""
        assert self._average_model is not None
        network = self._average_model.module.network
        assert isinstance(network, FusionNetwork)
        return network
