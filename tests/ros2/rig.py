"""Two cameras on ROS topics, a node that fuses them, and who listens to it."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

PACKAGE = Path(__file__).parents[2] / "ros2" / "ship_deploy_ros"
LIMIT = 60.0  # seconds that anything is waited for
SIZE = 64, 96


def stamped(seconds: float, frame: str) -> Header:
    whole = int(seconds)
    return Header(stamp=Time(sec=whole, nanosec=int((seconds - whole) * 1e9)), frame_id=frame)


def message(image: np.ndarray, encoding: str, header: Header) -> Image:
    height, width = image.shape[:2]
    step = image.nbytes // height
    sent = Image(header=header, height=height, width=width, encoding=encoding, step=step)
    sent.data.frombytes(image.tobytes())
    return sent


class Rig:
    """This process's side, and the node in another one.

    Attributes:
        fused: every fused Image that came, in order; likewise the other lists.
        process: the node's.
    """

    def __init__(self, *parameters: str, output: Path) -> None:
        os.environ["ROS_DOMAIN_ID"] = str(random.randrange(1, 200))
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        rclpy.init()
        self.node = rclpy.create_node("rig")
        self.visible = self.node.create_publisher(Image, "visible/image", qos_profile_sensor_data)
        self.open_infrared()
        self.camera = self.node.create_publisher(
            CameraInfo, "visible/camera_info", qos_profile_sensor_data
        )
        self.fused: list[Image] = []
        self.jpegs: list[CompressedImage] = []
        self.infos: list[CameraInfo] = []
        self.status: list[Any] = []
        for kind, topic, found in (
            (Image, "fused/image", self.fused),
            (CompressedImage, "fused/image/compressed", self.jpegs),
            (CameraInfo, "fused/camera_info", self.infos),
        ):
            self.node.create_subscription(kind, topic, found.append, 50)
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self.status.extend(m.status), 50
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()
        options = [word for each in parameters for word in ("-p", each)]
        self.output = output
        path = os.pathsep.join([str(PACKAGE), str(PACKAGE.parents[1])])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ship_deploy_ros.node", "--ros-args", *options],
            env={**os.environ, "PYTHONPATH": path},
            stdout=output.open("w"),
            stderr=subprocess.STDOUT,
        )

    def open_infrared(self) -> None:
        self.infrared = self.node.create_publisher(Image, "infrared/image", qos_profile_sensor_data)

    def close_infrared(self) -> None:
        self.node.destroy_publisher(self.infrared)

    def said(self) -> str:
        """What the node printed."""
        return self.output.read_text()

    def until(self, done: Callable[[], Any], what: str) -> Any:
        """Wait until something is true; its value."""
        limit = time.monotonic() + LIMIT
        while not (value := done()):
            assert time.monotonic() < limit, f"no {what}: {self.said()}"
            time.sleep(0.02)
        return value

    def connected(self) -> None:
        self.until(self.visible.get_subscription_count, "subscription to visible/image")
        self.until(self.infrared.get_subscription_count, "subscription to infrared/image")

    def call(self, kind: Any, name: str, request: Any) -> Any:
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, name)
        future = client.call_async(request)
        self.until(future.done, f"answer of {name}")
        self.node.destroy_client(client)
        return future.result()

    def set(self, name: str, value: Any) -> Any:
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        return self.call(SetParameters, "fusion/set_parameters", request).results[0]

    def change_state(self, label: str) -> bool:
        request = ChangeState.Request()
        request.transition.label = label
        return self.call(ChangeState, "fusion/change_state", request).success

    def latest(self) -> dict[str, str]:
        """The values of the newest diagnostic status."""
        return {entry.key: entry.value for entry in self.status[-1].values}

    def end(self, number: int = signal.SIGINT) -> int:
        """The node's exit code after a signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LIMIT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()
        self._thread.join()
