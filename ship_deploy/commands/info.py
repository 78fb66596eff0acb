"""`ship-deploy info`: what a model or an engine is."""

import json

from ship_deploy.artifact import read_artifact
from ship_deploy.backends import is_engine
from ship_deploy.engines.passport import read_whole
from ship_deploy.models import find_model


def describe(model: str) -> None:
    """Print it as JSON.

    Raises:
        UserError: the file is damaged, edited, or none of both.
    """
    path = find_model(model)
    about: dict[str, object]
    if is_engine(path):
        about = read_whole(path)[1].as_json
    else:
        artifact = read_artifact(path)
        about = {"digest": artifact.digest, **artifact.properties}
    print(json.dumps({"path": str(path), **about}, indent=2))
