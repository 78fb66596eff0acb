"""`ship-deploy info`: what a model, an engine or a checkpoint is."""

import json
from pathlib import Path

from ship_deploy.artifact import read_artifact
from ship_deploy.backends import is_engine
from ship_deploy.checkpoint import SUFFIX, read_checkpoint
from ship_deploy.engines.passport import read_whole
from ship_deploy.models import find_model


def describe(model: str, signed_by: Path | None = None) -> None:
    """Print it as JSON.

    Args:
        model: name of a bundled model, or path of a model, engine or `.safetensors` checkpoint.
        signed_by: file of the public key that it has to be signed by; None for any.

    Raises:
        UserError: the file is damaged, edited, not signed, or none of these.
    """
    path = find_model(model)
    about: dict[str, object]
    if is_engine(path):
        about = read_whole(path, signed_by)[1].as_json
    elif path.suffix == SUFFIX:
        checkpoint = read_checkpoint(path, signed_by)
        about = {"digest": checkpoint.digest, "parameters": checkpoint.parameters}
        about |= checkpoint.metadata
    else:
        artifact = read_artifact(path, signed_by)
        about = {"digest": artifact.digest, **artifact.properties}
    print(json.dumps({"path": str(path), **about}, indent=2))
