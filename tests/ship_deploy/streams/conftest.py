"""What the tests of streams share."""

import shutil
import subprocess

import pytest

PYTHON = "/usr/bin/python3"  # Debian's, which has GStreamer's bindings
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gst-1.0 gstreamer1.0-rtsp "
    "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
)


@pytest.fixture(scope="session")
def gstreamer() -> str:
    """A Python that can run an RTSP server of GStreamer's."""
    probe = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if not shutil.which(PYTHON) or subprocess.run([PYTHON, "-c", probe]).returncode:
        pytest.skip(f"needs GStreamer's RTSP server: apt-get install {PACKAGES}")
    return PYTHON
