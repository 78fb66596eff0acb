from benchmarks.sizes import tabulate
from ship_deploy.models import CATALOGUE
from training.networks.compact import Compact


def test_sizes_are_those_of_the_network_and_its_file():
    (row,) = tabulate([{"name": "ship-s"}]).splitlines()[2:]
    name, parameters, operations, size, settings = (c.strip() for c in row.strip("|").split("|"))
    network = Compact()
    assert name == "`ship-s`"
    assert int(parameters.replace(",", "")) == sum(p.numel() for p in network.parameters())
    assert int(size.split()[0].replace(",", "")) == round(
        CATALOGUE["ship-s"].path.stat().st_size / 1024
    )
    assert settings.startswith(f"channels {network.config['channels']}, ")
    # The interaction's convolutions alone, at half resolution; all others together are fewer.
    widths = [(16, 16)] * 6 + [(32, 10)]
    interaction = sum(2 * 9 * before * after * 240 * 320 for before, after in widths) / 1e9
    assert interaction < float(operations) < 2 * interaction
