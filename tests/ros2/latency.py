"""How long a visible frame takes to its fused one over ROS 2: `python -m tests.ros2.latency`.

Cameras of 480x640 at 30 Hz and 9 Hz in this process, the node with `ship-t` in another, DDS on
loopback. Latency is from the publication of a visible Image to the arrival of the fused one. Prints
JSON.
"""

import json
import os
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image

from ship_deploy.adapters.ros_images import stamp_of
from tests.ros2.rig import Rig, message, stamped

SECONDS, SIZE = 20, (480, 640)
FIRST = 3.0  # seconds that are not counted


def main() -> None:
    """Measure and print."""
    log = Path(tempfile.mkdtemp()) / "node.log"
    rig = Rig("model:=ship-t", "threads:=1", output=log)
    arrivals: dict[float, float] = {}

    def note(sent: Image) -> None:
        if sent.header.frame_id == "mast":
            arrivals[stamp_of(sent) or 0.0] = time.time()

    rig.node.create_subscription(Image, "fused/image", note, 5)
    rig.connected()
    visible = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    infrared = visible[..., 0].copy()
    start, frames, thermals, sent = time.time(), 0, 0, []
    while (now := time.time()) < start + SECONDS:
        if now >= start + frames / 30:
            each = message(visible, "bgr8", stamped(now, "mast"))
            sent.append(stamp_of(each))
            rig.visible.publish(each)
            frames += 1
        if now >= start + thermals / 9:
            rig.infrared.publish(message(infrared, "mono8", stamped(now, "thermal")))
            thermals += 1
        time.sleep(0.001)
    time.sleep(1)
    said = rig.latest()
    rig.end()
    rig.close()
    counted = [s for s in sent if s and s > start + FIRST]
    took = [1000 * (arrivals[s] - s) for s in counted if s in arrivals]
    found = {
        "cores": len(os.sched_getaffinity(0)),
        "model": "ship-t",
        "size": "480x640",
        "rclpy": version("ros-rclpy"),
        "sent": len(counted),
        "arrived": len(took),
        "milliseconds, median": round(float(np.percentile(took, 50)), 1),
        "milliseconds, 99th percentile": round(float(np.percentile(took, 99)), 1),
        "diagnostics": {k: v for k, v in said.items() if not k.startswith("engine")},
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
