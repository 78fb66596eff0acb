"""A program of somebody who uses torch, for mypy to read; it is never run."""

import numpy as np
import torch
from numpy.typing import NDArray

from ship_deploy import Fuser

fuser = Fuser("ship", backend="tensorrt", device="cuda:0")
visible = torch.zeros((480, 640, 3), dtype=torch.uint8, device="cuda")
infrared = torch.zeros((480, 640), dtype=torch.uint8, device="cuda")
fused: torch.Tensor = fuser(visible, infrared)
brightness: float = fused.float().mean().item()

frame: NDArray[np.uint8] = np.zeros((480, 640, 3), np.uint8)
counts: NDArray[np.uint16] = np.zeros((480, 640), np.uint16)
picture: NDArray[np.uint8] = fuser(frame, counts)
pictures: list[NDArray[np.uint8]] = list(fuser.map([(frame, counts)]))
version: str = fuser.info.versions["ship-deploy"]
threads: int | None = fuser.info.threads

# Mistakes: mypy says so where one of these is none, as `--strict` warns of unused comments.
fuser(visible, counts)  # type: ignore[call-overload]
wrong: torch.Tensor = fuser(frame, counts)  # type: ignore[assignment]
fuser.info.device = "cpu"  # type: ignore[misc]
