"""A small web server beside the pipeline: a live page, MJPEG, telemetry, health."""

from ship_deploy.serving.server import Server

__all__ = ["Server"]
