"""ONNX Runtime's ways onto an NVIDIA GPU, its execution providers, and what each is asked for."""

import importlib
import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from ship_deploy.cuda.gpu import parse_device
from ship_deploy.errors import UserError, how_to_install

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
TENSORRT, RTX = "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"
PROVIDERS = {
    "onnxruntime": CUDA,
    "onnxruntime-tensorrt": TENSORRT,
    "onnxruntime-tensorrt-rtx": RTX,
}
"""Backend -> provider on a GPU; the first one also runs on the CPU."""
_PLUGIN = "onnxruntime_ep_nv_tensorrt_rtx"
_ALWAYS = {
    CUDA: {
        # On by default, it keeps 10 bits of the mantissa; what the model says is FP32 stays FP32.
        "use_tf32": "0",
        # The default, EXHAUSTIVE, times kernels at the first frame of every size: that takes long,
        # and which kernel wins, so which bits come out, differs from run to run.
        "cudnn_conv_algo_search": "HEURISTIC",
    },
    TENSORRT: {},
    RTX: {},
}


@dataclass(frozen=True)
class GpuOptions:
    """How ONNX Runtime uses a GPU.

    Attributes:
        graph: record the first frame as a CUDA graph and replay it for the others, which have to
            be of the same size. Frames wait for each other. Not with `onnxruntime-tensorrt-rtx`.
        stream: address of the `CUstream` that the network runs in; one of ONNX Runtime's own if
            None. It has to outlive the `Fuser`, which waits for the stream at every frame.
        memory: bytes; the most that the arena for tensors takes. With TensorRT, the most that a
            layer may use besides. None is no limit.

    Raises:
        UserError: one of them cannot be meant.
    """

    graph: bool = False
    stream: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        for name in ("stream", "memory"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise UserError(f"{name} is {value!r}, expected a whole number from 1 up")


def settings(provider: str, index: int, options: GpuOptions) -> dict[str, str]:
    """What a provider is asked for on GPU number `index`, in its own terms."""
    graph, memory = {
        CUDA: ("enable_cuda_graph", "gpu_mem_limit"),
        TENSORRT: ("trt_cuda_graph_enable", "trt_max_workspace_size"),
        RTX: ("enable_cuda_graph", "nv_max_workspace_size"),
    }[provider]
    chosen = dict(_ALWAYS[provider])
    # Device 0 is the default; to name it makes ONNX Runtime 1.26 to 1.31 print a warning. A plugin
    # is given its device itself.
    if index and provider != RTX:
        chosen["device_id"] = str(index)
    if options.graph:
        chosen[graph] = "1"
    if options.stream is not None:
        chosen |= {"has_user_compute_stream": "1", "user_compute_stream": str(options.stream)}
    if options.memory is not None:
        chosen[memory] = str(options.memory)
        if provider == CUDA:  # the default doubles the arena, and so meets the limit too early
            chosen["arena_extend_strategy"] = "kSameAsRequested"
    return chosen


def find_device(backend: str, device: str, ort: Any) -> int | None:
    """Number of the GPU to run on; None for the CPU.

    Raises:
        UserError: this ONNX Runtime has no such provider, or it does not run there.
    """
    provider, index = PROVIDERS[backend], parse_device(device)
    if provider == CUDA and index is None:
        return 0 if device == "auto" and CUDA in ort.get_available_providers() else None
    if device == "cpu":
        raise UserError(f"device is 'cpu'; {backend} takes auto, cuda or cuda:N")
    if provider != RTX and provider not in ort.get_available_providers():
        missing = "CUDA" if provider == CUDA else provider
        raise UserError(
            f"this ONNX Runtime has no {missing}: pip uninstall onnxruntime, "
            f"then {how_to_install('gpu')}"
        )
    return index or 0


def request(ort: Any, provider: str, index: int, options: GpuOptions, session: Any) -> list[Any]:
    """Ask for a provider: what `InferenceSession` takes as its providers.

    Args:
        ort: the module.
        provider: one of `PROVIDERS`.
        index: number of the GPU.
        options: the user's.
        session: the `SessionOptions`; changed.

    Raises:
        UserError: the plugin is missing, or finds no such GPU.
    """
    chosen = settings(provider, index, options)
    if provider != CUDA:  # which leaves the arithmetic of shapes to the CPU
        session.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if provider != RTX:
        return [(provider, chosen)]
    if options.graph:
        raise UserError("onnxruntime-tensorrt-rtx takes no graph")
    device = _plugin_device(ort, index)
    session.add_provider_for_devices([device], chosen)
    return []


def _plugin_device(ort: Any, index: int) -> Any:
    try:
        plugin = importlib.import_module(_PLUGIN)
        register, find = ort.register_execution_provider_library, ort.get_ep_devices
    except (ImportError, AttributeError) as error:
        raise UserError(
            "the TensorRT-RTX provider is not installed: pip install 'onnxruntime>=1.24' "
            f"onnxruntime-ep-nv-tensorrt-rtx ({error})"
        ) from error
    try:
        if not any(device.ep_name == RTX for device in find()):
            register(plugin.get_ep_name(), plugin.get_library_path())
    except Exception as error:  # its exception types are private and differ by version
        said = " ".join(str(error).split())
        raise UserError(f"the TensorRT-RTX provider does not load ({said})") from error
    devices = [device for device in find() if device.ep_name == RTX]
    if index >= len(devices):
        raise UserError(
            f"the TensorRT-RTX provider finds {len(devices)} GPUs that it supports, asked for "
            f"number {index}; see ship-deploy doctor"
        )
    return devices[index]


def preload_cuda(ort: Any) -> str:
    """Load CUDA and cuDNN from NVIDIA's wheels, where nothing else in the process has done so.

    Returns:
        What could not be loaded; "" if all could.
    """
    if not hasattr(ort, "preload_dlls"):  # from 1.21 on
        return ""
    with redirect_stdout(io.StringIO()) as said:  # it prints what it does not find
        ort.preload_dlls()
    return " ".join(said.getvalue().split())
