"""All that our code asks of NVIDIA's and ONNX Runtime's packages, looked for in each version."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine, record
from benchmarks.bindings import onnxruntime, pycuda, tensorrt
from ship_deploy.files import make_folder


def run(output: Path) -> str:
    """Look into every version, and write `bindings.json` and `bindings.md`.

    Raises:
        UserError: the packages cannot be fetched, or there is no C compiler.
    """
    make_folder(output)
    with tempfile.TemporaryDirectory() as folder:
        content = {
            "machine": machine.describe(),
            "tensorrt": tensorrt.look(Path(folder)),
            "onnxruntime": onnxruntime.look(Path(folder)),
            "pycuda": pycuda.look(Path(folder)),
        }
    table = tabulate(content)
    record.write(output, "bindings", content, table)
    return table


def tabulate(content: dict[str, Any]) -> str:
    """A table for each package: names down, versions across."""
    return "\n".join(
        [
            f"{content['machine']['measured'][:10]}; packages from PyPI.",
            "",
            "### TensorRT",
            "",
            *tensorrt.tabulate(content["tensorrt"]),
            "",
            "### Options of ONNX Runtime",
            "",
            *onnxruntime.tabulate(content["onnxruntime"]),
            "",
            "### PyCUDA",
            "",
            *pycuda.tabulate(content["pycuda"]),
            "",
        ]
    )
