"""SHIP (Zheng et al., CVPR 2024): the network, and what is known of it."""

from training.architecture import Architecture
from training.layers.folded import FOLDS
from training.networks.ship.folds import centre, drop_lift
from training.networks.ship.half import HALF
from training.networks.ship.network import SHIP, FeatureExtractor, SpatialInteraction
from training.networks.ship.published import read

__all__ = ["ARCHITECTURE", "SHIP"]

ARCHITECTURE = Architecture(
    module=SHIP,
    smallest=16,
    published=read,
    folds={**FOLDS, FeatureExtractor: drop_lift, SpatialInteraction: centre},
    half=HALF,
)
