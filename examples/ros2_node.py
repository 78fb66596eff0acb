"""A ROS 2 node: two image topics in, one fused topic out.

    python3 examples/ros2_node.py --ros-args -r visible:=/camera/image_raw -r infrared:=/ir/image

Header stamps follow one clock, so both topics are sources with `clock = "shared"`: the pipeline
pairs them by stamp, however long drivers and networks take. A fused frame has the header of its
visible one. While a topic is silent, the other one is published alone. `Fuser(threads=2)` bounds
the network's threads; `examples/threaded.py` says how to keep them off a control loop's cores.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ship_deploy import Fuser, UserError
from ship_deploy.streams import Pipeline
from ship_deploy.streams.sources import READ_DEADLINE, Clock, Grabbed

WAITING = 8  # messages that a topic holds, of frames that were not read yet
HEADERS = 1000  # that a topic remembers, of frames that were not published yet
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


class Topic:
    """A topic of sensor_msgs/Image as a live source, stamped by its messages' headers.

    Args:
        name: of the topic.
    """

    live = True
    clock: Clock = "shared"

    def __init__(self, name: str) -> None:
        self.name = name
        self._messages: queue.Queue[Any] = queue.Queue(WAITING)
        self._headers: dict[float, Any] = {}

    def receive(self, message: Any) -> None:
        """Take a message, in ROS's thread; the oldest makes room while the source is down."""
        if self._messages.full():
            with contextlib.suppress(queue.Empty):
                self._messages.get_nowait()
        self._messages.put(message)

    def header(self, stamp: float | None) -> Any:
        """The header that a frame came with; the newest if its stamp was not believed."""
        return self._headers.get(stamp or 0.0, self._newest)

    def open(self) -> "Topic":
        """Itself."""
        return self

    def read(self) -> Grabbed:
        """The next message's image and stamp; `TimeoutError` if none comes."""
        try:
            message = self._messages.get(timeout=READ_DEADLINE / 2)
        except queue.Empty:
            raise TimeoutError("no message") from None
        time = message.header.stamp
        stamp = time.sec + time.nanosec * 1e-9
        self._headers[stamp] = self._newest = message.header
        if len(self._headers) > HEADERS:
            del self._headers[next(iter(self._headers))]
        return to_image(message), stamp

    def close(self) -> None:
        """The subscription stays."""


def to_message(image: NDArray[np.uint8], header: Any, message_type: Callable[[], Any]) -> Any:
    """A BGR (H, W, 3) image as a sensor_msgs/Image."""
    message = message_type()
    message.header = header
    message.height, message.width = image.shape[:2]
    message.encoding = "bgr8"
    message.step = image.nbytes // message.height
    message.data = image.tobytes()
    return message


def main() -> None:
    """Run the node until it is interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ros = import_ros()
    ros.rclpy.init()
    node = ros.rclpy.create_node("ship_deploy")
    visible, infrared = Topic("visible"), Topic("infrared")
    for topic in (visible, infrared):
        node.create_subscription(ros.Image, topic.name, topic.receive, ros.qos)
    publisher = node.create_publisher(ros.Image, "fused", 1)
    threading.Thread(target=ros.rclpy.spin, args=(node,), daemon=True).start()
    try:
        # Give it `Preparation(calibration=...)` if the cameras are not aligned.
        with Pipeline(visible, infrared, Fuser(threads=2)) as pipeline:
            for result in pipeline:
                topic, frame = (
                    (visible, result.visible) if result.visible else (infrared, result.infrared)
                )
                header = topic.header(frame.stamp if frame else None)
                publisher.publish(to_message(result.image, header, ros.Image))
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()


def import_ros() -> SimpleNamespace:
    """What ROS 2 gives; a UserError where it is not installed."""
    try:
        import rclpy
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Image
    except ImportError as error:
        raise UserError(f"ROS 2 is not here ({error.name}): source /opt/ros/*/setup.sh") from error
    return SimpleNamespace(rclpy=rclpy, Image=Image, qos=qos_profile_sensor_data)


if __name__ == "__main__":
    main()
