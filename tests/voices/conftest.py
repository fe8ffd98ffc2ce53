"""Models and recordings that tests of voices share."""

from pathlib import Path

import pytest
import soundfile
from small_models import small_bundle, small_package, voice


@pytest.fixture
def package_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.sre"
    small_package().write(path)
    return path


@pytest.fixture
def final_pt(tmp_path: Path) -> Path:
    path = tmp_path / "xvector" / "final.pt"
    small_bundle().save(path)
    return path


@pytest.fixture
def wavs(tmp_path: Path) -> list[Path]:
    """Three recordings, the first two of one pitch."""
    paths = [tmp_path / f"{name}.wav" for name in "abc"]
    for n, (path, pitch) in enumerate(zip(paths, (120, 120, 210), strict=True)):
        soundfile.write(path, voice(pitch, 1.5 + 0.2 * n, n), 16000, subtype="PCM_16")
    return paths
