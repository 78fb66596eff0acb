"""Reading and writing checkpoints: ours (`.safetensors`), and reading published ones (`.pth`)."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from training import networks
from training.architecture import Architecture, FusionNetwork

WRAPPERS = ("params_ema", "params", "state_dict", "model", "network")  # the average comes first

DEEPEST = 4  # wrappers in one another; a file may hold itself
LARGEST = 1024  # of a number in a network's settings; more may take minutes and all of the memory


def load_network(path: str | Path) -> FusionNetwork:
    """Load a network in eval mode on the CPU.

    Args:
        path: a `.safetensors` of ours; or weights that a network's authors published, as PyTorch
            saves them, under any name, bare or as training frameworks wrap them.

    Raises:
        UserError: the file is missing, unreadable or not a checkpoint, or a tensor is missing,
            unexpected or of the wrong shape.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    read = _read_ours if _is_safetensors(path) else _read_published
    architecture, config, tensors = read(path)
    name = architecture.module.__name__
    if not _is_modest(config):
        raise UserError(f"{path}: no {name} has settings like {str(config)[:200]}")
    try:
        with torch.device("meta"):  # which takes no memory, whatever the settings say
            expected = architecture.module(**config).state_dict()
    except Exception as error:  # a constructor raises what it likes
        raise UserError(f"{path}: {name} takes no {str(config)[:200]}") from error
    _check_tensors(path, expected, tensors)
    network = architecture.module(**config)
    network.load_state_dict(tensors)
    return network.eval()


def save_network(network: FusionNetwork, path: str | Path, **metadata: str) -> None:
    """Write a network's weights and configuration as `.safetensors`, atomically.

    Args:
        network: of any architecture.
        path: the file to write.
        metadata: what else to write (the step, the configs of the training), as text.
    """
    about = {
        "format": "ship-deploy checkpoint 1",
        "network": type(network).__name__,
        "config": json.dumps(network.config),
        **metadata,
    }
    tensors = {
        key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()
    }
    write_atomically(Path(path), save(tensors, about))


def read_metadata(path: str | Path) -> dict[str, str]:
    """What `save_network` was told about a checkpoint; nothing of one that is not ours.

    Raises:
        UserError: one that is damaged.
    """
    if not _is_safetensors(Path(path)):
        return {}
    try:
        with safe_open(path, framework="np") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a readable .safetensors file ({error})") from error


def training_configs(path: str | Path) -> list[dict[str, Any]]:
    """The configs of the runs that a checkpoint's weights came from, the first one first.

    Empty for weights that are not ours.
    """
    about = read_metadata(path)
    # The first checkpoints, those in configs/ among them, called a config a recipe.
    last = about.get("training_config", about.get("recipe"))
    before = about.get("training_configs_before", about.get("recipes_before", "[]"))
    try:
        configs = [*json.loads(before), *([json.loads(last)] if last else [])]
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: the configs of its training are damaged") from error
    return configs


def mix(first: str | Path, second: str | Path, share: float, path: str | Path) -> None:
    """Write the average of two checkpoints' weights, `share` of the second one's.

    Worth it where the second was trained on from the first ("Model soups", Wortsman et al., 2022);
    weights of two runs from scratch have nothing to do with each other.

    Raises:
        UserError: as `load_network`; or the networks differ, or `share` is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise UserError(f"share is {share:g}, expected 0 to 1")
    both = [load_network(first), load_network(second)]
    if len({(type(network), str(network.config)) for network in both}) > 1:
        raise UserError(f"{first} and {second}: different networks")
    states = [network.state_dict() for network in both]
    mixed = {key: states[0][key].lerp(states[1][key], share) for key in states[0]}
    both[0].load_state_dict(mixed)
    stages = json.dumps([*training_configs(first), *training_configs(second)])
    shares = f"{1 - share:g} of {digest(first)[:12]}, {share:g} of {digest(second)[:12]}"
    save_network(both[0], path, training_configs_before=stages, mixed=shares)


def digest(path: str | Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _read_ours(path: Path) -> tuple[Architecture, dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in list(file.keys())}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a readable .safetensors file ({error})") from error
    if "network" not in metadata or "config" not in metadata:
        raise UserError(f"{path}: names no network and configuration, so it is not one of ours")
    try:
        architecture = networks.find(metadata["network"])
        config = json.loads(metadata["config"])
    except (ValueError, RecursionError) as error:  # a UserError is one of them
        raise UserError(f"{path}: names no network that is known ({error})") from error
    return architecture, config, tensors


def _is_modest(config: Any) -> bool:
    """Whether no number in settings, and no list, is larger than `LARGEST`."""
    if isinstance(config, dict):
        return all(map(_is_modest, config.values()))
    if isinstance(config, list):
        return len(config) <= LARGEST and all(map(_is_modest, config))
    return not isinstance(config, (int, float)) or abs(config) <= LARGEST


def _is_safetensors(path: Path) -> bool:
    """By the content: 8 bytes that tell the length of the JSON after them; or by the name."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _read_published(path: Path) -> tuple[Architecture, dict[str, Any], dict[str, Tensor]]:
    """As the network whose tensors they are, most of them at least; in its published size."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every kind of damage
        raise UserError(f"{path}: not a readable checkpoint ({_first_line(error)})") from error
    content = _unwrap(content)
    if content is None:
        known = ", ".join(repr(key) for key in WRAPPERS)
        raise UserError(f"{path}: holds no tensors, neither bare nor under {known}")
    readings = []
    for architecture in map(networks.find, networks.names()):
        if architecture.published is not None:
            tensors = architecture.published(content)
            with torch.device("meta"):
                expected = architecture.module().state_dict()
            readings.append((len(expected.keys() & tensors.keys()), architecture, tensors))
    _, architecture, tensors = max(readings, key=lambda reading: reading[0])
    return architecture, {}, tensors


def _unwrap(content: Any) -> dict[str, Tensor] | None:
    """The tensors of a checkpoint without what frameworks put around them and before their names.

    DataParallel and DistributedDataParallel write "module." before each name, `torch.compile`
    "_orig_mod.", Lightning the name of the attribute that holds the network.
    """
    for _ in range(DEEPEST):
        if not isinstance(content, dict):
            return None
        if content and all(isinstance(value, Tensor) for value in content.values()):
            # To take off only what stands before all names keeps a network's own groups together.
            while len(first := {key.partition(".")[0] for key in content}) == 1 and all(
                "." in key for key in content
            ):
                content = {key.removeprefix(f"{min(first)}."): v for key, v in content.items()}
            return content
        content = next((content[key] for key in WRAPPERS if key in content), None)
    return None


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
