"""Recordings that go on for days: files by the clock, an index of them, and room for the next."""

from ship_deploy.streams.recordings.keeping import Keep
from ship_deploy.streams.recordings.video import VideoOutput

__all__ = ["Keep", "VideoOutput"]
