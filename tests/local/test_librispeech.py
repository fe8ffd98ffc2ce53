"""LibriSpeech's layout to data directories and frozen trial lists."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from local import make_librispeech_trials as trials
from local import prepare_librispeech as librispeech
from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.datadir.validate import validate
from sre.io.tables import read_table, write_table

SHARED = Path(__file__).resolve().parents[2] / "../shared"


def utterance(
    corpus: Path, part: str, name: str, seconds: float = 1.0, rate: int = 16000, suffix: str = "flac"
) -> Path:
    speaker, chapter, _ = name.split("-")
    path = corpus / part / speaker / chapter / f"{name}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, round(seconds * rate)), rate, subtype="PCM_16")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "LibriSpeech"
    utterance(root, "train-mini", "10-1-0000", 10.5)
    utterance(root, "train-mini", "10-2-0000", 4.0)
    utterance(root, "train-mini", "9-3-0000", 9.0, suffix="wav")
    utterance(root, "test-clean", "7-4-0000")
    (root / "SPEAKERS.TXT").write_text(
        ";ID  |SEX| SUBSET\n10   | F | train-mini | 25 | A | B\n9    | M | train-mini | 2 | C\n"
    )
    return root


@pytest.mark.parametrize(
    "name, char",
    [("7-4-0001 copy", r"U.0020 \(SPACE\)"), ("7-4-00\u200b01", "U.200B"), ("7-4-\udcff", "U.DCFF")],
    ids=["blank", "unseen", "bytes"],
)
def test_a_file_that_no_utterance_can_be_named_after(corpus: Path, name: str, char: str) -> None:
    (corpus / f"test-clean/7/4/{name}.flac").write_bytes((corpus / "test-clean/7/4/7-4-0000.flac").read_bytes())
    with pytest.raises(SreError, match=f"the utterance '.*' has {char}.* in it; rename it"):
        librispeech.find_recordings(corpus, "test-clean")


def test_speakers_in_another_coding(corpus: Path) -> None:
    table = corpus / "SPEAKERS.TXT"
    expected = librispeech.read_genders(corpus)
    table.write_bytes(
        "\ufeff".encode() + table.read_text().replace("A | B", "Zoë\u2028 | B").encode("latin-1", "replace")
    )
    assert librispeech.read_genders(corpus) == expected == {"10": "f", "9": "m"}


def test_parts_present(corpus: Path) -> None:
    (corpus / "dev-clean").mkdir()
    assert librispeech.parts_present(corpus) == ["dev-clean", "test-clean", "train-mini"]
    shutil.rmtree(corpus / "test-clean")
    with pytest.raises(SreError, match="looked for the folders train-clean-100, .*; found dev-clean, train-mini"):
        librispeech.parts_present(corpus)
    with pytest.raises(SreError, match="give the LibriSpeech folder in it as corpus"):
        librispeech.parts_present(corpus.parent)
    with pytest.raises(SreError, match="no such folder"):
        librispeech.parts_present(corpus / "none")


def test_prepare(corpus: Path, tmp_path: Path) -> None:
    librispeech.main([str(corpus), str(tmp_path / "out"), "--parts", "train-mini", "test-clean"])
    data = read_data_dir(tmp_path / "out")
    assert data.utt2spk == {"10-1-0000": "10", "10-2-0000": "10", "7-4-0000": "7", "9-3-0000": "9"}
    assert read_table(tmp_path / "out/utt2chapter")["10-2-0000"] == "2"
    assert read_table(tmp_path / "out/spk2gender") == {"10": "f", "9": "m"}
    assert read_table(tmp_path / "out/utt2dur")["10-1-0000"] == "10.500"
    assert validate(tmp_path / "out") == [] and (tmp_path / "out/rejected.tsv").read_text().count("\n") == 1


def test_cut_into_segments(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    librispeech.main([str(corpus), str(tmp_path / "out"), "--parts", "train-mini", "--cut-seconds", "4"])
    data = read_data_dir(tmp_path / "out")
    assert data.segments == {
        "10-1-0000-0000000": ("10-1-0000", 0.0, 4.0),
        "10-1-0000-0000400": ("10-1-0000", 4.0, 8.0),
        "10-1-0000-0000800": ("10-1-0000", 8.0, 10.5),
        "10-2-0000": ("10-2-0000", 0.0, 4.0),  # no longer than the cut: whole, under its own name
        "9-3-0000-0000000": ("9-3-0000", 0.0, 4.0),
        "9-3-0000-0000400": ("9-3-0000", 4.0, 8.0),  # the last second is dropped
    }
    assert sorted(data.wav) == ["10-1-0000", "10-2-0000", "9-3-0000"] and data.utt2spk["9-3-0000-0000400"] == "9"
    assert read_table(tmp_path / "out/utt2dur")["10-1-0000-0000800"] == "2.500"
    assert validate(tmp_path / "out") == [] and "1 last pieces under 2 s dropped" in capsys.readouterr().err


def test_what_tells_no_length_is_not_cut(corpus: Path, tmp_path: Path) -> None:
    path = corpus / "train-mini/10/1/10-1-0000.flac"
    data = bytearray(path.read_bytes())
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # the encoder wrote into a pipe
    path.write_bytes(data)
    librispeech.main([str(corpus), str(tmp_path / "out"), "--parts", "train-mini", "--cut-seconds", "4"])
    assert sorted(read_data_dir(tmp_path / "out").wav) == ["10-2-0000", "9-3-0000"]
    assert (
        "1 recordings whose headers tell no length to cut them by were left out, e.g. 10-1-0000"
        in (tmp_path / "out/notes").read_text()
    )
    librispeech.main([str(corpus), str(tmp_path / "whole"), "--parts", "train-mini"])
    assert "10-1-0000" in read_data_dir(tmp_path / "whole").wav
    assert sorted(read_table(tmp_path / "whole/utt2dur")) == ["10-2-0000", "9-3-0000"]


def test_bad_input(corpus: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    broken = utterance(corpus, "train-mini", "9-3-0001", suffix="wav")
    broken.write_bytes(broken.read_bytes()[:5000])
    with pytest.raises(SreError, match="1 of 4 recordings are rejected, .* 9-3-0001 .*truncated"):
        librispeech.main([str(corpus), out, "--parts", "train-mini", "--max-rejected", "0"])
    assert "9-3-0001\t" in (tmp_path / "out/rejected.tsv").read_text() and not (tmp_path / "out/wav.scp").exists()
    broken.unlink()
    with pytest.raises(SreError, match="sample rate 16000, the features' is 8000"):
        librispeech.main([str(corpus), out, "--parts", "train-mini", "--sample-rate", "8000"])
    librispeech.main([str(corpus), out, "--parts", "train-mini", "--sample-rate", "8000", "--resample"])
    with pytest.raises(SreError, match="train-clean-100: no such part"):
        librispeech.main([str(corpus), out, "--parts", "train-clean-100"])
    utterance(corpus, "train-mini", "9-3-0000", suffix="flac")
    with pytest.raises(SreError, match="utterance 9-3-0000 is there twice"):
        librispeech.main([str(corpus), out, "--parts", "train-mini"])
    shutil.move(corpus / "train-mini/10/1/10-1-0000.flac", corpus / "train-mini/10/2/10-1-0000.flac")
    with pytest.raises(SreError, match="does not begin with 10-2-"):
        librispeech.main([str(corpus), out, "--parts", "train-mini"])


def test_one_broken_file_of_many_is_left_out(corpus: Path, tmp_path: Path) -> None:
    source = utterance(corpus, "test-clean", "7-4-0001", 0.1)
    for number in range(2, 120):
        shutil.copy(source, source.with_name(f"7-4-{number:04}.flac"))
    source.write_bytes(b"")
    librispeech.main([str(corpus), str(tmp_path / "out"), "--parts", "test-clean"])
    data = read_data_dir(tmp_path / "out")
    assert len(data.utts) == 119 and "7-4-0001" not in data.utt2spk
    assert "7-4-0001\t" + str(source) + "\tempty file" in (tmp_path / "out/rejected.tsv").read_text()


def data_dir(path: Path, chapters: dict[str, list[int]], gender: dict[str, str]) -> Path:
    """A data directory with so many utterances in each chapter of each speaker."""
    utt2chapter = {
        f"{spk}-{c}-{u}": f"{spk}{c}" for spk, sizes in chapters.items() for c, n in enumerate(sizes) for u in range(n)
    }
    write_table(path / "utt2chapter", utt2chapter)
    write_table(path / "utt2spk", {utt: utt.split("-")[0] for utt in utt2chapter})
    if gender:
        write_table(path / "spk2gender", gender)
    return path


def test_trials_on_paper(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = data_dir(tmp_path, {"a": [1, 2], "b": [2], "c": [1], "d": [1]}, {"a": "f", "b": "f", "c": "m"})
    rows = trials.make_trials(data)
    assert [row[:2] for row in rows if row[2]] == [("a-0-0", "a-1-0"), ("a-0-0", "a-1-1"), ("b-0-0", "b-0-1")]
    assert {row[:2] for row in rows if not row[2]} == {
        (f"a-{a}", f"b-0-{b}") for a in ("0-0", "1-0", "1-1") for b in (0, 1)
    }
    said = capsys.readouterr().err
    assert "1 targets are within one chapter" in said
    assert "6 nontarget trials of the same gender; 15 were asked" in said and "2 speakers are the only ones" in said


@settings(max_examples=30, deadline=None)
@given(
    chapters=st.dictionaries(
        st.sampled_from("abcdefg"), st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=2
    ),
    gender=st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from("mf")),
    most=st.none() | st.integers(1, 12),
    ratio=st.sampled_from([0.5, 1.0, 3.0, 50.0]),
    seed=st.integers(0, 3),
)
def test_trial_invariants(tmp_path_factory, chapters, gender, most, ratio, seed) -> None:
    data = data_dir(tmp_path_factory.mktemp("trials"), chapters, gender)
    try:
        rows = trials.make_trials(data, seed, most, ratio)
    except SreError as error:
        assert "trials can be made of its" in str(error)
        return
    assert rows == trials.make_trials(data, seed, most, ratio) == sorted(rows)
    assert len({frozenset(row[:2]) for row in rows}) == len(rows)  # no duplicate in either order, no self pair
    assert all(a != b for a, b, _ in rows)
    speaker, chapter = read_table(data / "utt2spk"), read_table(data / "utt2chapter")
    for a, b, target in rows:
        assert (speaker[a] == speaker[b]) == target
        if target:
            assert chapter[a] != chapter[b] or len(chapters[speaker[a]]) == 1
        else:
            assert gender.get(speaker[a]) == gender.get(speaker[b])
    targets = sum(target for _, _, target in rows)
    assert most is None or targets <= most
    possible = sum(
        gender.get(speaker[a]) == gender.get(speaker[b])
        for a, b in combinations(speaker, 2)
        if speaker[a] != speaker[b]
    )
    assert len(rows) - targets == min(round(targets * ratio), possible)


def test_nontargets_are_balanced_over_speakers(tmp_path: Path) -> None:
    data = data_dir(tmp_path, {f"s{i}": [5 + 5 * i, 5] for i in range(6)}, {})
    count = Counter(
        utt.split("-")[0] for a, b, target in trials.make_trials(data, 1, 60, 1.0) if not target for utt in (a, b)
    )
    assert set(count.values()) == {20}


def test_trials_do_not_depend_on_order_or_hash_seed(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "data", {f"s{i}": [3, 4] for i in range(5)}, {"s1": "m", "s2": "m"})
    for name in ("utt2spk", "utt2chapter"):
        lines = (data / name).read_text().splitlines(keepends=True)
        (tmp_path / "turned").mkdir(exist_ok=True)
        (tmp_path / "turned" / name).write_text("".join(reversed(lines)))
    shutil.copy(data / "spk2gender", tmp_path / "turned")
    lists = []
    for seed, source in (("1", "data"), ("2", "turned")):
        command = [
            sys.executable,
            "-m",
            "local.make_librispeech_trials",
            source,
            f"list{seed}",
            "--max-targets",
            "40",
        ]
        project = Path(__file__).resolve().parents[2]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(project)}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
        lists.append((tmp_path / f"list{seed}").read_bytes())
    assert lists[0] == lists[1] and lists[0].count(b" target\n") == 40


def test_cut_only_where_speakers_have_one_utterance(tmp_path: Path) -> None:
    for counts, cut in (({"1": 1, "2": 1, "3": 3}, True), ({"1": 2, "2": 2, "3": 1}, False)):
        assert librispeech._mostly_single(s for s, count in counts.items() for _ in range(count)) is cut


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/corpora")
def test_shared_excerpt(tmp_path: Path) -> None:
    corpus = SHARED / "corpora/LibriSpeech"
    assert librispeech.parts_present(corpus) == ["train-clean-100", "test-other"]
    librispeech.prepare(corpus, tmp_path / "test", ["test-other"])
    assert validate(tmp_path / "test") == []
    rows = trials.make_trials(tmp_path / "test")
    assert Counter(target for _, _, target in rows) == {True: 450, False: 2250}
