"""Distorted copies of a split: the SNR of each utterance, the same bytes with any workers, labels, VAD, going on."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import prepare_musan
from local.prepare_librispeech import prepare as prepare_librispeech
from sre import SreError
from sre.augment import copies
from sre.augment.copies import Copying, copy_distorted
from sre.augment.distorter import Distorter
from sre.augment.labels import copy_vad
from sre.augment.manifest import Manifest
from sre.augment.noise import power
from sre.augment.options import steps_of
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.datadir.validate import validate
from sre.io.audio import AudioRules, load
from sre.io.tables import read_table, write_table

NOISE = {"kind": "noise", "categories": ["noise"], "snr": [5, 5]}


@pytest.fixture
def noises(shared: Path, tmp_path: Path) -> Manifest:
    prepare_musan.prepare(shared / "corpora/musan-layout", tmp_path / "musan")
    return Manifest(tmp_path / "musan")


@pytest.fixture
def split(shared: Path, tmp_path: Path) -> Path:
    """Six utterances of two speakers."""
    prepare_librispeech(shared / "corpora/LibriSpeech", tmp_path / "all", ["test-other"])
    data = read_data_dir(tmp_path / "all", every_table=True)
    chosen = [utt for utt in data.utts if data.tables["utt2spk"][utt] in ("1688", "1998")]
    data.keep(chosen[:4] + chosen[-2:]).write(tmp_path / "test")
    return tmp_path / "test"


def copying(split: Path, out: Path, noises: Manifest, suffix: str = "-noise", seed: int = 1) -> Copying:
    distorter = Distorter(steps_of([{"probability": 1, "one_of": [NOISE]}]), noises)
    return Copying(read_data_dir(split, every_table=True), out, distorter, AudioRules(), seed, suffix)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_copy_is_the_same_utterances_at_the_snr(split: Path, noises: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    assert copy_distorted(copying(split, out, noises)) == 6
    assert validate(out) == []
    clean, copy = read_data_dir(split, every_table=True), read_data_dir(out, every_table=True)
    assert copy.utts == [f"{utt}-noise" for utt in clean.utts]
    assert copy.tables["utt2uniq"] == {f"{utt}-noise": utt for utt in clean.utts}
    assert copy.utt2spk == {f"{utt}-noise": speaker for utt, speaker in clean.tables["utt2spk"].items()}
    assert copy.tables["utt2dur"] == {f"{utt}-noise": text for utt, text in clean.tables["utt2dur"].items()}
    for utt in clean.utts:
        wave, noisy = (load(at, AudioRules()).wave for at in (clean.wav[utt], copy.wav[f"{utt}-noise"]))
        gain = float(wave @ noisy) / float(wave @ wave)  # softer, where it would have been clipped
        assert 10 * np.log10(power(gain * wave) / power(noisy - gain * wave)) == pytest.approx(5, abs=0.2)


def test_the_same_bytes_with_any_workers_and_after_a_stop(
    split: Path, noises: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "AT_ONCE", 2)
    one, two, stopped = (tmp_path / name for name in ("one", "two", "stopped"))
    copy_distorted(copying(split, one, noises))
    copy_distorted(copying(split, two, noises), workers=2)
    made, read = [], copies.Waves.read

    def read_three(waves, utts):
        for wave in read(waves, utts):
            if len(made) == 3:
                raise KeyboardInterrupt
            made.append(wave[0])
            yield wave

    monkeypatch.setattr(copies.Waves, "read", read_three)
    with pytest.raises(KeyboardInterrupt):
        copy_distorted(copying(split, stopped, noises))
    assert not (stopped / "wav.scp").exists() and len(list((stopped / "audio").rglob("*.flac"))) == 3
    monkeypatch.setattr(copies.Waves, "read", read)
    first = {path: path.stat().st_mtime_ns for path in (stopped / "audio").rglob("*.flac")}
    copy_distorted(copying(split, stopped, noises))
    assert {path: path.stat().st_mtime_ns for path in first} == first  # went on
    assert contents(one) == contents(two) == contents(stopped)
    copy_distorted(copying(split, stopped, noises, seed=2))
    assert contents(stopped).keys() == contents(one).keys() and contents(stopped) != contents(one)


def test_segments_become_files_and_without_a_suffix_ids_stay(split: Path, noises: Manifest, tmp_path: Path) -> None:
    data = read_data_dir(split)
    recording = data.utts[0]
    segments = {"a-1": (recording, 0.5, 2.0), "a-2": (recording, 2.0, 3.25)}
    write_data_dir(
        tmp_path / "cut",
        wav=data.wav,
        segments=segments,
        utt2spk={"a-1": "a", "a-2": "a"},
        extra={"spk2gender": {"a": "f"}},
    )
    copy_distorted(copying(tmp_path / "cut", tmp_path / "copy", noises, suffix=""))
    copy = read_data_dir(tmp_path / "copy", every_table=True)
    assert copy.segments is None and copy.utts == ["a-1", "a-2"] and copy.tables["spk2gender"] == {"a": "f"}
    assert [soundfile.info(copy.wav[utt]).frames for utt in copy.utts] == [24000, 20000]


def test_the_vad_is_that_of_the_clean_speech(tmp_path: Path) -> None:
    """Kaldi once left it behind (kaldi#3174)."""
    clean, copy = tmp_path / "feats/mfcc", tmp_path / "copy/feats/mfcc"
    write_table(clean / "vad.scp", {"u1": "vad.ark:3", "u2": "vad.ark:99"})
    write_table(clean / "utt2num_voiced", {"u1": 12, "u2": 34})
    (clean / "vad.ark").write_bytes(b"")
    copy_vad(clean, copy, "-noise")
    assert read_table(copy / "utt2num_voiced") == {"u1-noise": "12", "u2-noise": "34"}
    assert read_table(copy / "vad.scp")["u2-noise"] == "../../../feats/mfcc/vad.ark:99"


def test_unusable_sound_is_rejected_by_name(split: Path, noises: Manifest, tmp_path: Path) -> None:
    data = read_data_dir(split, every_table=True)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    write_table(split / "wav.scp", {**data.wav, data.utts[0]: str(broken)})
    assert copy_distorted(copying(split, tmp_path / "copy", noises)) == 5
    rows = (tmp_path / "copy/rejected.tsv").read_text().splitlines()
    assert len(rows) == 2 and rows[1].startswith(f"{data.utts[0]}\t{broken}\t")
    with pytest.raises(SreError, match="1 of 6 utterances are rejected, more than max_rejected"):
        copy_distorted(copying(split, tmp_path / "strict", noises), max_rejected=0.0)
