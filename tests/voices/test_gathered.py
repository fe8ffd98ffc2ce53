"""Networks and systems of several runs put together: each place is moved by what stands before it."""

from small_models import small_package

from sre.voices.gathered import Gathered
from sre.voices.manifest import DataPart


def test_places_are_those_among_all() -> None:
    package = small_package()
    network, bundle = package.manifest.networks[0], package.bundles[0]
    systems = [(part, n, None) for n, part in enumerate(package.manifest.systems)]  # cosine, plda+asnorm, both of these
    found = Gathered()
    first, second = (found.add_network((network, bundle, [DataPart(0, name)])) for name in ("train", "more"))
    assert (first, second) == (0, 1) and [data.network for data in found.data] == [0, 1]
    assert found.add_systems(systems[:1], second, "two") == 0
    assert found.add_systems(systems, first, "one") == 3
    told = [(part.name, part.network, part.of, backend) for part, backend, _ in found.systems]
    assert told == [
        ("two/cosine", 1, [], 0),
        ("one/cosine", 0, [], 0),
        ("one/plda+asnorm", 0, [], 1),
        ("one/both", None, [1, 2], 2),
    ]
