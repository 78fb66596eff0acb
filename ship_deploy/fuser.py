"""`Fuser`: the one object that a pipeline needs."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ship_deploy import backends
from ship_deploy.artifact import read_artifact
from ship_deploy.errors import UserError
from ship_deploy.frames import Frames, prepare

BUNDLED_MODEL = Path(str(files("ship_deploy") / "models" / "ship.onnx"))


class Fuser:
    """Fuses visible and infrared frames. One `Fuser` may be called from many threads.

    Args:
        model: a `model.onnx` from `python -m export`; without one, the bundled model.
        backend: "onnxruntime", or "auto" for the best on this machine.
        device: "cpu", "cuda", "cuda:1", ..., or "auto".
        threads: processor threads for one call; all cores if not given.
        percentiles: of a 16-bit or float infrared frame, the two that become 0 and 255.

    Raises:
        UserError: the model, the backend or the device cannot be used here, and why.

    Example:
        >>> fuser = Fuser()
        >>> fused = fuser(visible, infrared)  # (480, 640, 3) and (480, 640) -> (480, 640, 3)
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        backend: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        percentiles: tuple[float, float] = (0.5, 99.5),
    ) -> None:
        low, high = percentiles
        if not 0 <= low < high <= 100:
            raise UserError(f"percentiles are {low} and {high}, expected 0 <= lower < upper <= 100")
        self._percentiles = low, high
        artifact = read_artifact(BUNDLED_MODEL if model is None else model)
        if artifact.metadata.get("graph") != "frames":
            raise UserError(
                f"{artifact.path}: takes luminance, for verification; not camera frames"
            )
        self._backend = backends.load(artifact, backend, device, threads)
        self._facts = {
            "model": str(artifact.path),
            "digest": artifact.digest,
            "precision": artifact.metadata["precision"],
            **self._backend.facts,
        }

    def __call__(self, visible: NDArray[Any], infrared: NDArray[Any]) -> Frames:
        """Fuse a pair of aligned frames, or two batches of them.

        Args:
            visible: uint8, BGR (H, W, 3) or grey (H, W); a batch has N in front.
            infrared: uint8, uint16, float32 or float64, (H, W) or (N, H, W); H and W at least 16.

        Returns:
            uint8, in the shape of `visible`; the caller's own.

        Raises:
            UserError: shapes, types or values that cannot be fused.
        """
        batches = prepare(visible, infrared, self._percentiles)
        # One by one: engines pick other kernels for a batch, and then a frame's last bits would
        # depend on its neighbours.
        frames = zip(*batches, strict=True)
        fused = np.concatenate([self._backend.run(v[None], i[None]) for v, i in frames])
        if visible.ndim == infrared.ndim:
            fused = fused[..., 0].copy()  # grey in, grey out: all channels are equal
        return fused if infrared.ndim == 3 else fused[0]

    @property
    def info(self) -> dict[str, str]:
        """What runs: model, digest, precision, backend, device, threads, versions."""
        return dict(self._facts)
