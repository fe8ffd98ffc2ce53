"""What brings batches to a device: reading processes of a GPU's training, and the wait for them."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sre.features.store import FeatureStore
from sre.training.augment import Augmentation
from sre.training.batches import UtteranceBatches
from sre.training.chunks import Batch, make_loader, processes_of, read
from sre.training.feeding import Feed
from sre.training.sources import Features

CPU = torch.device("cpu")
ELSEWHERE = torch.device("meta")  # no CPU: processes read as for a GPU's training


@pytest.fixture
def source(feature_dir: Callable[..., Path], tmp_path: Path) -> Features:
    store = FeatureStore(feature_dir(tmp_path / "d") / "feats.scp")
    augmentation = Augmentation(time_masks=1, zero_mean=True, feature_config={"cmn": "utterance"})
    return Features([store], [(0, utt) for utt in sorted(store.places)], augmentation)


def batches(source: Features) -> UtteranceBatches:
    return UtteranceBatches(8, 2, (20, 30), 1, source.augmentation.num_draws, num_utts=len(source))


def test_processes_beside_a_gpu_make_the_same_batches_of_what_was_read_before(source: Features) -> None:
    assert (processes_of(source, 2), processes_of(source, 2, ELSEWHERE)) == (0, 2)
    own = list(read(make_loader(source, batches(source), 2)))
    source.cache.clear()
    beside = list(read(make_loader(source, batches(source), 2, ELSEWHERE)))
    assert len(source.cache) == len(source) and len(own) == len(beside) == 6
    for one, other in zip(own, beside, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))


def test_the_wait_is_that_of_the_batches_and_told_once() -> None:
    empty = Batch(*(torch.empty(0) for _ in range(4)), 0)

    def slow():
        for _ in range(2):
            time.sleep(0.02)
            yield empty

    feed = Feed(slow(), CPU)
    for batch in feed:
        assert batch is empty
        time.sleep(0.5)  # a step
        assert 0.02 <= feed.waited() < 0.5 and feed.waited() == 0
