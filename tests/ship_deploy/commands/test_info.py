"""`ship-deploy info`: what a model is, as JSON."""

import json

from tests.ship_deploy.commands.process import ship_deploy


def test_info_is_json(model):
    result = ship_deploy("info", model)
    facts = json.loads(result.stdout)
    assert (facts["network"], facts["precision"], facts["size"]) == ("SHIP", "fp32", "any")
    assert facts["fidelity"]["raw_error"] < 1e-4
    assert len(facts["digest"]) == 64
