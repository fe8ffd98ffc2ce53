"""The file of voices: what is acknowledged is kept, what is removed is gone, what is foreign is refused."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.voices.database import Database, Origin, Utterances, checked_name

D = 16
MODEL = Origin("a" * 64, "model.sre", D)
ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys
import numpy as np
from sre.voices.database import Database, Origin, Utterances
path, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = Database(path, Origin("a" * 64, "model.sre", 16))
for number in range(count):
    vector = np.random.default_rng([ord(who), number]).normal(size=(1, 16)).astype(np.float32)
    db.enrol(f"{who}{number:02}", Utterances(vector, [f"{who}{number}"], ["x.wav"]))
    print(number, flush=True)
"""


def some(count: int = 1, seed: int = 0) -> Utterances:
    vectors = np.random.default_rng(seed).normal(size=(count, D)).astype(np.float32)
    names = [f"u{seed}-{number}" for number in range(count)]
    return Utterances(vectors, names, [f"{name}.wav" for name in names], {"speech_s": np.arange(count) + 0.5})


def worker(path: Path, who: str, count: int = 50) -> subprocess.Popen:
    command = [sys.executable, "-c", WORKER, str(path), who, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_what_was_enrolled_is_read_again(tmp_path: Path) -> None:
    db = Database(tmp_path / "voices.db", MODEL)
    first = db.enrol("Ann Lee", some(2, 1))
    assert (first.is_new, first.added, first.utterances) == (True, 2, 2)
    db.enrol("Zoë", some(1, 2))
    assert not db.enrol("Ann Lee", some(1, 3)).is_new
    stored = db.read()
    assert stored.names == ["Ann Lee", "Zoë"] and stored.voice_of.tolist() == [0, 0, 0, 1]
    parts = [some(2, 1), some(1, 3), some(1, 2)]
    np.testing.assert_array_equal(stored.vectors, np.concatenate([part.vectors for part in parts]))
    assert stored.qualities["speech_s"].tolist() == [0.5, 1.5, 0.5, 0.5]
    assert np.isnan(stored.qualities["snr_db"]).all()
    told = [(voice.name, voice.utterances, voice.speech_s) for voice in db.voices()]
    assert told == [("Ann Lee", 3, 2.5), ("Zoë", 1, 0.5)]
    assert [row["source"] for row in db.show("Zoë")] == ["u2-0.wav"]
    assert db.check() == 4
    assert (tmp_path / "voices.db").stat().st_mode & 0o777 == 0o600


def test_the_same_audio_is_not_enrolled_twice(tmp_path: Path) -> None:
    db = Database(tmp_path / "voices.db", MODEL)
    db.enrol("Ann", some(2))
    again = db.enrol("Ann", some(3))
    assert (again.added, again.known, again.utterances) == (1, ["u0-0.wav", "u0-1.wav"], 3)
    other = db.enrol("Bob", some(1))
    assert (other.added, other.elsewhere) == (1, [("u0-0.wav", "Ann")])


def test_a_name_is_one_voice_however_it_is_composed(tmp_path: Path) -> None:
    db = Database(tmp_path / "voices.db", MODEL)
    db.enrol("Zoe\u0308", some(1, 1))
    assert not db.enrol(" Zo\u00eb ", some(1, 2)).is_new
    with pytest.raises(SreError, match="enrolled already; leave --new out"):
        db.enrol("Zo\u00eb", some(1, 3), new=True)
    for bad in ("", "  ", "a\nb", "\ud800", "x" * 1001):
        with pytest.raises(SreError, match="name of a voice"):
            db.enrol(bad, some())


@given(name=st.text(min_size=1, max_size=30))
@settings(max_examples=15)
def test_any_name_is_kept_or_refused(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    db = Database(tmp_path_factory.mktemp("names") / "voices.db", MODEL)
    try:
        kept = checked_name(name)
    except SreError:
        return
    db.enrol(name, some())
    assert [voice.name for voice in db.voices()] == [kept] and checked_name(kept) == kept
    assert db.remove(name) == 1


def test_a_removed_voice_is_nowhere_in_the_folder(tmp_path: Path) -> None:
    db = Database(tmp_path / "voices.db", MODEL)
    for number in range(30):
        db.enrol(f"voice {number}", some(5, number))
    for number in range(0, 30, 3):
        assert db.remove(f"voice {number}") == 5
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for number in range(30):
        found = [row.tobytes() in content for row in some(5, number).vectors]
        assert found == [number % 3 != 0] * 5
        assert (f"u{number}-0.wav".encode() in content) is (number % 3 != 0)
    assert len(db.voices()) == 20 and db.check() == 100
    with pytest.raises(SreError, match="no voice 'voice 0' in it"):
        db.remove("voice 0")


def test_rename(tmp_path: Path) -> None:
    db = Database(tmp_path / "voices.db", MODEL)
    db.enrol("Ann", some(1, 1))
    db.enrol("Bob", some(1, 2))
    with pytest.raises(SreError, match="'Bob' is another voice already"):
        db.rename("Ann", "Bob")
    db.rename("Ann", "Anna")
    assert db.read().names == ["Anna", "Bob"]


def test_the_token_is_new_after_every_change(tmp_path: Path) -> None:
    db = Database(tmp_path / "voices.db", MODEL)
    tokens = []
    for change in (lambda: db.enrol("Ann", some()), lambda: db.rename("Ann", "A"), lambda: db.remove("A")):
        change()
        tokens += [db.token(), db.token()]
    assert len(set(tokens)) == 3 and all(tokens)


def test_voices_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "voices.db"
    Database(path, MODEL).enrol("Ann", some())
    other = Database(path, Origin("b" * 64, "other.sre", D))
    with pytest.raises(SreError, match=r"are of the model model.sre \(a{12}\), and other.sre is another \(b{12}\)"):
        other.enrol("Bob", some())
    with pytest.raises(SreError, match="is another"):
        other.read()
    assert Database(path).origin() == MODEL


def test_an_embedding_that_cannot_be_is_refused_and_nothing_made(tmp_path: Path) -> None:
    db = Database(tmp_path / "voices.db", MODEL)
    for vectors in (np.full((1, D), np.nan), np.ones((1, D + 1)), np.ones((0, D))):
        with pytest.raises(SreError, match=f"not of {D} finite numbers"):
            db.enrol("Ann", Utterances(vectors, ["x"] * len(vectors), ["x"] * len(vectors)))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SreError, match="no such file; `sre enroll` makes it"):
        db.voices()


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database, but a text that is long enough for a header of SQLite, which has 100 bytes" * 3)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE voice (id INTEGER)")
    for path in (text, foreign):
        before = path.read_bytes()
        for use in (lambda db: db.read(), lambda db: db.enrol("Ann", some()), lambda db: db.remove("Ann")):
            with pytest.raises(SreError, match=r"not a file of enrolled voices; give one that `sre enroll` made"):
                use(Database(path, MODEL))
        assert path.read_bytes() == before


@pytest.mark.parametrize("statement, told", [
    ("PRAGMA user_version=2", "its schema is 2, this sre reads 1; update sre"),
    ("CREATE TRIGGER spy AFTER INSERT ON voice BEGIN DELETE FROM utterance; END", "its tables are not those"),
    ("DELETE FROM origin", "it names no model"),
])  # fmt: skip
def test_a_changed_schema_is_refused(tmp_path: Path, statement: str, told: str) -> None:
    path = tmp_path / "voices.db"
    Database(path, MODEL).enrol("Ann", some())
    with sqlite3.connect(path) as db:
        db.execute(statement)
    with pytest.raises(SreError, match=told):
        Database(path, MODEL).read()


def test_damage_is_told(tmp_path: Path) -> None:
    """A flipped bit gives a sentence, or the voices that were there: never a traceback or another vector."""
    path = tmp_path / "voices.db"
    for number in range(20):
        Database(path, MODEL).enrol(f"voice {number}", some(3, number))
    whole = path.read_bytes()
    right = Database(path, MODEL).read()
    told = 0
    for at in np.random.default_rng(0).integers(0, len(whole), 100):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        try:
            found = Database(path, MODEL).read()
        except SreError:
            told += 1
            continue
        assert np.isin(found.vectors, right.vectors).all()
    assert told > 0
    at = whole.index(right.vectors[30].tobytes())
    path.write_bytes(whole[:at] + b"\0" + whole[at + 1 :])
    with pytest.raises(SreError, match="an embedding in it is not what was written; restore a copy"):
        Database(path, MODEL).check()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SreError, match="damaged"):
        Database(path, MODEL).check()


@pytest.mark.parametrize("after", [0, 3, 11, 25, 44])
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, after: int) -> None:
    path = tmp_path / "voices.db"
    process = worker(path, "a")
    acknowledged = [int(process.stdout.readline()) for _ in range(after + 1)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()
    db = Database(path, MODEL)
    stored = db.read()
    assert db.check() == len(stored.names) and len(acknowledged) <= len(stored.names) <= len(acknowledged) + 1
    for number in acknowledged:
        vector = np.random.default_rng([ord("a"), number]).normal(size=16).astype(np.float32)
        assert stored.names[number] == f"a{number:02}"
        np.testing.assert_array_equal(stored.vectors[number], vector)
    assert db.enrol("next", some()).is_new


def test_two_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    path = tmp_path / "voices.db"
    writers = [worker(path, who) for who in "ab"]
    writers[0].stdout.readline()
    seen = []
    while any(writer.poll() is None for writer in writers):
        seen.append(len(Database(path, MODEL).read().names))
    assert [writer.wait() for writer in writers] == [0, 0]
    assert seen == sorted(seen)
    stored = Database(path, MODEL).read()
    assert sorted(stored.names) == sorted(f"{who}{number:02}" for who in "ab" for number in range(50))
    assert Database(path, MODEL).check() == 100
    for name, vector in zip(stored.names, stored.vectors, strict=True):
        right = np.random.default_rng([ord(name[0]), int(name[1:])]).normal(size=16).astype(np.float32)
        np.testing.assert_array_equal(vector, right)


def test_a_writer_that_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sre.voices.database_file.BUSY_S", 0.1)
    path = tmp_path / "voices.db"
    Database(path, MODEL).enrol("Ann", some(1, 1))
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SreError, match="another process has been at it for 0.1 s"):
            Database(path, MODEL).enrol("Bob", some(1, 2))
        assert Database(path, MODEL).read().names == ["Ann"]


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SreError, match="check the path and its permissions"):
        Database(tmp_path / "no" / "voices.db", MODEL).enrol("Ann", some())


def test_a_file_whose_first_enrolment_was_killed_is_new(tmp_path: Path) -> None:
    path = tmp_path / "voices.db"
    db = Database(path, MODEL)
    assert db.file.is_new()
    path.touch()
    assert db.file.is_new()
    db.enrol("Ann", some())
    assert not db.file.is_new() and db.check() == 1


@pytest.mark.parametrize("statement, told", [
    ("INSERT INTO voice (name, enrolled) VALUES ('nobody', '')", "a voice without utterances"),
    ("UPDATE utterance SET speech_s = 'long'", "a quality in it is no number"),
    ("UPDATE origin SET dimension = 'wide'", "what it says of its model is of another form"),
    ("UPDATE origin SET dimension = 1 << 60", "what it says of its model is of another form"),
])  # fmt: skip
def test_what_only_another_program_writes_is_refused(tmp_path: Path, statement: str, told: str) -> None:
    path = tmp_path / "voices.db"
    Database(path, MODEL).enrol("Ann", some())
    with sqlite3.connect(path) as db:
        db.execute(statement)
    with pytest.raises(SreError, match=told):
        Database(path, MODEL).read()
