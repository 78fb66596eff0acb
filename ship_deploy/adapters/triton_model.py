"""A model of Triton's Python backend that fuses by `Fuser`; `python -m export --triton --python`.

The Python that Triton starts its models with has to have ship-deploy and an engine, here `[cpu]`:
`pip install '.[cpu]'` in the server's container.
"""

import json
from pathlib import Path
from typing import Any

from ship_deploy.errors import UserError
from ship_deploy.fuser import Fuser


class TritonPythonModel:
    """What Triton calls, by these names, one call at a time for each instance.

    Requests hold `visible` uint8 (N, H, W, 3) BGR and `infrared` uint8 (N, H, W), responses
    `fused` uint8 (N, H, W, 3), with the same bits as those of a `Fuser` in the client's process.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Open the `model.onnx` beside this instance's version of `model.py`.

        Args:
            args: Triton's, all texts: where the model is, its configuration, the instance's device.
        """
        import triton_python_backend_utils as pb_utils  # there in Triton's Python only

        self._utils = pb_utils
        version = Path(args["model_repository"]) / args["model_version"]
        on_gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu"
        groups = json.loads(args["model_config"])["instance_group"]
        fuser = Fuser(version / "model.onnx", backend="onnxruntime", device=device)
        share = max(1, (fuser.info.threads or 1) // sum(group["count"] for group in groups))
        if not on_gpu and share != fuser.info.threads:  # instances share the processors
            fuser = Fuser(
                version / "model.onnx", backend="onnxruntime", device=device, threads=share
            )
        self._fuser = fuser

    def execute(self, requests: list[Any]) -> list[Any]:
        """A response to each request; one that cannot be fused gets the reason."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        visible, infrared = (
            self._utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in ("visible", "infrared")
        )
        try:
            fused = self._fuser(visible, infrared)
        except UserError as error:
            code = self._utils.TritonError.INVALID_ARG
            return self._utils.InferenceResponse(error=self._utils.TritonError(str(error), code))
        return self._utils.InferenceResponse([self._utils.Tensor("fused", fused)])
