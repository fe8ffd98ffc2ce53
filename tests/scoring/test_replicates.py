"""The bootstrap's draws: read by column, and named where they are damaged or of other columns."""

from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.scoring.replicates import read_replicates

VALUES = np.arange(6.0).reshape(3, 2)


def test_columns(tmp_path: Path) -> None:
    np.save(tmp_path / "x.replicates.npy", VALUES)
    found = read_replicates(tmp_path / "x.replicates.npy", ["eer", "min_dcf_0.01"])
    assert {name: draws.tolist() for name, draws in found.items()} == {"eer": [0, 2, 4], "min_dcf_0.01": [1, 3, 5]}


@pytest.mark.parametrize("content", [VALUES[:, :1], VALUES[0], VALUES.astype("S3"), VALUES.astype(int), np.array(3.0)])
def test_other_columns(tmp_path: Path, content: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", content)
    with pytest.raises(SreError, match="x.npy: .* is not of the 2 columns that metrics.json names"):
        read_replicates(tmp_path / "x.npy", ["eer", "min_dcf_0.01"])


def test_damaged(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", VALUES)
    data = (tmp_path / "whole.npy").read_bytes()
    for end in range(len(data)):
        (tmp_path / "x.npy").write_bytes(data[:end])
        with pytest.raises(SreError, match="x.npy: .*delete the metrics.json beside it"):
            read_replicates(tmp_path / "x.npy", ["eer", "min_dcf_0.01"])
    for place in ("gone.npy", "."):
        with pytest.raises(SreError, match="cannot be read"):
            read_replicates(tmp_path / place, ["eer"])
