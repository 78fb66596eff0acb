"""For colcon, which builds packages of Python by it."""

from setuptools import setup

NAME = "ship_deploy_ros"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/fusion.launch.py"]),
        (f"share/{NAME}/config", ["config/fusion.yaml"]),
    ],
    install_requires=["setuptools", "ship-deploy"],
    entry_points={"console_scripts": [f"fusion = {NAME}.node:main"]},
)
