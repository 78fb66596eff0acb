"""`ship-deploy info`: what a model is, as JSON."""

import json

from tests.ship_deploy.commands.process import ship_deploy


def test_info_is_json(model):
    result = ship_deploy("info", model)
    info = json.loads(result.stdout)
    assert (info["network"], info["precision"], info["size"]) == ("SHIP", "fp32", "any")
    assert info["fidelity"]["raw_error"] < 1e-4
    assert len(info["digest"]) == 64
