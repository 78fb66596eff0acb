"""FISCNet (Zheng et al.): the network, and what is known of it."""

from training.architecture import Architecture
from training.layers.folded import FOLDS
from training.networks.fiscnet.half import HALF
from training.networks.fiscnet.network import FISCNet
from training.networks.fiscnet.published import read

__all__ = ["ARCHITECTURE", "FISCNet"]

ARCHITECTURE = Architecture(module=FISCNet, smallest=8, published=read, folds=FOLDS, half=HALF)
