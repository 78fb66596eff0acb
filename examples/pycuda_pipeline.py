"""SHIP inside a PyCUDA program: frames stay on the GPU, before and after.

    python examples/pycuda_pipeline.py ship.engine visible.png infrared.png fused.png

Here the frames come from files; in a pipeline they come from your own kernels, or from a decoder.
Fuser and PyCUDA share the GPU's primary context, so arrays of one can be used by the other, beside
torch and CuPy in one process.
"""

import sys

import cv2
import pycuda.driver as driver
from pycuda import gpuarray

from ship_deploy import Fuser


def main(engine: str, visible_path: str, infrared_path: str, fused_path: str) -> None:
    """Fuse one pair."""
    driver.init()
    context = driver.Device(0).retain_primary_context()  # not make_context(): a second context
    context.push()
    try:
        fuser = Fuser(engine, cuda="pycuda")
        visible = gpuarray.to_gpu(cv2.imread(visible_path))  # (H, W, 3) uint8 BGR
        infrared = gpuarray.to_gpu(cv2.imread(infrared_path, cv2.IMREAD_GRAYSCALE))  # (H, W) uint8
        fused = fuser(visible, infrared)  # a GPUArray; nothing was copied to the host
        cv2.imwrite(fused_path, fused.get())
        print(fuser.info.backend, fuser.info.cuda, fused.shape, type(fused).__name__)
    finally:
        context.pop()


if __name__ == "__main__":
    main(*sys.argv[1:])
