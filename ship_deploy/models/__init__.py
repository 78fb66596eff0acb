"""The bundled models, by name."""

from ship_deploy.models.catalogue import CATALOGUE, Model, Name, Quality, Speed, find_model

__all__ = ["CATALOGUE", "Model", "Name", "Quality", "Speed", "find_model"]
