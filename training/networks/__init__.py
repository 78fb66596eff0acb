"""Fusion networks: a module each, found by its name, with all that is known of the network."""

import difflib
from importlib import import_module
from pkgutil import iter_modules

from torch import nn

from ship_deploy.errors import UserError
from training.architecture import Architecture
from training.networks.ship import SHIP

__all__ = ["SHIP", "architecture_of", "find", "names"]


def names() -> list[str]:
    """What `network.name` in a training config may be."""
    return sorted(module.name for module in iter_modules(__path__))


def find(name: str) -> Architecture:
    """The architecture of this name, in upper or lower case.

    Raises:
        UserError: there is none.
    """
    known = names()
    if name.lower() not in known:
        (nearest,) = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0)
        raise UserError(f"unknown network {name}; the nearest is {nearest}")
    module = import_module(f"{__name__}.{name.lower()}")
    architecture: Architecture = module.ARCHITECTURE
    assert architecture.module.__name__.lower() == name.lower(), f"{module}: class of another name"
    return architecture


def architecture_of(network: nn.Module) -> Architecture:
    """The architecture of a network."""
    return find(type(network).__name__)
