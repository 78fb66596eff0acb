"""The bundled models, by name."""

from ship_deploy.models.catalogue import CATALOGUE, Kept, Model, Name, Quality, Speed, find_model

__all__ = ["CATALOGUE", "Kept", "Model", "Name", "Quality", "Speed", "find_model"]
