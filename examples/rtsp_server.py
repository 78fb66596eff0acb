"""Serve the cameras of this computer over RTSP, with GStreamer.

    python3 examples/rtsp_server.py 0.0.0.0:8554 \
        visible="v4l2src device=/dev/video0 ! $ENCODE" ir="v4l2src device=/dev/video1 ! $ENCODE"

where for low latency, without frames that wait for later ones, and with a whole picture a second
for whoever joins or lost a packet,

    ENCODE="videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30
        ! rtph264pay name=pay0 pt=96"

It wants Debian's own Python and its packages python3-gst-1.0 gir1.2-gst-rtsp-server-1.0
gstreamer1.0-rtsp gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly.
Encoding to 8-bit video costs the lower bits of a radiometric camera; better read that where it is.
`gst-launch-1.0 playbin uri=rtsp://HOST:8554/ir` shows what is sent.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def serve(address: str, cameras: dict[str, str]) -> None:
    """Serve pipelines as rtsp://HOST:PORT/NAME, for ever. Prints the port; 0 takes a free one."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    host, port = address.rsplit(":", 1)
    server.set_address(host)
    server.set_service(port)
    for name, launch in cameras.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {launch} )")
        factory.set_shared(True)  # one encoder, however many look on
        server.get_mount_points().add_factory(f"/{name}", factory)
    if not server.attach(None):
        sys.exit(f"{address}: cannot listen there")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve(sys.argv[1], dict(camera.split("=", 1) for camera in sys.argv[2:]))
