"""The training set in arrays is what dicts of the same tables would give, and has the same hash."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sre import SreError
from sre.features.store import FeatureStore, write_config
from sre.io.ark import write_ark
from sre.io.atomic import sha256_text
from sre.io.name_tables import Counts, Labels
from sre.io.names import Names
from sre.io.text import canonical
from sre.training import selection
from sre.training.augment import Augmentation
from sre.training.options import Filter
from sre.training.selection import select
from sre.training.sources import Features, lengths_of
from sre.training.validation import partition


def store(frames: dict[str, int], in_arrays: bool) -> SimpleNamespace:
    table = Counts.of(frames) if in_arrays else frames
    return SimpleNamespace(scp=Path("data/feats.scp"), places=table, num_frames=table)


@pytest.mark.parametrize("in_arrays", [False, True])
@pytest.mark.parametrize("piece", [2, 4096])
def test_by_hand(monkeypatch: pytest.MonkeyPatch, in_arrays: bool, piece: int) -> None:
    """Of two data dirs: one utterance is short, one is missing, and one speaker is left with a single utterance."""
    monkeypatch.setattr(selection, "PIECE", piece)
    first = {"b2": "b", "b1": "b", "a1": "a", "ä1": "ä", "a2": "a"}  # not sorted
    second = {"c1": "c", "c2": "c", "b3": "b", "b4": "b"}
    frames = {"b2": 30, "b1": 30, "a1": 30, "ä1": 31, "a2": 30}, {"c1": 9, "c2": 50, "b3": 40, "b4": 50, "x": 1}
    tables = [Labels.of(table) if in_arrays else table for table in (first, second)]
    stores = [store(table, in_arrays) for table in frames]
    found = select(stores, [tables[0], tables[1]], Filter(min_frames=10, min_utterances=2))
    assert dict(found.utt2spk) == {"b2": "b", "b1": "b", "a1": "a", "a2": "a", "b3": "b", "b4": "b"}
    assert dict(found.source) == {"b2": 0, "b1": 0, "a1": 0, "a2": 0, "b3": 1, "b4": 1}
    assert found.num_frames["b3"] == 40 and found.utt2spk.names is found.source.names
    counts = found.counts
    assert (counts.utterances_found, counts.dropped_short, counts.dropped_of_rare_speakers) == (9, 1, 2)
    assert (counts.dropped_without_features, counts.rare_speakers) == (0, 2)
    contents = sorted((utt, speaker, {**frames[0], **frames[1]}[utt]) for utt, speaker in found.utt2spk.items())
    assert found.sha256({"ä": 1}, after=[[2]]) == sha256_text(canonical([{"ä": 1}, contents, [2]]))
    parts = partition(found.utt2spk, 0, 0)
    assert parts == partition(dict(found.utt2spk), 0, 0) and isinstance(parts.train, Names)
    assert parts.train == ["a1", "a2", "b1", "b2", "b3", "b4"]
    assert found.hours(parts.train, 10.0) == pytest.approx(2.1 / 3600)
    chosen = found.of(parts.train)
    assert list(chosen) == [(0, "a1"), (0, "a2"), (0, "b1"), (0, "b2"), (1, "b3"), (1, "b4")] == list(chosen[:])
    assert chosen[-1] == (1, "b4") and found.classes(parts.train, parts.speakers).tolist() == [0, 0, 1, 1, 1, 1]
    assert lengths_of(chosen, [one.num_frames for one in stores]).tolist() == [30, 30, 30, 30, 40, 50]


def test_an_utterance_of_two_data_dirs() -> None:
    tables = [{"a": "s", "b": "s"}, {"c": "s", "b": "s"}]
    stores = [store(dict.fromkeys(table, 20), True) for table in tables]
    with pytest.raises(SreError, match="utterance 'b' is in two of the training data dirs; rename it in one"):
        select(stores, tables, Filter(min_frames=1, min_utterances=1))


def test_a_copy_of_a_held_out_speaker_whose_original_was_dropped_is_not_trained_on() -> None:
    """Otherwise it has no class."""
    utt2spk = {f"s{s}_{u}": f"s{s}" for s in range(10) for u in range(4)}
    copies = {f"{utt}-noise": utt for utt in utt2spk}
    with_copies = {**{utt: speaker for utt, speaker in utt2spk.items() if not utt.endswith("_3")},
                   **{copy: utt2spk[utt] for copy, utt in copies.items()}}  # fmt: skip
    parts = partition(with_copies, 2, 0, everyone={**utt2spk, **with_copies}, originals=copies)
    assert len(parts.speakers) == 8 and {with_copies[utt] for utt in parts.train} == set(parts.speakers)
    assert np.count_nonzero([utt.endswith("_3-noise") for utt in parts.train]) == 8


@pytest.mark.parametrize("config", [{"cmn": "none"}, {"cmn": "utterance"}, {"cmn": "sliding"}])
@pytest.mark.parametrize("compression", [0, 2])
def test_chunks_of_features_that_are_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict, compression: int
) -> None:
    """The same as of those that are; of a chunk whose own mean is taken off, only its frames are read."""
    draw = np.random.default_rng(0)
    records = [(f"u{frames}", draw.normal(5, 2, size=(frames, 4))) for frames in (7, 20, 45)]
    write_ark(tmp_path / "feats.ark", tmp_path / "feats.scp", records, compression)
    write_config(tmp_path / "config", {"type": "given", **config})
    zero_mean = config["cmn"] == "utterance"
    augmentation = Augmentation(zero_mean=zero_mean, speeds=(0.9,), feature_config=config)
    kept = Features([FeatureStore(tmp_path / "feats.scp")], [(0, key) for key, _ in records], augmentation)
    read = Features(kept.stores, kept.utts, augmentation, room=0)
    assert kept.in_memory and not read.in_memory and read.by_rows == (config["cmn"] != "sliding")
    if read.by_rows:
        monkeypatch.setattr(read, "load", None)
    for index in range(3):
        for number in range(8):
            draws = np.random.default_rng(number).random(augmentation.num_draws + 1)
            chunks = [source[index, 20, draws].chunk.numpy() for source in (kept, read)]
            np.testing.assert_allclose(*chunks, rtol=0, atol=2e-6 if zero_mean else 0)
        np.testing.assert_allclose(kept.middle(index, 20), read.middle(index, 20), atol=2e-6 if zero_mean else 0)
