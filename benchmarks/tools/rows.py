"""The rows of the table: a tool each, with what its environment needs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A tool.

    Attributes:
        name: in the table.
        tool: a function of `probe.py`.
        packages: what pip installs; of the first one the version is shown.
        remark: what to know of it.
    """

    name: str
    tool: str
    packages: tuple[str, ...]
    remark: str = ""


RUNTIME = "onnxruntime==1.32.*"
ONNX = "onnx==1.23.2"
ROWS = [
    *(
        Row("ONNX Runtime", "onnxruntime", (f"onnxruntime==1.{minor}.*", "numpy<2"))
        for minor in (17, 18)
    ),
    *(
        Row("ONNX Runtime", "onnxruntime", (f"onnxruntime==1.{minor}.*", "numpy"))
        for minor in range(19, 33)
    ),
    Row("OpenVINO", "openvino_f32", ("openvino==2026.4.1",), "INFERENCE_PRECISION_HINT=f32"),
    Row(
        *("OpenVINO, defaults", "openvino", ("openvino==2026.4.1",)),
        "computes in BF16 where the CPU has it: ask for f32",
    ),
    Row(
        *("OpenCV 5", "opencv", ("opencv-python-headless==5.0.0.93",)),
        "the compact models only",
    ),
    Row(
        *("OpenCV 4", "opencv", ("opencv-python-headless==4.14.*",)),
        "wants known sizes; has no operator And",
    ),
    Row("MNN", "mnn", ("MNN==3.6.1", "numpy"), "after mnnconvert"),
    Row("tract", "tract", ("tract==0.23.9", "numpy"), "one size at a time"),
    Row(
        *("IREE", "iree", ("iree-base-compiler[onnx]==3.13.0", "iree-base-runtime==3.13.0")),
        "not for any size",
    ),
    Row(
        "IREE, fixed size",
        "iree_fixed",
        ("iree-base-compiler[onnx]==3.13.0", "iree-base-runtime==3.13.0", "onnxslim"),
        "wrong without an error; size fixed by onnxslim --input-shapes",
    ),
    Row("pnnx, ncnn", "ncnn", ("pnnx==20261020", "ncnn==1.0.20261020"), "8-bit frames are unknown"),
    Row("onnxslim", "onnxslim", ("onnxslim==0.1.98", RUNTIME, ONNX), "changes next to nothing"),
    Row("onnxsim", "onnxsim", ("onnxsim==0.8.1", RUNTIME, ONNX), "changes next to nothing"),
    Row(
        "polygraphy",
        "polygraphy",
        ("polygraphy==0.53.6", RUNTIME, ONNX, "onnx-graphsurgeon", "numpy"),
        "inspect model, run --onnxrt, surgeon sanitize --fold-constants",
    ),
    Row(
        "quantize_static",
        "quantize_static",
        (RUNTIME, ONNX),
        "ONNX Runtime's, by its defaults (INT8, QDQ), calibrated on eight other frames",
    ),
    *(
        Row(f"opset {version}", f"opset{version}", (ONNX, RUNTIME), remark)
        for version, remark in (
            (19, "by onnx.version_converter"),
            (18, "the full network has what came with 19"),
            (17, "no converter for Pad and Split"),
        )
    ),
    Row("netron", "netron", ("netron==9.3.3", "numpy"), "shows the graph; makes no picture"),
]
