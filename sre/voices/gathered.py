"""The networks and systems of a package that is being made, of one run or of several that a fusion is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sre.voices.manifest import DataPart, NetworkPart, SystemPart

PackedSystem = tuple[SystemPart, Any, Any]  # with its back-end and cohort, None where it has none
PackedNetwork = tuple[NetworkPart, Any, list[DataPart]]  # with its bundle, and what it was trained on


@dataclass
class Gathered:
    """Networks with their bundles and training data, and systems, each after those that it is combined from."""

    networks: list[NetworkPart] = field(default_factory=list)
    bundles: list[Any] = field(default_factory=list)
    data: list[DataPart] = field(default_factory=list)
    systems: list[PackedSystem] = field(default_factory=list)

    def add_network(self, packed: PackedNetwork) -> int:
        """Add a network, and return its place."""
        network, bundle, data = packed
        self.data += [replace(part, network=len(self.networks)) for part in data]
        self.networks.append(network)
        self.bundles.append(bundle)
        return len(self.networks) - 1

    def add_systems(self, packed: Sequence[PackedSystem], network: int, model: str = "") -> int:
        """Add systems of one run, whose places are among each other, and return the place of the last.

        network : the place of the run's network
        model : its name, which goes before those of the systems; "" where there is one run
        """
        before = len(self.systems)
        for part, backend, cohort in packed:
            name = f"{model}/{part.name}" if model else part.name
            of = [before + place for place in part.of]
            own = part.network if part.network is None else network
            self.systems.append((replace(part, name=name, of=of, network=own), backend, cohort))
        return len(self.systems) - 1
