"""Features that tests of extraction share."""

import numpy as np
import pytest

from sre.features.store import FeatureStore
from sre.io.ark import write_ark


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Ten utterances of 50 frames among others."""
    folder = tmp_path_factory.mktemp("feats")
    draw = np.random.default_rng(0)
    lengths = {f"same{n}": 50 for n in range(10)} | {"one": 1, "short": 24, "least": 25, "long": 130, "longer": 207}
    records = {utt: draw.normal(size=(frames, 8)) for utt, frames in lengths.items()}
    write_ark(folder / "feats.ark", folder / "feats.scp", records.items())
    return FeatureStore(folder / "feats.scp")
