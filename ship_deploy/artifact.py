"""`model.onnx`: what it says of itself, and the seal that shows whether it is whole and unedited.

The file is an ordinary ONNX model. Its last protobuf field, a `metadata_props` entry, holds the
SHA-256 of all bytes before it. So an edited or shortened file is recognised without an ONNX
library, before any engine sees it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ship_deploy.errors import UserError
from ship_deploy.signatures import check_signature

PRODUCER = "ship-deploy"
try:
    VERSION = version(PRODUCER)
except PackageNotFoundError:  # a checkout that was never installed
    VERSION = "0+checkout"
_DIGEST_KEY = "ship_deploy_sha256"

# Field numbers of onnx.ModelProto, and of its StringStringEntryProto.
_PRODUCER_NAME, _GRAPH, _METADATA = 2, 7, 14
_KEY, _VALUE = 1, 2
# Which fields of a message are messages of what kind; and those that no export of ours has, since
# a runtime would read other files for them, or might never come to an end.
_NESTED: dict[str, dict[int, str]] = {
    "model": {_GRAPH: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_REFUSED = {
    ("tensor", 13): "weights in other files",
    ("attribute", 6): "loops or branches",
    ("attribute", 11): "loops or branches",
    ("model", 25): "functions of its own",
}
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5  # wire types


@dataclass(frozen=True)
class Artifact:
    """A checked `model.onnx`.

    Attributes:
        path: where it was read from.
        content: the whole file.
        digest: SHA-256 of the file as sealed, in hex; its identity.
        metadata: what the export wrote: network, precision, colour, opset, fidelity, ...
    """

    path: Path
    content: bytes
    digest: str
    metadata: dict[str, str]

    @property
    def properties(self) -> dict[str, Any]:
        """The metadata, with what is JSON in it (config, fidelity) decoded."""
        return {
            k: json.loads(v) if v.startswith(("{", "[")) else v for k, v in self.metadata.items()
        }


def seal(model: bytes) -> bytes:
    """Append the digest to a serialised ONNX model whose producer is `PRODUCER`."""
    return model + _digest_field(hashlib.sha256(model).hexdigest())


def read_artifact(path: str | Path, signed_by: Path | None = None) -> Artifact:
    """Read a `model.onnx` that `python -m export` wrote.

    Args:
        path: of the model.
        signed_by: file of the public key that it has to be signed by, see `check_signature`.

    Raises:
        UserError: no such file, not signed by that key, not ONNX, not ours, cut short, or edited;
            or it holds what no export does: weights in other files, loops, branches, functions.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read the model ({error.strerror})") from error
    if signed_by is not None:
        check_signature(path, content, signed_by)
    if content.startswith(b"PK") or path.suffix == ".safetensors":  # torch.save writes an archive
        raise UserError(
            f"{path}: a checkpoint, not a model; in a checkout, python -m export {path} -o models "
            f"makes models/{path.stem}.onnx of it"
        )
    again = "export it again with python -m export"
    producer, metadata, graph = "", {}, False
    try:
        for field, value in _fields(content):
            if field == _PRODUCER_NAME:
                producer = value.decode()
            elif field == _METADATA:
                entry = dict(_fields(value))
                metadata[entry[_KEY].decode()] = entry.get(_VALUE, b"").decode()
            graph |= field == _GRAPH
        found = _refused(content)
    except EOFError as error:
        if producer == PRODUCER:
            raise UserError(f"{path}: the model is truncated; {again}") from error
        raise UserError(f"{path}: not an ONNX model") from error
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: not an ONNX model") from error
    if producer != PRODUCER:
        kind = "an ONNX model that ship-deploy did not export" if graph else "not an ONNX model"
        raise UserError(f"{path}: {kind}; make one with python -m export")
    digest = metadata.pop(_DIGEST_KEY, None)
    if digest is None:
        raise UserError(f"{path}: the model is truncated, or its seal was removed; {again}")
    body = content[:-_DIGEST_LENGTH]
    if hashlib.sha256(body).hexdigest() != digest:
        raise UserError(f"{path}: the model was edited or damaged (its digest differs); {again}")
    if found:
        raise UserError(f"{path}: the model has {found}, which no export has; {again}")
    try:
        artifact = Artifact(path, content, digest, metadata)
        _ = artifact.properties  # decodes it
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: the model's metadata are damaged; {again}") from error
    return artifact


def _refused(message: bytes, kind: str = "model") -> str:
    """What is in a message that no export of ours has; "" if nothing is."""
    for field, value in _fields(message):
        if (kind, field) in _REFUSED:
            return _REFUSED[kind, field]
        inner = _NESTED[kind].get(field)
        if inner and (found := _refused(value, inner)):
            return found
    return ""


def check_checkpoint(model: Path, checkpoint: Path) -> None:
    """Raise a UserError if a model was exported from another checkpoint than this one."""
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    if read_artifact(model).metadata.get("checkpoint_digest") != digest:
        raise UserError(f"{model}: not exported from {checkpoint} as it is; export it again")


def _digest_field(digest: str) -> bytes:
    def delimited(field: int, content: bytes) -> bytes:
        return bytes([field << 3 | _LENGTH_DELIMITED, len(content)]) + content  # below 128 bytes

    entry = delimited(_KEY, _DIGEST_KEY.encode()) + delimited(_VALUE, digest.encode())
    return delimited(_METADATA, entry)


_DIGEST_LENGTH = len(_digest_field("0" * 64))


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Fields of a protobuf message, numbers as empty bytes; EOFError where it breaks off."""
    view = memoryview(message)
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, kind = tag >> 3, tag & 7
        length = 0
        if kind == _VARINT:
            _, position = _varint(message, position)
        elif kind == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if field == 0:
            raise ValueError("field 0")
        if position + length > len(message):
            raise EOFError
        yield field, bytes(view[position : position + length]) if kind == _LENGTH_DELIMITED else b""
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise EOFError
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("varint")
