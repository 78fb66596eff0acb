"""A ROS 2 node: two image topics in, one fused topic out.

    python3 examples/ros2_node.py --ros-args -r visible:=/camera/image_raw -r infrared:=/ir/image

ROS has the frames already, and stamps on one clock; so `message_filters` pairs them, with the same
rule as the pipeline: partners lie half the slower camera's period apart at most. Queues of one
message make a slow network drop frames, not lag. `Fuser(threads=2)` bounds the network's threads;
`examples/threaded.py` says how to keep them off a control loop's cores.
"""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy import Fuser, UserError
from ship_deploy.streams.frame import Frame, Fuse, Prepare
from ship_deploy.streams.preparation import Preparation

SLOWER_PERIOD = 1 / 9  # seconds; of the slower camera
CHANNELS = {"bgr8": 3, "rgb8": 3, "mono8": 1, "8UC1": 1, "8UC3": 3, "mono16": 1, "16UC1": 1}


def to_image(message: Any) -> NDArray[Any]:
    """A sensor_msgs/Image as uint8 or uint16, (H, W) or BGR (H, W, 3), without cv_bridge.

    Raises:
        UserError: an encoding that this example does not know.
    """
    if message.encoding not in CHANNELS:
        raise UserError(f"encoding is {message.encoding!r}, expected one of {', '.join(CHANNELS)}")
    order = ">" if message.is_bigendian else "<"
    kind = np.dtype(f"{order}u2" if "16" in message.encoding else np.uint8)
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    wide = message.width * CHANNELS[message.encoding] * kind.itemsize  # rows may be padded
    image = np.ascontiguousarray(rows[:, :wide]).view(kind)
    image = image.astype(kind.newbyteorder("="), copy=False)
    if CHANNELS[message.encoding] == 3:
        image = image.reshape(message.height, message.width, 3)
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if message.encoding == "rgb8" else image


def fuse_messages(
    visible: Any, infrared: Any, prepare: Prepare, fuse: Fuse, message_type: Callable
) -> Any:
    """The fused picture of two sensor_msgs/Image, as a third one with the visible one's header."""
    image = to_image(visible)
    frame = Frame(to_image(infrared), time.monotonic(), 0)
    fused = fuse(image, prepare(frame, image.shape[:2]))
    message = message_type()
    message.header = visible.header
    message.height, message.width = fused.shape[:2]
    message.encoding = "bgr8" if fused.ndim == 3 else "mono8"
    message.step = fused.nbytes // message.height
    message.data = fused.tobytes()
    return message


def main() -> None:
    """Run the node until it is interrupted."""
    ros = import_ros()
    ros.rclpy.init()
    node = ros.rclpy.create_node("ship_deploy")
    prepare, fuser = (
        Preparation(),
        Fuser(threads=2),
    )  # give it a Calibration if they are not aligned
    publisher = node.create_publisher(ros.Image, "fused", 1)

    def publish(visible: Any, infrared: Any) -> None:
        try:
            publisher.publish(fuse_messages(visible, infrared, prepare, fuser, ros.Image))
        except UserError as error:
            node.get_logger().warning(str(error))

    names = "visible", "infrared"
    topics = [ros.Subscriber(node, ros.Image, name, qos_profile=1) for name in names]
    pairs = ros.Synchronizer(topics, queue_size=2, slop=SLOWER_PERIOD / 2)
    pairs.registerCallback(publish)
    try:
        ros.rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()


def import_ros() -> SimpleNamespace:
    """What ROS 2 gives; a UserError where it is not installed."""
    try:
        import rclpy
        from message_filters import ApproximateTimeSynchronizer, Subscriber
        from sensor_msgs.msg import Image
    except ImportError as error:
        raise UserError(f"ROS 2 is not here ({error.name}): source /opt/ros/*/setup.sh") from error
    return SimpleNamespace(
        rclpy=rclpy, Image=Image, Subscriber=Subscriber, Synchronizer=ApproximateTimeSynchronizer
    )


if __name__ == "__main__":
    main()
