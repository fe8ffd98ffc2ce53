"""The file of enrolled voices as SQLite has it: tables, transactions, and a sentence for whatever is wrong with it.

Schema 1, with APPLICATION as its application_id:
  origin     one row: SHA-256 and name of the model, its dimension D, and a token that is new after every change
  voice      a name, and when it was first enrolled
  utterance  of a voice: D float32, little-endian; their CRC-32, which begins with the voice's id; qualities (NULL: not
             known); where the audio was from, its SHA-256, and when it was enrolled

A change is one transaction. What it returns from is on the disk (synchronous=EXTRA), and a killed process leaves the
state before or after it. Writers wait for each other. There is a rollback journal and no write-ahead log, so that one
file holds everything, and a removed voice is left in no second file.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sre import SreError

APPLICATION = 0x73726556  # "sreV"
SCHEMA_VERSION = 1
SCHEMA = (
    """CREATE TABLE origin (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), model_sha256 TEXT NOT NULL,
 model_name TEXT NOT NULL, dimension INTEGER NOT NULL, token TEXT NOT NULL)""",
    "CREATE TABLE voice (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, enrolled TEXT NOT NULL)",
    """CREATE TABLE utterance (id INTEGER PRIMARY KEY AUTOINCREMENT,
 voice INTEGER NOT NULL REFERENCES voice (id) ON DELETE CASCADE, audio_sha256 TEXT NOT NULL, source TEXT NOT NULL,
 enrolled TEXT NOT NULL, speech_s REAL, snr_db REAL, crc32 INTEGER NOT NULL, vector BLOB NOT NULL,
 UNIQUE (audio_sha256, voice))""",
    "CREATE INDEX utterance_voice ON utterance (voice)",
)
TABLES = "SELECT sql FROM sqlite_schema WHERE substr(name, 1, 7) <> 'sqlite_'"
BUSY_S = 60.0  # how long a process waits for another's transaction
PAGE_BYTES = 16384  # 14 vectors of 256 values; a page of SQLite's 4096 holds 3 and wastes a sixth
LARGEST_DIMENSION = 1 << 20  # values of an embedding
DAMAGED = "restore a copy, or enrol the voices again (docs/voices.md)"


@dataclass(frozen=True)
class Origin:
    """The model whose embeddings a database holds: its SHA-256, a name for people, and the dimension D."""

    sha256: str
    name: str
    dimension: int


class VoiceFile:
    """A file of voices; each piece of work opens it anew, so that threads and processes need no care.

    model : whose embeddings it has to hold; None: of any model
    """

    def __init__(self, path: Path, model: Origin | None) -> None:
        self.path, self.model = path, model

    @contextmanager
    def connected(self, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file for one piece of work; errors of SQLite become sentences."""
        if not create and not self.path.exists():
            raise SreError(f"{self.path}: no such file; `sre enroll` makes it with the first voice")
        try:
            if create:
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # a new one is for its owner's eyes
            address = f"file:{quote(str(self.path.absolute()))}?mode={'rwc' if create else 'rw'}"
            with closing(sqlite3.connect(address, BUSY_S, isolation_level=None, uri=True)) as db:
                for setting in ("trusted_schema=OFF", "foreign_keys=ON", "secure_delete=ON", "synchronous=EXTRA"):
                    db.execute(f"PRAGMA {setting}")
                if create:
                    db.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a file that is still empty
                yield db
        except OSError as error:
            raise SreError(
                f"{self.path}: cannot be opened ({error.strerror}); check the path and its permissions"
            ) from None
        except sqlite3.Error as error:
            raise SreError(f"{self.path}: {_sentence(error)}") from None

    def is_new(self) -> bool:
        """Return whether there is nothing in it: no file, or one in which the first enrolment has not come to its end.

        A process that was killed leaves an empty file, and another may be at it just now.
        """
        if not self.path.exists():
            return True
        with self.connected() as db:
            return not db.execute("SELECT 1 FROM sqlite_schema").fetchone()

    @contextmanager
    def writing(self, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Give a transaction that is committed at the end, and undone by an error."""
        with self.connected(create) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                if create and not db.execute("SELECT 1 FROM sqlite_schema").fetchone():
                    self._make(db)
                self._check_form(db)
                yield db
                db.execute("UPDATE origin SET token = hex(randomblob(16))")
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction that sees one state of the file."""
        with self.connected() as db:
            db.execute("BEGIN")
            self._check_form(db)
            yield db
            db.execute("COMMIT")

    def _make(self, db: sqlite3.Connection) -> None:
        assert self.model is not None
        for statement in SCHEMA:
            db.execute(statement)
        row = (self.model.sha256, self.model.name, self.model.dimension)
        db.execute("INSERT INTO origin VALUES (1, ?, ?, ?, '')", row)
        db.execute(f"PRAGMA application_id={APPLICATION}")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _check_form(self, db: sqlite3.Connection) -> None:
        """Raise SreError for a file of another program, version or model."""
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise SreError(f"{self.path}: not a file of enrolled voices; give one that `sre enroll` made")
        if (version := db.execute("PRAGMA user_version").fetchone()[0]) != SCHEMA_VERSION:
            raise SreError(f"{self.path}: its schema is {version}, this sre reads {SCHEMA_VERSION}; update sre")
        if {sql for (sql,) in db.execute(TABLES)} != set(SCHEMA):
            raise SreError(f"{self.path}: its tables are not those of enrolled voices; {DAMAGED}")
        found = db.execute("SELECT model_sha256, model_name, dimension FROM origin").fetchone()
        if found is None:
            raise SreError(f"{self.path}: it names no model; {DAMAGED}")
        there = Origin(*found)
        kinds = [type(value) for value in found]
        if kinds != [str, str, int] or not 0 < there.dimension <= LARGEST_DIMENSION:
            raise SreError(f"{self.path}: what it says of its model is of another form; {DAMAGED}")
        if self.model is not None and there.sha256 != self.model.sha256:
            raise SreError(
                f"{self.path}: its voices are of the model {there.name} ({there.sha256[:12]}), and {self.model.name} is"
                f" another ({self.model.sha256[:12]}); give that model, or enrol into another file"
            )


def _sentence(error: sqlite3.Error) -> str:
    """Return what is wrong and the remedy."""
    kind, told = getattr(error, "sqlite_errorname", "") or "", " ".join(str(error).split())[:200]
    if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another process has been at it for {BUSY_S:g} s; try again when that is done"
    if kind.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"the disk refused it ({told}); make room there, nothing was changed"
    if kind.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return f"cannot be opened ({told}); check the path and its permissions"
    if kind.startswith("SQLITE_NOTADB"):
        return "not a file of enrolled voices; give one that `sre enroll` made"
    return f"it is damaged ({told}); {DAMAGED}"
