"""GStreamer's RTSP server, for tests: `rtsp_server.py PORT NAME=VIDEO.mp4 ...`, by Debian's Python.

Every client gets its own video from the start, at the video's speed. Prints the port it listens on.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
for mount in sys.argv[2:]:
    name, path = mount.split("=", 1)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f"( filesrc location={path} ! qtdemux ! mpeg4videoparse config-interval=1 "
        "! rtpmp4vpay name=pay0 pt=96 )"
    )
    server.get_mount_points().add_factory(f"/{name}", factory)
if not server.attach(None):
    sys.exit("cannot listen")
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
