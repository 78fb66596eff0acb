"""What a metric is: a score of fused images, and how to read it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Convention = Literal["paper", "cddfuse"]
CONVENTIONS = get_args(Convention)
Score = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Metric:
    """A score of fused images against their sources, and how to read it.

    Attributes:
        paper: the score as its authors define it; (N, H, W) float64 in 0..255, thrice, to (N,).
        cddfuse: the score as the evaluator published with CDDFuse (Zhao et al., CVPR 2023)
            computes it, where that differs. Most tables since then come from it.
        higher_is_better: as the field reads it.
        unit: of `paper`, empty for a plain number.
        cddfuse_unit: of `cddfuse`.
    """

    paper: Score
    cddfuse: Score | None = None
    higher_is_better: bool = True
    unit: str = ""
    cddfuse_unit: str = ""

    def __call__(
        self, fused: Tensor, visible: Tensor, infrared: Tensor, convention: Convention = "paper"
    ) -> Tensor:
        """Score images, all uint8 grey of one size, (H, W) or (N, H, W).

        Returns:
            float64, () or (N,). NaN where an image is too small for the metric to be defined.

        Raises:
            TypeError: an image is not a uint8 tensor.
            ValueError: shapes differ, or the convention is unknown.
        """
        images = fused, visible, infrared
        for image in images:
            if not isinstance(image, Tensor) or image.dtype != torch.uint8:
                kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
                raise TypeError(f"metrics take uint8 tensors, not {kind}")
            if image.shape != fused.shape or image.ndim not in (2, 3):
                shapes = ", ".join(str(tuple(i.shape)) for i in images)
                raise ValueError(f"shapes are {shapes}, expected (H, W) or (N, H, W) three times")
        if convention not in CONVENTIONS:
            raise ValueError(f"convention is {convention!r}, expected one of {CONVENTIONS}")
        score = self.cddfuse if convention == "cddfuse" and self.cddfuse else self.paper
        batches = (image.reshape(-1, *image.shape[-2:]).double() for image in images)
        return score(*batches).reshape(fused.shape[:-2])

    def unit_in(self, convention: Convention) -> str:
        """The unit of the score under a convention."""
        return self.cddfuse_unit if convention == "cddfuse" and self.cddfuse else self.unit
