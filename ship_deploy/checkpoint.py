"""A trained network's checkpoint, `.safetensors`: what it says of itself, read without PyTorch."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ship_deploy.errors import UserError
from ship_deploy.signatures import check_signature

SUFFIX = ".safetensors"
_LENGTH = 8  # bytes, little endian, of the length of the JSON that follows them
_LARGEST = 100_000_000  # bytes of that JSON, as the format's own library has it
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of itself.

    Attributes:
        digest: SHA-256 of the file, in hex; a model exported from it names the same.
        parameters: values in all of its tensors.
        metadata: network, config, step, configs of the training, digests of its data, figures of
            the last validation; JSON in it is decoded.
    """

    digest: str
    parameters: int
    metadata: dict[str, Any]


def read_checkpoint(path: Path, signed_by: Path | None = None) -> Checkpoint:
    """Read what a `.safetensors` file says of itself.

    Args:
        path: of the file.
        signed_by: file of the public key that it has to be signed by, see `check_signature`.

    Raises:
        UserError: no such file, not signed by that key, damaged, or not in this format.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the checkpoint ({error.strerror})") from error
    if signed_by is not None:
        check_signature(path, content, signed_by)
    length = int.from_bytes(content[:_LENGTH], "little")
    start = _LENGTH + length
    if len(content) < _LENGTH or length > _LARGEST or start > len(content):
        raise UserError(f"{path}: not a {SUFFIX} file, or it is truncated")
    try:
        tensors = json.loads(content[_LENGTH:start])
        metadata = {
            str(key): json.loads(value) if value.startswith(("{", "[")) else value
            for key, value in tensors.pop("__metadata__", {}).items()
        }
        sizes = [(_BYTES[t["dtype"]], *t["data_offsets"]) for t in tensors.values()]
        parameters = sum((end - begin) // size for size, begin, end in sizes)
        whole = max((end for _, _, end in sizes), default=0) == len(content) - start
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: the description in this {SUFFIX} file is damaged") from error
    if not whole:
        raise UserError(f"{path}: truncated, or its tensors are not where it says")
    return Checkpoint(hashlib.sha256(content).hexdigest(), parameters, metadata)
