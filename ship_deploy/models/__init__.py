"""The bundled models, by name."""

from ship_deploy.models.catalogue import (
    CATALOGUE,
    WHY,
    Kept,
    Model,
    Name,
    Quality,
    Speed,
    find_model,
)

__all__ = ["CATALOGUE", "WHY", "Kept", "Model", "Name", "Quality", "Speed", "find_model"]
