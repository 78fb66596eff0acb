"""What the pipeline around the network costs, and whether it lasts."""
