"""What several tests build on: ../shared, and tiny data directories of sound or of features."""

import os
from collections.abc import Callable
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before numpy and torch are loaded: each worker has a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import soundfile
from hypothesis import settings

from sre.datadir.datadir import write_data_dir
from sre.io.ark import read_scp, write_ark

SHARED = Path(__file__).resolve().parents[1] / "../shared"
DataDirFactory = Callable[..., Path]
FUZZ_ROUNDS = int(os.environ.get("SRE_FUZZ", 0))  # make fuzz: each property test so many times, on fresh examples

# else the examples of a property test are the same everywhere and every time: its source decides them
settings.register_profile("fixed", derandomize=True, database=None)
settings.register_profile("fresh", database=None, print_blob=True)
settings.load_profile("fresh" if FUZZ_ROUNDS else "fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, where workers share the files: so they end at about the same time."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        long = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in long)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if FUZZ_ROUNDS and hasattr(metafunc.function, "hypothesis"):
        metafunc.fixturenames.append("fuzz_round")
        metafunc.parametrize("fuzz_round", range(FUZZ_ROUNDS), indirect=True)


@pytest.fixture(scope="session")
def fuzz_round(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="session")
def shared() -> Path:
    """Kaldi's reference output and corpora, which only the project's own machines have."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared here: it holds Kaldi's reference output and the corpora")
    return SHARED


@pytest.fixture(scope="session")
def sound_dir() -> DataDirFactory:
    """A data dir of wav files: each speaker a pitch with its harmonics, in noise."""

    def make(path: Path, speakers: int = 3, utterances: int = 3, seconds: float = 1.2, first: int = 0) -> Path:
        draw = np.random.default_rng(first)
        wav, utt2spk = {}, {}
        for s in range(first, first + speakers):
            for u in range(utterances):
                utt = f"s{s:02}_{u:02}"
                t = np.arange(int((seconds + 0.05 * u) * 16000)) / 16000
                voice = sum(np.sin(2 * np.pi * (100 + 35 * s) * h * t + draw.random() * 6) / h for h in range(1, 20))
                file = path / "wav" / f"{utt}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(file, 0.1 * voice + draw.normal(0, 0.02, len(t)), 16000, subtype="PCM_16")
                wav[utt], utt2spk[utt] = str(file), f"s{s:02}"
        write_data_dir(path, wav=wav, utt2spk=utt2spk)
        return path

    return make


@pytest.fixture(scope="session")
def feature_dir() -> DataDirFactory:
    """A data dir of feats.scp without audio: noise about a mean of each speaker."""

    def make(
        path: Path, speakers: int = 6, utterances: int = 4, dimension: int = 8, frames: int = 60, first: int = 0
    ) -> Path:
        draw = np.random.default_rng(100 + first)
        feats, utt2spk = {}, {}
        for s in range(first, first + speakers):
            scale = draw.uniform(0.3, 2, dimension)  # CMN leaves a speaker's variances, not its means
            for u in range(utterances):
                utt = f"s{s:02}_{u:02}"
                feats[utt], utt2spk[utt] = scale * draw.normal(size=(frames + 3 * u, dimension)), f"s{s:02}"
        write_ark(path / "feats.ark", path / "raw.scp", feats.items())
        write_data_dir(path, feats=read_scp(path / "raw.scp"), utt2spk=utt2spk)
        return path

    return make
