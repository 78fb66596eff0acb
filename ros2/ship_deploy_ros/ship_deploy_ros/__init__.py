"""The ROS 2 node of ship-deploy."""
