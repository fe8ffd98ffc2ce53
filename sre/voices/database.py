"""A file of enrolled voices of one model: what is added to it, taken out, and read. Legend: K utterances."""

import sqlite3
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.ids import shown
from sre.voices.database_file import DAMAGED, Origin, VoiceFile

QUALITIES = ("speech_s", "snr_db")
SAME_AUDIO = "SELECT voice.id, name FROM utterance JOIN voice ON voice = voice.id WHERE audio_sha256 = ?"
ADD = """INSERT INTO utterance (voice, audio_sha256, source, enrolled, speech_s, snr_db, crc32, vector)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
LONGEST_NAME = 1000
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Utterances:
    """K utterances to enrol.

    vectors : (K, D) float32
    audio : K SHA-256 of the audio, by which a repetition is known
    sources : K names for people, such as paths
    qualities : name of QUALITIES -> (K,) float; NaN where unknown
    """

    vectors: np.ndarray
    audio: Sequence[str]
    sources: Sequence[str]
    qualities: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Enrolled:
    """What an enrolment did.

    is_new : the voice was not there before
    added : utterances that were added
    known : sources of utterances that the voice had already
    elsewhere : (source, name) of utterances that another voice has too
    utterances : how many the voice has now
    """

    is_new: bool
    added: int
    known: list[str]
    elsewhere: list[tuple[str, str]]
    utterances: int


@dataclass(frozen=True)
class Voice:
    """One enrolled voice: speech_s is the sum over its utterances in seconds, None where one is unknown."""

    name: str
    utterances: int
    speech_s: float | None
    enrolled: str


@dataclass(frozen=True)
class Stored:
    """All voices: V names in the order of enrolment, and N utterances sorted by their voice.

    voice_of : (N,) index of each utterance's voice
    vectors : (N, D) float32
    qualities : name of QUALITIES -> (N,) float64
    token : of the state that was read
    """

    names: list[str]
    voice_of: np.ndarray
    vectors: np.ndarray
    qualities: dict[str, np.ndarray]
    token: str


class Database:
    """A file of enrolled voices; threads and processes may use it at the same time.

    model : whose embeddings these are; None: of any model, for what needs no embedding
    Raises SreError naming the file where it is missing, damaged, of another program, version or model, or busy.
    """

    def __init__(self, path: str | Path, model: Origin | None = None) -> None:
        self.path, self.model = Path(path), model
        self.file = VoiceFile(self.path, model)

    def enrol(self, name: str, utterances: Utterances, new: bool = False) -> Enrolled:
        """Add utterances to a voice, which is made where there is none; the file is made with the first.

        new : a voice of that name is an error
        An utterance whose audio the voice has already is not added again. Raises SreError for a name or a vector that
        cannot be stored.
        """
        self._contents(checked_name(name), utterances.vectors)  # before there is a file
        return self.enrol_all([(name, utterances)], new)[0]

    def enrol_all(self, voices: Iterable[tuple[str, Utterances]], new: bool = False) -> list[Enrolled]:
        """Do what `enrol` does for several voices in one transaction: all of them are enrolled, or none."""
        with self.file.writing(create=True) as db:
            return [self._enrol(db, checked_name(name), utterances, new) for name, utterances in voices]

    def _enrol(self, db: sqlite3.Connection, name: str, utterances: Utterances, new: bool) -> Enrolled:
        contents, now = self._contents(name, utterances.vectors), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if is_new := _id_of(db, name) is None:
            db.execute("INSERT INTO voice (name, enrolled) VALUES (?, ?)", (name, now))
        elif new:
            raise SreError(f"{self.path}: '{shown(name)}' is enrolled already; leave --new out to add to it")
        voice = self._voice(db, name)
        known, elsewhere = [], []
        for number, (audio, source) in enumerate(zip(utterances.audio, utterances.sources, strict=True)):
            others = dict(db.execute(SAME_AUDIO, (audio,)).fetchall())
            if voice in others:
                known.append(source)
                continue
            elsewhere += [(source, other) for other in others.values()]
            measured = [_known(utterances.qualities.get(key), number) for key in QUALITIES]
            content = contents[number]
            db.execute(ADD, (voice, audio, source, now, *measured, zlib.crc32(content, voice), content))
        total = db.execute("SELECT count(*) FROM utterance WHERE voice = ?", (voice,)).fetchone()[0]
        return Enrolled(is_new, len(contents) - len(known), known, elsewhere, total)

    def _contents(self, name: str, vectors: np.ndarray) -> list[bytes]:
        """Return (K, D) embeddings as they are stored. Raises SreError for what is none of the model's."""
        assert self.model is not None
        found, dimension = np.asarray(vectors, "<f4"), self.model.dimension
        if found.ndim != 2 or not len(found) or found.shape[1] != dimension or not np.isfinite(found).all():
            raise SreError(f"{name}: an embedding is not of {dimension} finite numbers; look at its audio")
        return [vector.tobytes() for vector in found]

    def remove(self, name: str) -> int:
        """Remove a voice so that its vectors are nowhere in the file, and return how many utterances it had.

        What SQLite frees is overwritten with zeros, and the file is written anew after it (VACUUM).
        """
        name = checked_name(name)
        with self.file.writing() as db:
            voice = self._voice(db, name)
            count = db.execute("DELETE FROM utterance WHERE voice = ?", (voice,)).rowcount
            db.execute("DELETE FROM voice WHERE id = ?", (voice,))
        try:
            with self.file.connected() as db:
                db.execute("VACUUM")
        except SreError as error:
            raise SreError(f"'{shown(name)}' was removed, and the file not written anew after it: {error}") from None
        return count

    def rename(self, name: str, to: str) -> None:
        """Give a voice another name. Raises SreError where that is taken."""
        name, to = checked_name(name), checked_name(to)
        with self.file.writing() as db:
            voice = self._voice(db, name)
            if _id_of(db, to) not in (None, voice):
                raise SreError(f"{self.path}: '{shown(to)}' is another voice already; give a name that is free")
            db.execute("UPDATE voice SET name = ? WHERE id = ?", (to, voice))

    def voices(self) -> list[Voice]:
        """Return all voices in the order of enrolment."""
        rows = """SELECT name, count(*), CASE WHEN count(speech_s) = count(*) THEN sum(speech_s) END, voice.enrolled
 FROM voice JOIN utterance ON voice = voice.id GROUP BY voice.id ORDER BY voice.id"""
        with self.file.reading() as db:
            return [Voice(*row) for row in db.execute(rows)]

    def show(self, name: str) -> list[dict[str, object]]:
        """Return source, enrolled, speech_s, snr_db and audio_sha256 of each utterance of a voice."""
        columns = ("source", "enrolled", *QUALITIES, "audio_sha256")
        with self.file.reading() as db:
            voice = self._voice(db, checked_name(name))
            rows = db.execute(f"SELECT {', '.join(columns)} FROM utterance WHERE voice = ? ORDER BY id", (voice,))
            return [dict(zip(columns, row, strict=True)) for row in rows]

    def token(self) -> str:
        """Return what is another text after every change."""
        with self.file.reading() as db:
            return db.execute("SELECT token FROM origin").fetchone()[0]

    def origin(self) -> Origin:
        """Return the model whose embeddings the file holds."""
        with self.file.reading() as db:
            return Origin(*db.execute("SELECT model_sha256, model_name, dimension FROM origin").fetchone())

    def read(self) -> Stored:
        """Return all voices and their vectors. Raises SreError where a vector is not what was written."""
        with self.file.reading() as db:
            dimension, token = db.execute("SELECT dimension, token FROM origin").fetchone()
            voices = db.execute("SELECT id, name FROM voice ORDER BY id").fetchall()
            (count,) = db.execute("SELECT count(*) FROM utterance").fetchone()
            vectors, owners = np.empty((count, dimension), "<f4"), np.empty(count, np.int64)
            measured, at = np.empty((len(QUALITIES), count)), 0
            cursor = db.execute("SELECT voice, crc32, vector, speech_s, snr_db FROM utterance ORDER BY id")
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                owner, sums, contents, *qualities = zip(*rows, strict=True)
                here = slice(at, at := at + len(rows))
                self._check(owner, contents, sums, 4 * dimension)
                vectors[here] = np.frombuffer(b"".join(contents), "<f4").reshape(-1, dimension)
                owners[here] = owner
                try:
                    measured[:, here] = np.array(qualities, float)  # None becomes NaN
                except (TypeError, ValueError):
                    raise SreError(f"{self.path}: a quality in it is no number; {DAMAGED}") from None
        ids = np.array([voice for voice, _ in voices], np.int64)
        if not (np.diff(owners) >= 0).all():  # each voice at once, which is the usual case, needs no copy
            order = np.argsort(owners, kind="stable")
            owners, vectors, measured = owners[order], vectors[order], measured[:, order]
        if not np.array_equal(owners[np.append(True, np.diff(owners) > 0)[: len(owners)]], ids):
            raise SreError(f"{self.path}: a voice without utterances, or utterances of no voice, in it; {DAMAGED}")
        qualities_of = dict(zip(QUALITIES, measured, strict=True))
        return Stored([name for _, name in voices], np.searchsorted(ids, owners), vectors, qualities_of, token)

    def _check(self, owners: Sequence[int], contents: Sequence[object], sums: Sequence[object], size: int) -> None:
        for owner, content, crc32 in zip(owners, contents, sums, strict=True):
            if not isinstance(content, bytes) or len(content) != size or zlib.crc32(content, owner) != crc32:
                raise SreError(f"{self.path}: an embedding in it is not what was written; {DAMAGED}")

    def check(self) -> int:
        """Look at every page and every vector of the file, and return the number of vectors. Raises SreError."""
        with self.file.reading() as db:
            told = [row[0] for row in db.execute("PRAGMA integrity_check(1)")]
            if told != ["ok"] or db.execute("PRAGMA foreign_key_check").fetchone():
                raise SreError(f"{self.path}: it is damaged ({' '.join(str(told[0]).split())[:200]}); {DAMAGED}")
        return len(self.read().vectors)

    def _voice(self, db: sqlite3.Connection, name: str) -> int:
        """Return the id of a voice. Raises SreError where there is none of that name."""
        if (voice := _id_of(db, name)) is None:
            raise SreError(f"{self.path}: no voice '{shown(name)}' in it; `sre voices {self.path} list` has all names")
        return voice


def checked_name(name: str) -> str:
    """Return a voice's name in Unicode's composed form. Raises SreError for one that cannot be stored or shown."""
    name = unicodedata.normalize("NFC", name.strip())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise SreError(f"the name of a voice has {len(name)} characters; give one of 1 to {LONGEST_NAME}")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        raise SreError(f"{name[:60]!a}: a line's end or a control character is in the name of a voice; leave it out")
    return name


def _id_of(db: sqlite3.Connection, name: str) -> int | None:
    row = db.execute("SELECT id FROM voice WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def _known(values: np.ndarray | None, number: int) -> float | None:
    return None if values is None or not np.isfinite(values[number]) else float(values[number])
