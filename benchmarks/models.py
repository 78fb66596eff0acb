"""What is made of a checkpoint: models and engines, in a folder that processes share."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.build import Graph
from export.models import export_models, model_name
from export.precision import Precision
from ship_deploy.artifact import read_artifact
from ship_deploy.engines.builder import build_engine
from ship_deploy.engines.flavour import load as load_flavour
from ship_deploy.engines.passport import write_engine
from ship_deploy.engines.profile import choose_profile
from ship_deploy.engines.recipe import make_recipe
from ship_deploy.files import write_atomically

Size = tuple[int, int]  # height, width
SUFFIX = ".build.json"
PORTABLE = "portable"  # for all GPUs that a TensorRT can name


@dataclass(frozen=True)
class Models:
    """A checkpoint, and what is made of it.

    Attributes:
        checkpoint: `.safetensors` or `.pth`.
        folder: where it lies.
    """

    checkpoint: Path
    folder: Path

    def onnx(self, precision: str, graph: Graph = Graph.FRAMES) -> Path:
        """A model for any size; the first call exports it, verified."""
        path = self.folder / model_name(self.checkpoint.stem, graph, Precision(precision))
        if not path.exists():
            export_models(self.checkpoint, self.folder, precisions=[Precision(precision)])
        return path

    def engine(
        self, flavour: str, precision: str, size: Size | None, graph: Graph = Graph.FRAMES
    ) -> Path:
        """An engine for one size, or for any; the first call builds it, and notes how long.

        Raises:
            UserError: this TensorRT is not here, or cannot build it.
        """
        artifact = read_artifact(self.onnx(precision, graph))
        text = None if size is None else f"{size[0]}x{size[1]}"
        profile = choose_profile(artifact.metadata["size"], text, text, text)
        recipe = make_recipe(artifact, load_flavour(flavour), profile)
        # The folder may have come from a machine with another GPU, or none.
        target = f"sm{recipe.gpu.compute_capability}" if recipe.gpu else PORTABLE
        path = self.folder / f"{artifact.path.stem}.{flavour}.{text or 'any'}.{target}.engine"
        if not path.exists():
            start = time.perf_counter()
            engine = build_engine(artifact, recipe).engine
            build = {
                "engine": f"{flavour} {recipe.version}",
                "graph": graph.value,
                "precision": precision,
                "sizes": str(profile),
                "compute_capabilities": list(recipe.compute_capabilities),
                "seconds": time.perf_counter() - start,
                "mib": len(engine) / 2**20,
            }
            write_engine(path, engine, recipe)
            write_atomically(path.with_suffix(SUFFIX), json.dumps(build).encode())
        return path

    def builds(self) -> list[dict[str, Any]]:
        """What was noted of the engines that were built."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob(f"*{SUFFIX}"))]
