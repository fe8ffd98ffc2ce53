"""The back-ends that there are, by the name that a config has for each."""

from sre.backends.backend import Backend
from sre.backends.cosine import Cosine, Euclidean
from sre.backends.heavy_tailed import HeavyTailed
from sre.backends.plda import Plda

KINDS: dict[str, type[Backend]] = {kind.kind: kind for kind in (Cosine, Euclidean, Plda, HeavyTailed)}
