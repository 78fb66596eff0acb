"""Starts the node: `ros2 launch ship_deploy_ros fusion.launch.py visible:=/camera/image_raw`."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

SHARE = Path(get_package_share_directory("ship_deploy_ros"))
ARGUMENTS = {
    "visible": ("/camera/image_raw", "topic of the visible images"),
    "visible_info": ("/camera/camera_info", "topic of the visible camera's CameraInfo"),
    "infrared": ("/thermal/image_raw", "topic of the infrared images"),
    "params": (str(SHARE / "config" / "fusion.yaml"), "file of parameters"),
}


def generate_launch_description() -> LaunchDescription:
    """The node, with its topics remapped."""
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    node = LifecycleNode(
        package="ship_deploy_ros",
        executable="fusion",
        name="fusion",
        namespace="",
        parameters=[value["params"]],
        remappings=[
            ("visible/image", value["visible"]),
            ("visible/camera_info", value["visible_info"]),
            ("infrared/image", value["infrared"]),
        ],
        respawn=True,
        respawn_delay=2.0,
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=about)
        for name, (default, about) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, node])
