"""Data directories and trial lists that somebody else made."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import import_trials, prepare_custom
from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.datadir.rejected import write_rejected
from sre.datadir.validate import validate
from sre.io.tables import read_table, write_table
from sre.io.trials import needed_utterances

SHARED = Path(__file__).resolve().parents[2] / "../shared"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """120 recordings of a second, named relative to wav.scp's folder; no spk2utt."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    soundfile.write(folder / "u.wav", noise, 16000, subtype="PCM_16")
    write_table(folder / "wav.scp", {f"u{n:03}": "u.wav" for n in range(120)})
    write_table(folder / "utt2spk", {f"u{n:03}": f"s{n % 7}" for n in range(120)})
    write_table(folder / "utt2lang", {f"u{n:03}": "en" for n in range(100)})
    return folder


def test_written_absolute_with_every_map(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare_custom.main(["theirs", "out"])
    data = read_data_dir("out")
    assert data.wav["u000"] == str(source / "u.wav") and len(data.utts) == 120
    assert read_table("out/utt2dur")["u007"] == "1.000" and len(read_table("out/utt2lang")) == 100
    assert validate("out") == []


def test_rejected_utterances_are_left_out(source: Path, tmp_path: Path) -> None:
    whole = (source / "u.wav").read_bytes()
    (source / "cut.wav").write_bytes(whole[:9000])
    table = read_table(source / "wav.scp")
    write_table(source / "wav.scp", table | {"u005": "cut.wav"})
    prepare_custom.prepare(source, tmp_path / "out")
    assert "u005\t" in (tmp_path / "out/rejected.tsv").read_text()
    assert "u005" not in read_data_dir(tmp_path / "out").utt2spk and validate(tmp_path / "out") == []
    (tmp_path / "trials").write_text("model u001 target\n")
    (tmp_path / "enroll").write_text("model u004 u005\n")
    with pytest.raises(SreError, match="stand in a trial list, e.g. u005 .*truncated"):
        prepare_custom.main([str(source), str(tmp_path / "out"), "--trials", str(tmp_path / "trials"),
                             "--enroll", str(tmp_path / "enroll")])  # fmt: skip
    stereo = np.random.default_rng(0).normal(0, 0.1, (16000, 2))
    soundfile.write(source / "cut.wav", stereo, 16000)
    write_table(source / "wav.scp", table | {f"u00{n}": "cut.wav" for n in range(4)})
    with pytest.raises(SreError, match="4 of 120 utterances are rejected, more than max_rejected .* 2 channels"):
        prepare_custom.prepare(source, tmp_path / "out")
    prepare_custom.main([str(source), str(tmp_path / "out"), "--channel", "mix"])
    assert len(read_data_dir(tmp_path / "out").utts) == 120


def test_a_few_of_many_may_be_broken(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """5 of 1000 are named, each with its reason; of 50 the reason and the key are said."""
    whole = (source / "u.wav").read_bytes()
    broken = {"u000": whole[:9000], "u001": b"", "u002": b"<html>", "u003": whole + bytes(99), "u004": whole[:30]}
    for name, content in broken.items():
        (source / f"{name}.wav").write_bytes(content)
    ids = [f"u{n:03}" for n in range(1000)]
    write_table(source / "wav.scp", dict.fromkeys(ids, "u.wav") | {name: f"{name}.wav" for name in broken})
    write_table(source / "utt2spk", dict.fromkeys(ids, "s"))
    prepare_custom.prepare(source, tmp_path / "out")
    said = capsys.readouterr().err
    assert "5 of 1000 utterances rejected and left out" in said and len(read_data_dir(tmp_path / "out").utts) == 995
    reasons = ["truncated", "empty file", "unreadable", "more bytes follow", "hold no samples"]
    for name, reason in zip(broken, reasons, strict=True):
        assert re.search(rf"{name} \([^)]*\): [^;]*{reason}", said), name
    write_table(source / "wav.scp", dict.fromkeys(ids, "u.wav") | {f"u{n:03}": "u000.wav" for n in range(50)})
    remedy = r"max_rejected \(0.01\) allows, e.g. u000 .*truncated.*; .* set max_rejected to 0.05 .*--max-rejected 0.05"
    with pytest.raises(SreError, match=rf"50 of 1000 utterances are rejected, more than {remedy}"):
        prepare_custom.prepare(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("total", "bad", "most", "passes"),
    [(9, 1, 0.01, True), (9, 2, 0.01, False), (65, 3, 0.01, True), (65, 4, 0.01, False), (20, 2, 0.01, True),
     (19, 2, 0.01, False), (65, 1, 0.0, False), (9, 2, 0.3, True), (2, 2, 1.0, False), (1000, 10, 0.01, True)],
)  # fmt: skip
def test_how_many_may_be_rejected(tmp_path: Path, total: int, bad: int, most: float, passes: bool) -> None:
    rows = [(f"u{n}", "u.wav", "empty file") for n in range(bad)]
    try:
        write_rejected(tmp_path / "rejected.tsv", rows, total, "recordings", most)
    except SreError as error:
        assert not passes, error
        assert bad == total or f"set max_rejected to {math.ceil(100 * bad / total) / 100:g} (" in str(error)
    else:
        assert passes


def test_segments_beyond_their_recording(source: Path, tmp_path: Path) -> None:
    segments = {
        utt: f"{utt} 0 1.05" for utt in read_table(source / "wav.scp")
    }  # rounded up: not more than Kaldi allows
    write_table(source / "segments", segments | {"u003": "u003 0.5 3.0"})
    prepare_custom.prepare(source, tmp_path / "out")
    assert "its segment ends at 3 s, the recording at 1.00 s" in (tmp_path / "out/rejected.tsv").read_text()
    data = read_data_dir(tmp_path / "out")
    assert "u003" not in data.utts and "u003" not in data.wav and len(data.utts) == 119
    assert read_table(tmp_path / "out/utt2dur")["u004"] == "1.000"


def test_all_problems_are_said(source: Path, tmp_path: Path) -> None:
    (source / "utt2spk").write_text((source / "utt2spk").read_text() + "zzz s0\nzzz s1\n")
    with pytest.raises(SreError, match="2 problems found") as caught:
        prepare_custom.prepare(source, tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1 + 2 and not (tmp_path / "out").exists()
    (source / "utt2spk").unlink()
    with pytest.raises(SreError, match="no utt2spk"):
        prepare_custom.prepare(source, tmp_path / "out")


def test_import_trials_is_byte_stable(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("1  m2\tu1\n0 m1 u1\n")
    (tmp_path / "enroll").write_text("m2  u3 u2\nm1 u4\nunused u9\n")
    for round_, source, models in (("1", "odd", "enroll"), ("2", "list1", "map1")):
        import_trials.main([str(tmp_path / source), str(tmp_path / f"list{round_}"),
                            "--enroll", str(tmp_path / models), str(tmp_path / f"map{round_}")])  # fmt: skip
        assert (tmp_path / f"list{round_}").read_text() == "m2 u1 target\nm1 u1 nontarget\n"
        assert (tmp_path / f"map{round_}").read_text() == "m1 u4\nm2 u3 u2\n"
    (tmp_path / "enroll").write_text("m2 u3\n")
    with pytest.raises(SreError, match="1 enrolment models of the trials are not in this map, e.g. m1"):
        import_trials.import_trials(tmp_path / "odd", tmp_path / "x", tmp_path / "enroll", tmp_path / "y")


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/corpora")
def test_shared_features_without_audio(tmp_path: Path) -> None:
    source = SHARED / "corpora/ko-fbank40/eval"
    needed = needed_utterances(source / "trials") | needed_utterances(source / "trials_enroll5", source / "enroll")
    prepare_custom.prepare(source, tmp_path / "eval", needed=needed)
    data = read_data_dir(tmp_path / "eval")
    assert needed == set(data.utts) and data.wav is None and next(iter(data.feats.values())).startswith("/")
    assert validate(tmp_path / "eval") == []
    import_trials.import_trials(source / "trials", tmp_path / "trials")
    assert (tmp_path / "trials").read_bytes() == (source / "trials").read_bytes()


@pytest.mark.parametrize("library", ["preparing", "mini_speech"])
def test_a_library_does_not_pretend_to_be_a_command(library: str) -> None:
    done = subprocess.run([sys.executable, "-m", f"local.{library}"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"local.{library} is no command" in done.stderr
