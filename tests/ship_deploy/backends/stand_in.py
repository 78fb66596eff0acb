"""A stand-in for TensorRT on the stand-in driver: "engines" that ONNX Runtime computes.

Like the real one it reads the addresses when work is enqueued, and does it when the stream gets
there, so missing waits and buffers that are used too early show in the picture.
"""

import ctypes
import os
from enum import Enum
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

from ship_deploy.artifact import Artifact
from ship_deploy.backends.onnxruntime import OnnxRuntime
from ship_deploy.engines.flavour import Flavour

LIBRARY = os.environ["STAND_IN_DRIVER"]
driver = ctypes.CDLL(LIBRARY, ctypes.RTLD_GLOBAL)  # before anybody looks for libcuda.so.1
driver.stand_in_live_bytes.restype = ctypes.c_long
driver.stand_in_set_limit.argtypes = [ctypes.c_long]
driver.stand_in_copies.restype = ctypes.c_long
driver.stand_in_foreign.restype = ctypes.c_void_p
driver.stand_in_fail.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
driver.cuLaunchHostFunc.argtypes = [ctypes.c_void_p] * 3
Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
LAZY, EAGER, OTHERS_FIRST = range(3)  # orders of work, see driver.c


def live() -> tuple[int, int]:
    """Bytes and objects (streams, graphs) that are held."""
    return driver.stand_in_live_bytes(), driver.stand_in_live_objects()


class Strategy(Enum):
    STATIC = 0
    USER_MANAGED = 2


class GraphStrategy(Enum):
    DISABLED = 0
    WHOLE_GRAPH_CAPTURE = 1


class Logger:
    def take(self) -> list[str]:
        return []


class Config:
    cuda_graph_strategy = GraphStrategy.DISABLED
    strategy = Strategy.STATIC

    def set_execution_context_allocation_strategy(self, strategy: Strategy) -> None:
        self.strategy = strategy


class Engine:
    def __init__(self, model: bytes) -> None:
        artifact = Artifact(None, model, "", {})
        self.run = OnnxRuntime(artifact, "cpu", 1).run
        self.contexts: list[Context] = []

    def create_runtime_config(self) -> Config:
        return Config()

    def create_execution_context(self, how: object) -> "Context":
        if isinstance(how, Config):
            assert how.cuda_graph_strategy is GraphStrategy.WHOLE_GRAPH_CAPTURE
            how = how.strategy
        assert how is Strategy.USER_MANAGED
        self.contexts.append(Context(self))
        return self.contexts[-1]


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.memory = (0, 0)
        self.enqueued: list[object] = []  # what the stream may still call

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = shape
        self.memory = (0, 0)
        return True

    def update_device_memory_size_for_shapes(self) -> int:
        return 10 * int(np.prod(self.shapes["visible"]))

    def set_device_memory(self, address: int, size: int) -> None:
        self.memory = (address, size)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert self.memory[0] and self.memory[1] == self.update_device_memory_size_for_shapes()
        shapes = {**self.shapes, "fused": self.shapes["visible"]}
        views = {
            name: np.ctypeslib.as_array(
                ctypes.cast(self.addresses[name], ctypes.POINTER(ctypes.c_uint8)), shape
            )
            for name, shape in shapes.items()
        }

        def compute(_: object) -> None:
            views["fused"][:] = self.engine.run(views["visible"], views["infrared"])

        callback = Callback(compute)
        self.enqueued.append(callback)
        return driver.cuLaunchHostFunc(stream, callback, None) == 0


class Runtime:
    engines: ClassVar[list[Engine]] = []

    def __init__(self, logger: Logger) -> None:
        pass

    def deserialize_cuda_engine(self, content: bytes) -> Engine:
        self.engines.append(Engine(content))
        return self.engines[-1]


def flavour(name: str) -> Flavour:
    """One of the two TensorRTs."""
    trt = SimpleNamespace(
        __version__="11.0.0",
        Runtime=Runtime,
        ExecutionContextAllocationStrategy=Strategy,
        CudaGraphStrategy=GraphStrategy,
        ComputeCapability=SimpleNamespace(SM86=86),
    )
    return Flavour(name, trt, Logger(), targets=name == "tensorrt-rtx")
