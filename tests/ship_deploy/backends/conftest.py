"""What runs on the stand-in for the driver runs in a process of its own, see test_tensorrt.py."""

import os

if "STAND_IN_DRIVER" in os.environ:
    from tests.ship_deploy.backends.machine import engine, flavour, gpu_fuser, machine  # noqa: F401
else:
    collect_ignore = ["test_execution.py", "test_execution_faults.py"]
