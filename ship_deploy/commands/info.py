"""`ship-deploy info`: what a model or an engine is."""

import json
from pathlib import Path

from ship_deploy.artifact import read_artifact
from ship_deploy.backends import is_engine
from ship_deploy.engines.passport import read_whole


def describe(model: Path) -> None:
    """Print it as JSON.

    Raises:
        UserError: the file is damaged, edited, or none of both.
    """
    facts: dict[str, object]
    if is_engine(model):
        facts = read_whole(model)[1].as_json
    else:
        artifact = read_artifact(model)
        facts = {"digest": artifact.digest, **artifact.facts}
    print(json.dumps({"path": str(model), **facts}, indent=2))
