"""Reading and writing checkpoints: ours (`.safetensors`) and the authors' published `.pth`."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from training import networks

# The authors' names on the left, ours on the right; applied in order to every key of their file.
_AUTHORS_NAMES = [
    (r"^vis\.", "visible_features."),
    (r"^inf\.", "infrared_features."),
    (r"_features\.conv\.", "_features.lift."),
    (r"\.block([12])\.", r".edge\1."),
    (r"\.Res\.", ".residual."),
    (r"\.CDC\.HP_branch$", ".difference.mix"),
    (r"\.CDC\.h_conv\.conv\.weight$", ".difference.cross"),
    (r"\.CDC\.d_conv\.conv\.weight$", ".difference.diagonal"),
    (r"^interaction(\d)", lambda m: f"interactions.{int(m[1]) - 1}"),
    (r"\.reflashFused(\d)\.", lambda m: f".refine_fused.{int(m[1]) - 1}."),
    (r"\.reflashInfrared(\d)\.", lambda m: f".refine_infrared.{int(m[1]) - 1}."),
    (r"\.reflashChaAtten(\d)\.", lambda m: f".refine_attention.{int(m[1]) - 1}."),
    (r"\.chaAtten\.", ".attention."),
    (r"\.norm1\.body\.", ".norm."),
    (r"\.norm(\d)\.body\.", lambda m: f".norms.{int(m[1]) - 2}."),
    (r"\.channel\.postprocess\.0\.", ".channel.mix."),
    (r"\.channel\.postprocess\.1\.", ".channel.project."),
    (r"^postprocess\.0\.", "merge."),
    (r"^postprocess\.1\.", "project."),
    (r"\.F\.conv", ".shift_first.conv"),
    (r"\.G\.conv", ".shift_rest.conv"),
    (r"\.H\.conv", ".scale_rest.conv"),
    (r"\.conv([12])\.identity\.", r".unit\1.identity."),
    (r"\.conv([12])\.norm\.", r".unit\1.norm."),
    (r"\.conv([12])\.conv_([12])\.", r".unit\1.conv\2."),
    (r"((?:shift|scale)_\w+)\.conv3\.", r"\1.merge."),
    (r"\.invconv\.p$", ".mixing.permutation"),
    (r"\.invconv\.sign_s$", ".mixing.sign"),
    (r"\.invconv\.log_s$", ".mixing.log_scale"),
    (r"\.invconv\.", ".mixing."),
    (r"^reconstruction\.conv_in\.", "head."),
    (r"^reconstruction\.conv_last\.", "output."),
    (r"^reconstruction\.process\.(\d)\.", lambda m: f"attention{int(m[1]) + 1}."),
    (r"\.conv_du\.", ".gate."),
]


def load_network(path: str | Path) -> nn.Module:
    """Load a network in eval mode on the CPU.

    Args:
        path: a `.safetensors` of ours, or the authors' published `.pth`.

    Raises:
        UserError: the file is missing, unreadable or not a checkpoint, or a tensor is missing,
            unexpected or of the wrong shape.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    name, config, tensors = _read_authors(path) if path.suffix == ".pth" else _read_ours(path)
    try:
        network: nn.Module = getattr(networks, name)(**config)
    except (AttributeError, TypeError) as error:
        raise UserError(f"{path}: unknown network {name}({config})") from error
    _check_tensors(path, network.state_dict(), tensors)
    network.load_state_dict(tensors)
    return network.eval()


def save_network(network: nn.Module, path: str | Path, **facts: str) -> None:
    """Write a network's weights and configuration as `.safetensors`, atomically.

    Args:
        network: one of `training.networks`.
        path: the file to write.
        facts: further metadata (the step, the recipe and those before it), as text.
    """
    metadata = {
        "format": "ship-deploy checkpoint 1",
        "network": type(network).__name__,
        "config": json.dumps(network.config),
        **facts,
    }
    tensors = {
        key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()
    }
    write_atomically(Path(path), save(tensors, metadata))


def read_facts(path: str | Path) -> dict[str, str]:
    """What `save_network` was told about a checkpoint; nothing of one that is not ours."""
    if Path(path).suffix == ".pth":
        return {}
    with safe_open(path, framework="np") as file:
        return file.metadata() or {}


def recipes(path: str | Path) -> list[dict[str, Any]]:
    """The recipes that a checkpoint's weights came from, the first one first.

    Empty for weights that are not ours.
    """
    about = read_facts(path)
    last = [json.loads(about["recipe"])] if "recipe" in about else []
    return [*json.loads(about.get("recipes_before", "[]")), *last]


def mix(first: str | Path, second: str | Path, share: float, path: str | Path) -> None:
    """Write the average of two checkpoints' weights, `share` of the second one's.

    Worth it where the second was trained on from the first ("Model soups", Wortsman et al., 2022);
    weights of two runs from scratch have nothing to do with each other.

    Raises:
        UserError: as `load_network`; or the networks differ, or `share` is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise UserError(f"share is {share:g}, expected 0 to 1")
    networks = [load_network(first), load_network(second)]
    if len({(type(network).__name__, str(network.config)) for network in networks}) > 1:
        raise UserError(f"{first} and {second}: different networks")
    states = [network.state_dict() for network in networks]
    mixed = {key: states[0][key].lerp(states[1][key], share) for key in states[0]}
    networks[0].load_state_dict(mixed)
    stages = json.dumps([*recipes(first), *recipes(second)])
    shares = f"{1 - share:g} of {digest(first)[:12]}, {share:g} of {digest(second)[:12]}"
    save_network(networks[0], path, recipes_before=stages, mixed=shares)


def digest(path: str | Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _read_ours(path: Path) -> tuple[str, dict[str, int], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in list(file.keys())}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a readable .safetensors file ({error})") from error
    if "network" not in metadata or "config" not in metadata:
        raise UserError(f"{path}: says neither network nor configuration; not one of ours")
    return metadata["network"], json.loads(metadata["config"]), tensors


def _read_authors(path: Path) -> tuple[str, dict[str, int], dict[str, Tensor]]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every kind of damage
        raise UserError(f"{path}: not a readable .pth file ({_first_line(error)})") from error
    content = content.get("params", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise UserError(f"{path}: holds no tensors under 'params'; not the authors' checkpoint")
    tensors = {}
    for key, value in content.items():
        for pattern, ours in _AUTHORS_NAMES:
            key = re.sub(pattern, ours, key)
        if key.endswith((".cross", ".diagonal")) and value.ndim == 4:
            value = value.squeeze(2)  # (C, C, 1, 5) -> (C, C, 5)
        tensors[key] = value
    return "SHIP", {}, tensors


def _check_tensors(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    for kind, keys in (
        ("lacks", expected.keys() - found.keys()),
        ("has an unknown", found.keys() - expected.keys()),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise UserError(f"{path}: {kind} tensor {min(keys)}{more}")
    for key, tensor in expected.items():
        if tensor.shape != found[key].shape:
            raise UserError(
                f"{path}: tensor {key} is {tuple(found[key].shape)}, expected {tuple(tensor.shape)}"
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
