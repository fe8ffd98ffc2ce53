"""A data directory under other ids, for joining it with one that has the same ids."""

from collections.abc import Callable
from pathlib import Path

from sre.datadir.datadir import DataDir
from sre.datadir.layout import Table, recording_of
from sre.io.ids import check_ids
from sre.io.name_tables import Texts


def renamed(data: DataDir, prefix: str = "", suffix: str = "", speakers: bool = False) -> DataDir:
    """Return the data directory with a prefix and a suffix on the ids of utterances and recordings.

    speakers : on those of speakers, too
    utt2uniq has the id that an utterance had at first, as Kaldi's copy_data_dir.sh writes it. Raises SreError where the
    prefix or suffix cannot be part of an id.
    """
    check_ids("the prefix or suffix", [prefix + suffix], "text")

    def new(key: str) -> str:
        return f"{prefix}{key}{suffix}"

    def same(text: str) -> str:
        return text

    def of_segment(value: str) -> str:
        recording = recording_of(value)
        return new(recording) + value[len(recording) :]

    speaker = new if speakers else same
    tables = {
        name: _changed(
            table,
            speaker if name.startswith("spk2") else new,
            {"segments": of_segment, "utt2spk": speaker}.get(name, same),
        )
        for name, table in data.tables.items()
        if name != "spk2utt"
    }
    first = data.tables.get("utt2uniq", {})
    tables["utt2uniq"] = Texts.of((new(utt), first.get(utt, utt)) for utt in data.utts)
    return DataDir(Path(data.path), tables)


def _changed(table: Table, key: Callable[[str], str], value: Callable[[str], str]) -> Table:
    return Texts.of((key(name), value(text)) for name, text in table.items())
