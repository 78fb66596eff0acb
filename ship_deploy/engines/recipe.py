"""What an engine is made of: all that decides its bytes, chosen before anything is built."""

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

from ship_deploy.artifact import VERSION, Artifact
from ship_deploy.cuda.gpu import Gpu, find_gpu
from ship_deploy.engines.flavour import Flavour
from ship_deploy.engines.profile import Profile
from ship_deploy.errors import UserError

LARGEST = 2**31 - 1  # of a number of pixels, frames or MiB
PORTABLE_FROM = (8, 0)  # Ampere; TensorRT-RTX builds for Turing only where it is named


@dataclass(frozen=True)
class Recipe:
    """The ingredients of one engine.

    Attributes:
        model: file name of the ONNX model.
        model_digest: its SHA-256 as sealed.
        metadata: what the export wrote into it: network, precision, colour, size, fidelity, ...
        flavour: "tensorrt" or "tensorrt-rtx".
        version: of the flavour.
        package_version: of ship-deploy.
        compute_capabilities: the GPUs that it is for, "8.6", ...
        gpu: the GPU of the machine that builds; None where it has none.
        profile: the frames that it takes.
        workspace: memory in MiB that a layer may use; None for all of the GPU's.
    """

    model: str
    model_digest: str
    metadata: dict[str, Any]
    flavour: str
    version: str
    package_version: str
    compute_capabilities: tuple[str, ...]
    gpu: Gpu | None
    profile: Profile
    workspace: int | None = None

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Recipe":
        """The opposite of `as_json`.

        Raises:
            KeyError, TypeError, ValueError: these are not the fields of a recipe.
        """
        sizes: dict[str, Any] = {n: tuple(s) for n, s in fields["profile"].items()}
        gpu = None if fields["gpu"] is None else Gpu(**fields["gpu"])
        capabilities = tuple(fields["compute_capabilities"])
        nested: dict[str, Any] = {"profile": Profile(**sizes), "gpu": gpu}
        recipe = cls(**{**fields, **nested, "compute_capabilities": capabilities})
        texts = [recipe.model, recipe.model_digest, recipe.flavour, recipe.version]
        texts += [recipe.package_version, *capabilities, *(astuple(gpu) if gpu else ())]
        if not all(isinstance(text, str) for text in texts) or type(recipe.metadata) is not dict:
            raise TypeError("a text")
        if type(recipe.metadata.get("precision")) is not str:
            raise TypeError("precision")
        if any(len(shape) != 3 for shape in sizes.values()):
            raise ValueError("profile")
        workspace = () if recipe.workspace is None else (recipe.workspace,)
        for number in (side for numbers in (*sizes.values(), workspace) for side in numbers):
            if type(number) is not int or not 1 <= number <= LARGEST:
                raise ValueError("a number")
        return recipe

    @property
    def as_json(self) -> dict[str, Any]:
        """All fields, in types that JSON has."""
        fields: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return fields

    @property
    def key(self) -> str:
        """SHA-256 over all of it, in hex: engines of one key are interchangeable."""
        return hashlib.sha256(json.dumps(self.as_json, sort_keys=True).encode()).hexdigest()

    @property
    def targets_its_gpu(self) -> bool:
        """Whether the engine is for the GPU of the machine that builds, and no other."""
        return self.gpu is not None and self.compute_capabilities == (self.gpu.compute_capability,)

    def command(self, output: str) -> str:
        """The shell command that builds such an engine at `output`."""
        words = ["ship-deploy", "build", self.model, "-o", output, "--flavour", self.flavour]
        words += self.profile.arguments
        if self.workspace is not None:
            words += ["--workspace", str(self.workspace)]
        if not self.targets_its_gpu:
            for capability in self.compute_capabilities:
                words += ["--compute-capability", capability]
        return shlex.join(words)


def make_recipe(
    artifact: Artifact,
    flavour: Flavour,
    profile: Profile,
    compute_capabilities: Sequence[str] = (),
    workspace: int | None = None,
    device: int = 0,
) -> Recipe:
    """Choose what is left to choose: the GPUs that the engine is for.

    TensorRT builds for the GPU at hand. TensorRT-RTX builds for the compute capabilities that were
    named; or else for the GPU at hand; or where there is none, for all that it knows from Ampere
    (8.0) on, as it does by itself.

    Args:
        artifact: the model.
        flavour: the TensorRT that will build.
        profile: the frames to build for.
        compute_capabilities: "8.6", ...; TensorRT-RTX only.
        workspace: memory in MiB that a layer may use.
        device: number of the GPU at hand.

    Raises:
        UserError: TensorRT without a GPU, compute capabilities that the flavour cannot name, or a
            GPU at hand that it does not support, such as Hopper's (9.0) by TensorRT-RTX.
    """
    if workspace is not None and workspace < 1:
        raise UserError(f"--workspace is {workspace}, expected at least 1 MiB")
    gpu, without = None, ""
    try:
        gpu = find_gpu(device)
    except UserError as error:
        without = str(error)
    if not flavour.targets:
        if compute_capabilities:
            raise UserError(
                f"--compute-capability is for tensorrt-rtx; {flavour.name} builds for this GPU"
            )
        if gpu is None:
            raise UserError(f"{flavour.name} needs the GPU that it builds for: {without}")
    return Recipe(
        artifact.path.name,
        artifact.digest,
        artifact.properties,
        flavour.name,
        flavour.version,
        VERSION,
        _capabilities(flavour, compute_capabilities, gpu),
        gpu,
        profile,
        workspace,
    )


def capability_members(flavour: Flavour) -> dict[str, Any]:
    """The compute capabilities that TensorRT-RTX can name: "8.6" -> ComputeCapability.SM86."""
    enum = flavour.trt.ComputeCapability
    numbers = sorted(int(n[2:]) for n in dir(enum) if re.fullmatch(r"SM[0-9]+", n))
    return {f"{number // 10}.{number % 10}": getattr(enum, f"SM{number}") for number in numbers}


def _capabilities(flavour: Flavour, asked: Sequence[str], gpu: Gpu | None) -> tuple[str, ...]:
    if gpu is not None and not flavour.targets:
        return (gpu.compute_capability,)
    known = list(capability_members(flavour))
    if gpu is not None and not asked:
        here = gpu.compute_capability
        if here not in known and _version(here) < _version(known[-1]):
            # The builder would write an engine for it all the same, and none that can be loaded.
            raise UserError(
                f"{flavour.name} {flavour.version} does not support {gpu.name} (compute capability "
                f"{here}), only {', '.join(known)} and newer; build with --flavour tensorrt for "
                "this GPU, or with --compute-capability for another"
            )
        return (here,)
    for capability in asked:
        if capability not in known:
            raise UserError(
                f"--compute-capability is {capability!r}, "
                f"{flavour.name} {flavour.version} knows {', '.join(known)}"
            )
    if asked:
        return tuple(sorted(set(asked), key=known.index))
    return tuple(c for c in known if _version(c) >= PORTABLE_FROM)


def _version(capability: str) -> tuple[int, ...]:
    return tuple(map(int, capability.split(".")))
