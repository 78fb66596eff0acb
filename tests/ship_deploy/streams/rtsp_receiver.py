"""An RTSP server that one may send to: `rtsp_receiver.py PORT FILE.mkv`; prints its port.

It keeps what comes at /fused in the file. It runs under Debian's own Python, which has
GStreamer's bindings.
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
factory = GstRtspServer.RTSPMediaFactory()
store = f"matroskamux streamable=true ! filesink buffer-mode=unbuffered location={sys.argv[2]}"
factory.set_launch(f"( rtph264depay name=depay0 ! h264parse ! {store} )")
factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
server.get_mount_points().add_factory("/fused", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
