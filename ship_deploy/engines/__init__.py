"""TensorRT engines: built from a `model.onnx`, never trusted without their passport."""
