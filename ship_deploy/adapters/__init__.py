"""Other people's frameworks: ROS messages and bags, Triton, Ray. Each is an extra of its own."""
