"""sre verify, embed and info as a person runs them: what they print, write and refuse."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pyarrow import parquet

from sre import SreError
from sre.cli import command
from sre.datadir.datadir import write_data_dir
from sre.io.embeddings import Embeddings
from sre.voices.facts import page_of
from sre.voices.model import load
from sre.voices.package import read_package

ROOT = Path(__file__).resolve().parents[2]


def run(capsys: pytest.CaptureFixture, *words: object) -> str:
    capsys.readouterr()
    command([*map(str, words)])
    return capsys.readouterr().out


def test_verify_tells_score_decision_and_how_sure(package_file: Path, wavs: list[Path], capsys) -> None:
    model = load(package_file, "cpu")
    a, b, c = (model.voiceprint(path) for path in wavs)
    text = run(capsys, "verify", package_file, *wavs)
    assert text.count("log-likelihood ratio") == 2 and f"{model.llr(a, b):.4f}, accepted from 2.9444 on" in text
    assert "on list dev (4 target, 4 nontarget trials): 100.00 % of same-speaker pairs are rejected, 0.00 % of" in text
    told = json.loads(run(capsys, "verify", package_file, *wavs[:2], "--also", wavs[2], "--p-target", 0.5, "--json"))
    (trial,) = told["trials"]
    both = model.system.enrol(np.concatenate([a.vectors, c.vectors]), [np.arange(2)])
    assert trial["llr"] == trial["score"] == model.system.scores(both, model.system.test(b.vectors))[0, 0]
    assert trial["accepted"] == (trial["score"] >= 0) and trial["threshold"]["p_fa"] == 0.5 and told["p_target"] == 0.5
    assert trial["posterior"] == pytest.approx(1 / (1 + np.exp(-trial["llr"])))
    text = run(capsys, "verify", package_file, *wavs[:2], "--far", 0.25)
    assert "accepted from 0.5000 on (P_fa at most 0.25)" in text


def test_a_training_verifies_with_a_threshold_of_yours(final_pt: Path, wavs: list[Path], capsys) -> None:
    text = run(capsys, "verify", final_pt, *wavs[:2])
    assert "not decided" in text and "score (cosine, not calibrated)" in text and "give --threshold" in text
    assert "the same speaker" in run(capsys, "verify", final_pt, wavs[0], wavs[0], "--threshold", 0.99)
    for option, reason in (
        (["--p-target", "0.1"], "no log-likelihood ratios"),
        (["--far", "0.1"], "needs a trial list"),
    ):
        with pytest.raises(SreError, match=reason):
            command(["verify", str(final_pt), str(wavs[0]), str(wavs[1]), *option])
    with pytest.raises(SreError, match=r"none\.wav: no such file"):
        command(["verify", str(final_pt), str(wavs[0]), "none.wav"])


def test_one_recording_that_cannot_be_used_stops_no_other(final_pt: Path, wavs: list[Path], capsys) -> None:
    expected = json.loads(run(capsys, "verify", final_pt, *wavs, "--json"))["trials"]
    with pytest.raises(SreError, match=r"^1 of 3 recordings could not be used, the first is none\.wav: no such file"):
        command(["verify", str(final_pt), str(wavs[0]), "none.wav", str(wavs[1]), str(wavs[2]), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["trials"] == expected and "none.wav" in told["not_used"][0]
    with pytest.raises(SreError, match=r"^2 of 3 recordings"):
        command(["verify", str(final_pt), str(wavs[0]), "none.wav", str(wavs[1]), "other.wav"])
    told = capsys.readouterr().out
    assert "not used: none.wav: no such file" in told and "not used: other.wav: no such file" in told


def test_embed_writes_each_form(package_file: Path, wavs: list[Path], tmp_path: Path, capsys) -> None:
    expected = np.concatenate([load(package_file, "cpu").voiceprint(path).vectors for path in wavs])
    names, out = [path.name for path in wavs], tmp_path / "out"
    folder = tmp_path / "folder" / "deep"
    folder.mkdir(parents=True)
    for path in wavs:
        shutil.copy(path, folder)
    run(capsys, "embed", package_file, folder.parent, "--out", out / "x.npz")
    found = np.load(out / "x.npz")
    assert found["names"].tolist() == [f"deep/{name}" for name in names] and found["speech_s"].tolist()[0] > 1
    np.testing.assert_array_equal(found["vectors"], expected)
    run(capsys, "embed", package_file, *wavs, "--out", out / "x.parquet")
    table = parquet.read_table(out / "x.parquet")
    np.testing.assert_array_equal(np.stack(table["vector"].to_numpy(zero_copy_only=False)), expected)
    listed = tmp_path / "list"
    listed.write_text("".join(f"id{n} {path.name}\n" for n, path in enumerate(wavs)))
    told = json.loads(run(capsys, "embed", package_file, listed, "--out", out / "x.ark", "--json"))
    assert told["embedded"] == 3 and told["dimension"] == 8
    known = Embeddings.read([out / "x.scp"])
    assert known.ids.tolist() == ["id0", "id1", "id2"]
    np.testing.assert_array_equal(known.vectors, expected)


def test_embed_of_a_data_directory_with_segments(package_file: Path, wavs: list[Path], tmp_path: Path, capsys) -> None:
    data = tmp_path / "data"
    segments = {"s1": ("r", 0.0, 0.7), "s2": ("r", 0.7, 1.4)}
    write_data_dir(data, wav={"r": str(wavs[0])}, segments=segments, utt2spk={"s1": "x", "s2": "x"})
    run(capsys, "embed", package_file, data, "--out", tmp_path / "x.npz")
    found, (samples, rate) = np.load(tmp_path / "x.npz"), soundfile.read(wavs[0], dtype="float32")
    model = load(package_file, "cpu")
    assert found["names"].tolist() == ["s1", "s2"]
    for row, part in zip(found["vectors"], (samples[:11200], samples[11200:22400]), strict=True):
        np.testing.assert_array_equal(row, model.embed(part, rate))


def test_what_embed_cannot_use_is_listed(package_file: Path, wavs: list[Path], tmp_path: Path, capsys) -> None:
    silent, out = tmp_path / "silent.wav", tmp_path / "x.npz"
    soundfile.write(silent, np.zeros(16000), 16000)
    run(capsys, "embed", package_file, *wavs, silent, "--out", out)
    rows = (tmp_path / "x.npz.rejected.tsv").read_text().splitlines()
    assert len(rows) == 2 and "no signal" in rows[1] and len(np.load(out)["names"]) == 3
    with pytest.raises(SreError, match="1 of 4 recordings are rejected, more than max_rejected|1 of 4 utterances"):
        command(["embed", str(package_file), *map(str, wavs), str(silent), "--out", str(out), "--max-rejected", "0"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing").write_text("")
    for words, reason in (
        ([tmp_path / "empty"], "no audio file in it"),
        ([tmp_path / "nothing"], "an empty list"),
        ([tmp_path / "no_list"], "no such file"),
    ):
        with pytest.raises(SreError, match=reason):
            command(["embed", str(package_file), *map(str, words), "--out", str(out)])
    with pytest.raises(SreError, match=r"give one of \.ark, \.npz, \.parquet"):
        command(["embed", str(package_file), str(wavs[0]), "--out", str(tmp_path / "x.txt")])


def test_info_is_a_page_and_json(package_file: Path, final_pt: Path, capsys) -> None:
    text = run(capsys, "info", package_file)
    for said in (
        "test/xvector/both", "licence: CC0", "takes fbank of 20 columns at 16000 Hz", "3 training speakers",
        "asnorm1 with a cohort of 12, of which the nearest 5 count", "fitted on list dev", " x system 0 + ",
        "EER 25.000 % (95 % interval 10 to 40)",
        "trained on train: 12 speakers, 60 utterances, 0.5 hours", "scores: log-likelihood ratios",
    ):  # fmt: skip
        assert said in text
    assert "cost more than deciding without listening" not in text
    package = read_package(package_file)
    package.manifest.lists[0].metrics.update({"act_dcf_0.05": 1.25, "cllr": 0.5})
    page = "\n".join(page_of(package_file, package))
    assert "cost more than deciding without listening, which costs 1: actDCF(0.05) 1.250;" in page
    told = json.loads(run(capsys, "info", package_file, "--json"))
    assert told["systems"][2]["of"] == [0, 1] and told["sources"] == {"xvector/final.pt": "cd" * 32}
    assert "it decides nothing by itself" in run(capsys, "info", final_pt)


def test_verify_loads_nothing_that_it_does_not_need(package_file: Path, wavs: list[Path]) -> None:
    """Its start is most of what it takes: 2 s at most, of which torch takes most."""
    code = "import sys; from sre.cli import command; command(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    words = [sys.executable, "-c", code, "verify", *map(str, (package_file, *wavs[:2]))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "torch" in loaded and not loaded & {
        "torchaudio",
        "pandas",
        "matplotlib",
        "snakemake",
        "jsonschema",
    }


def test_two_ids_of_one_file_are_two_rows(package_file: Path, wavs: list[Path], tmp_path: Path, capsys) -> None:
    listed = tmp_path / "list"
    listed.write_text(f"one {wavs[0]}\ntwo {wavs[0]}\nthree {wavs[1]}\n")
    assert (
        json.loads(run(capsys, "embed", package_file, listed, "--out", tmp_path / "x.npz", "--json"))["embedded"] == 3
    )
    found = np.load(tmp_path / "x.npz")
    assert found["names"].tolist() == ["one", "two", "three"]
    np.testing.assert_array_equal(found["vectors"][0], found["vectors"][1])


def test_an_id_that_an_ark_cannot_have_is_told_before_anything_is_embedded(
    package_file: Path, wavs: list[Path], tmp_path: Path
) -> None:
    named = wavs[0].rename(tmp_path / "a b.wav")
    with pytest.raises(SreError, match="an ark takes no such id"):
        command(["embed", str(package_file), str(named), str(tmp_path / "no.wav"), "--out", str(tmp_path / "x.ark")])
