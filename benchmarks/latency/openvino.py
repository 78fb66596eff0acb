"""Runs a model in OpenVINO for another process, frame by frame; imports nothing of ours.

`python openvino.py MODEL.onnx FRAMES.npz RESULT.npy THREADS` writes what it makes of the frames,
and a line when it is ready; then for each line that it reads, it fuses them and writes a line.
"""

import sys
from importlib import import_module

import numpy as np

if __name__ == "__main__":
    sys.path.pop(0)  # where this file would be found in place of the package
    model, frames, result, threads = sys.argv[1:]
    core = import_module("openvino").Core()
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    pair = list(np.load(frames).values())
    network = core.read_model(model)
    network.reshape({"visible": pair[0].shape, "infrared": pair[1].shape})  # which is quicker
    request = core.compile_model(network, "CPU", options).create_infer_request()
    np.save(result, request.infer(pair)[0])
    print("ready", flush=True)
    for _ in sys.stdin:
        request.infer(pair)
        print("done", flush=True)
