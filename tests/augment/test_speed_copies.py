"""Speed copies: other utterances and speakers, whose sound is the changed sound; the same bytes in any way."""

from pathlib import Path

import pytest
import soundfile

from sre import cli
from sre.augment.speed import change_speed
from sre.datadir.datadir import read_data_dir
from sre.datadir.validate import validate
from sre.io.tables import read_table, write_table


def test_copies_at_two_speeds(tmp_path: Path, sound_dir, capsys: pytest.CaptureFixture) -> None:
    source = sound_dir(tmp_path / "all", speakers=2, utterances=2, seconds=0.5)
    write_table(
        source / "segments",
        {"s00_00": "s00_00 0.1 0.4", **{utt: f"{utt} 0 -1" for utt in ("s00_01", "s01_00", "s01_01")}},
    )
    write_table(source / "spk2gender", {"s00": "f"})
    write_table(source / "text", {"s00_00": "some words"})
    for name, workers in (("one", "1"), ("two", "2")):
        cli.main(["data", "speed", "--nj", workers, str(source), str(tmp_path / name), "0.9", "1.1"])
    files = {str(path.relative_to(tmp_path / "one")): path for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert all(path.read_bytes() == (tmp_path / "two" / name).read_bytes() for name, path in files.items())
    copies = read_data_dir(tmp_path / "one", every_table=True)
    assert validate(tmp_path / "one") == [] and len(copies.utts) == 8
    assert copies.utt2spk["sp1.1-s01_00"] == "sp1.1-s01"
    assert copies.tables["utt2uniq"]["sp0.9-s00_00"] == "s00_00"
    assert copies.tables["spk2gender"] == {"sp0.9-s00": "f", "sp1.1-s00": "f"}
    assert copies.tables["text"] == {"sp0.9-s00_00": "some words", "sp1.1-s00_00": "some words"}
    whole, _ = soundfile.read(read_data_dir(source).wav["s00_00"], dtype="int16")
    expected = change_speed(whole[1600:6400].astype("float32"), 0.9).round()
    assert (soundfile.read(copies.wav["sp0.9-s00_00"], dtype="int16")[0] == expected).all()
    assert float(copies.tables["utt2dur"]["sp0.9-s00_00"]) == pytest.approx(0.3 / 0.9, abs=1e-3)
    write_table(source / "utt2dur", dict.fromkeys(read_table(source / "utt2spk"), "0.5"))
    cli.main(["data", "combine", str(source), str(tmp_path / "one"), str(tmp_path / "both")])
    assert len(read_data_dir(tmp_path / "both").utts) == 12 and validate(tmp_path / "both") == []
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["data", "speed", str(source), str(tmp_path / "x"), "1", "0.9"])
    assert "each speed is given once, and none is 1" in capsys.readouterr().err
