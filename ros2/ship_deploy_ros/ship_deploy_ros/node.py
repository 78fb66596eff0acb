"""The lifecycle node: two image topics in, one fused topic out."""

import array
import logging
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ship_deploy import Fuser, UserError
from ship_deploy.adapters.ros_images import make_image
from ship_deploy.streams import (
    Crop,
    Frame,
    Pipeline,
    Preparation,
    Result,
    Steady,
    Thermal,
    read_calibration,
    read_dead_pixels,
)
from ship_deploy_ros.diagnostics import describe
from ship_deploy_ros.topic import Topic

QUEUE = 5  # messages that a slow subscriber is behind at most
BACK_OFF = 0.1, 0.2  # seconds after which a silent topic is looked at again
PATIENCE = 10.0  # seconds that a frame under way is waited for
# Name, default and meaning; those of the second table can change while the node is active.
FIXED: dict[str, tuple[Any, str]] = {
    "model": ("", "name of a bundled model, or path of a model or engine; empty for the default"),
    "backend": ("auto", "inference engine: auto, onnxruntime or tensorrt"),
    "device": ("auto", "device to run on: auto, cpu, cuda or cuda:N"),
    "threads": (2, "processor threads of the network; 0 for all"),
    "visible_compressed": (False, "visible/image is a CompressedImage"),
    "infrared_compressed": (False, "infrared/image is a CompressedImage"),
    "offset": (0.0, "seconds that infrared stamps lie after visible ones of the same moment"),
    "steady": (False, "smooth the picture over time where nothing moves"),
    "autostart": (True, "configure and activate at the start"),
}
CHANGEABLE: dict[str, tuple[Any, str]] = {
    "calibration": ("", "file written by ship-deploy calibrate; empty if the cameras are aligned"),
    "crop_infrared": ("", "part of the infrared frames that is used: top, bottom or X,Y,W,H"),
    "dead_pixels": ("", "map written by ship-deploy find-dead-pixels"),
    "percentiles": ([0.5, 99.5], "of an infrared frame, that become black and white"),
    "smoothing": (2.0, "seconds with which these levels follow the scene"),
    "clahe": (0.0, "clip limit of CLAHE; 0 for none"),
    "black_hot": (False, "the infrared camera shows warm objects dark"),
    "jpeg_quality": (90, "of fused/image/compressed, 1 to 100"),
    "alone": (True, "publish the other camera's frames while one is silent"),
}


class FusionNode(LifecycleNode):
    """Subscribes to `visible/image` and `infrared/image`, publishes `fused/image`.

    Frames are paired by their header stamps; a fused one has the header of its visible one. Also
    published: `fused/image/compressed`, `fused/camera_info` with what `visible/camera_info` says,
    and `/diagnostics` once a second.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("fusion", **options)
        for name, (default, about) in {**FIXED, **CHANGEABLE}.items():
            self.declare_parameter(name, default, ParameterDescriptor(description=about))
        self._pipeline: Pipeline | None = None
        self._fuser: Fuser | None = None
        self._camera: CameraInfo | None = None
        self._preparation = Preparation()
        self.add_on_set_parameters_callback(self._check_parameters)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; on failure the node stays unconfigured."""
        try:
            self._fuser = Fuser(
                self._get("model") or None,
                backend=self._get("backend"),
                device=self._get("device"),
                threads=self._get("threads") or None,
            )
            self._preparation = prepare({name: self._get(name) for name in CHANGEABLE})
        except UserError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._image = self.create_publisher(Image, "fused/image", QUEUE)
        self._jpeg = self.create_publisher(CompressedImage, "fused/image/compressed", QUEUE)
        self._info = self.create_publisher(CameraInfo, "fused/camera_info", QUEUE)
        self._status = self.create_publisher(DiagnosticArray, "/diagnostics", QUEUE)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and fuse."""
        complain = self._complain
        self._visible, self._infrared = (
            Topic("visible/image", complain),
            Topic("infrared/image", complain),
        )
        self._subscriptions_of_ours = [
            self.create_subscription(
                CompressedImage if self._get(f"{side}_compressed") else Image,
                f"{side}/image",
                topic.receive,
                qos_profile_sensor_data,
            )
            for side, topic in (("visible", self._visible), ("infrared", self._infrared))
        ]
        self._subscriptions_of_ours.append(
            self.create_subscription(
                CameraInfo, "visible/camera_info", self._keep_info, qos_profile_sensor_data
            )
        )
        assert self._fuser is not None
        self._pipeline = Pipeline(
            self._visible,
            self._infrared,
            Steady(self._fuser) if self._get("steady") else self._fuser,
            prepare=self._prepare,
            offset=self._get("offset"),
            back_off=BACK_OFF,
        )
        self._thread = threading.Thread(target=self._run, args=(self._pipeline,), daemon=True)
        self._thread.start()
        self._timer = self.create_timer(1.0, self._publish_status)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to fuse."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model."""
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, from whatever state."""
        self._stop()
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop first."""
        self._stop()
        super().destroy_node()

    def _get(self, name: str) -> Any:
        value = self.get_parameter(name).value
        return list(value) if isinstance(value, array.array) else value

    def _stop(self) -> None:
        if self._pipeline is None:
            return
        self.destroy_timer(self._timer)
        for subscription in self._subscriptions_of_ours:
            self.destroy_subscription(subscription)
        self._pipeline.stop()
        self._thread.join(PATIENCE)
        self._pipeline = None

    def _let_go(self) -> None:
        if self._fuser is not None:
            for publisher in (self._image, self._jpeg, self._info, self._status):
                self.destroy_publisher(publisher)
        self._fuser = None

    def _check_parameters(self, parameters: list[Any]) -> SetParametersResult:
        """Take what can change, at once; say why the rest cannot."""
        given = {parameter.name: parameter.value for parameter in parameters}
        if self._fuser is not None and (fixed := sorted(given.keys() & FIXED.keys())):
            return SetParametersResult(
                successful=False, reason=f"{fixed[0]} can be set before the node is configured"
            )
        if given.keys() & CHANGEABLE.keys():
            values = {name: self._get(name) for name in CHANGEABLE if self.has_parameter(name)}
            try:
                preparation = prepare({**values, **given})
            except (UserError, TypeError, ValueError) as error:
                return SetParametersResult(successful=False, reason=str(error))
            if given.keys() - {"jpeg_quality", "alone"}:
                self._preparation = preparation
        return SetParametersResult(successful=True)

    def _prepare(self, infrared: Frame, size: tuple[int, int] | None) -> Any:
        return self._preparation(infrared, size)

    def _keep_info(self, info: CameraInfo) -> None:
        self._camera = info

    def _complain(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=10.0)

    def _run(self, pipeline: Pipeline) -> None:
        try:
            with pipeline:
                for result in pipeline:
                    if result.fused or self._get("alone"):
                        self._publish(result)
        except Exception as error:
            if self.context.ok():  # else it was shut down while a frame was under way
                self.get_logger().fatal(f"fusing ended: {error}")

    def _publish(self, result: Result) -> None:
        if result.visible is not None:
            header = self._visible.header(result.visible)
        elif result.infrared is not None:
            header = self._infrared.header(result.infrared)
        else:
            return  # an infrared frame alone that could not be prepared
        if self._image.get_subscription_count():
            self._image.publish(make_image(Image, result.image, header, pack))
        if self._jpeg.get_subscription_count():
            quality = [cv2.IMWRITE_JPEG_QUALITY, self._get("jpeg_quality")]
            _, data = cv2.imencode(".jpg", result.image, quality)
            jpeg = CompressedImage(header=header, format="bgr8; jpeg compressed bgr8")
            jpeg.data = pack(data)
            self._jpeg.publish(jpeg)
        if self._camera is not None and result.visible is not None:
            self._camera.header = header
            self._info.publish(self._camera)

    def _publish_status(self) -> None:
        if self._pipeline is not None and self._fuser is not None:
            status = describe(self._pipeline.statistics(), self._fuser.info.as_dict())
            status.name = f"{self.get_fully_qualified_name()}: fusion"
            message = DiagnosticArray(status=[status])
            message.header.stamp = self.get_clock().now().to_msg()
            self._status.publish(message)


def pack(image: np.ndarray) -> "array.array[int]":
    """Bytes as the message classes take them fastest."""
    return array.array("B", image.tobytes())


def prepare(values: dict[str, Any]) -> Preparation:
    """What the changeable parameters ask for; a UserError if they make no sense."""
    if not 1 <= values["jpeg_quality"] <= 100:
        raise UserError(f"jpeg_quality is {values['jpeg_quality']}, expected 1 to 100")
    low, high = values["percentiles"]
    dead = values["dead_pixels"]
    thermal = Thermal(
        percentiles=(low, high),
        smoothing=values["smoothing"],
        clahe=values["clahe"] or None,
        black_hot=values["black_hot"],
        dead=read_dead_pixels(Path(dead)) if dead else None,
    )
    calibration, crop = values["calibration"], values["crop_infrared"]
    known = read_calibration(Path(calibration)) if calibration else None
    return Preparation(thermal, known, Crop(crop) if crop else None)


class RosLog(logging.Handler):
    """What the pipeline says, in the node's log."""

    def __init__(self, node: FusionNode) -> None:
        super().__init__(logging.INFO)
        self._node = node

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on."""
        if record.levelno >= logging.WARNING:  # a line of code has one severity in rclpy
            self._node.get_logger().warning(record.getMessage())
        else:
            self._node.get_logger().info(record.getMessage())


def main() -> None:
    """Run the node until it is interrupted."""
    rclpy.init()
    node = FusionNode()
    logger = logging.getLogger("ship_deploy")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler := RosLog(node))
    try:
        wanted = node.get_parameter("autostart").value
        if wanted and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            node.trigger_activate()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if node.context.ok():  # else a callback was under way when ROS was shut down
            raise
    finally:
        logger.removeHandler(handler)
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
