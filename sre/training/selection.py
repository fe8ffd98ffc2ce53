"""The utterances of a training that pass its filters, in arrays: a million of them take no Python object each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, overload

import numpy as np

from sre import SreError
from sre.datadir.missing import check_promised
from sre.io.name_tables import Counts as Numbers
from sre.io.name_tables import Labels, numbers_of, present
from sre.io.names import Names
from sre.io.text import canonical
from sre.machine.log import say
from sre.training.inputs import Store
from sre.training.options import Filter
from sre.training.summary import Counts

PIECE = 4096  # utterances whose text is hashed at once


class Chosen(Sequence[tuple[int, str]]):
    """N utterances, each with the number of the store that has it."""

    def __init__(self, names: Names, numbers: np.ndarray) -> None:
        self.names, self.numbers = names, numbers

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> tuple[int, str]: ...
    @overload
    def __getitem__(self, index: slice) -> "Chosen": ...
    def __getitem__(self, index: int | slice) -> "tuple[int, str] | Chosen":
        if isinstance(index, slice):
            return Chosen(self.names.take(np.arange(len(self))[index]), self.numbers[index])
        return int(self.numbers[index]), self.names[index]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return zip(self.numbers.tolist(), self.names, strict=True)


@dataclass
class Selection:
    """The utterances that are left to train and to validate on.

    source : utterance -> number of the store that has its features
    num_frames : utterance -> frames
    originals : distorted copy -> the utterance that it is a copy of
    """

    utt2spk: Labels
    source: Numbers
    num_frames: Numbers
    counts: Counts
    originals: Mapping[str, str]

    def of(self, utts: Sequence[str]) -> Chosen:
        """Return utterances with the numbers of their stores."""
        names = utts if isinstance(utts, Names) else Names.of(utts)
        return Chosen(names, self.source.counts[self.utt2spk.names.rows_of(names)])

    def hours(self, utts: Sequence[str], frame_shift: float) -> float:
        """Return the hours of utterances, each once, by their frames at a shift in ms."""
        names = utts if isinstance(utts, Names) else Names.of(utts)
        frames = self.num_frames.counts[self.utt2spk.names.rows_of(names)]
        return float(frames.sum(dtype=np.int64)) * frame_shift / 3.6e6

    def classes(self, utts: Sequence[str], speakers: Sequence[str]) -> np.ndarray:
        """Return (len(utts),) int64 places of their speakers among these."""
        names = utts if isinstance(utts, Names) else Names.of(utts)
        place = {speaker: number for number, speaker in enumerate(speakers)}
        of_label = np.array([place.get(label, -1) for label in self.utt2spk.labels], np.int64)
        return of_label[self.utt2spk.codes[self.utt2spk.names.rows_of(names)]]

    def sha256(self, *before: Any, after: Sequence[Any] = ()) -> str:
        """Return the SHA-256 of one JSON list: `before`, the sorted [utterance, speaker, frames], and `after`."""
        digest = sha256(("[" + "".join(f"{canonical(item)}," for item in before) + "[").encode())
        rows = self.utt2spk.names.sorted_rows()
        for begin in range(0, len(rows), PIECE):
            part = [
                (self.utt2spk.names[row], self.utt2spk.value(row), self.num_frames.value(row))
                for row in rows[begin : begin + PIECE].tolist()
            ]
            digest.update((("," if begin else "") + canonical(part)[1:-1]).encode())
        digest.update(("]" + "".join(f",{canonical(item)}" for item in after) + "]").encode())
        return digest.hexdigest()


def select(
    stores: Sequence[Store],
    utt2spks: Sequence[Mapping[str, str]],
    least: Filter,
    originals: Mapping[str, str] = {},
    speakers: Collection[str] | None = None,
) -> Selection:
    """Return the utterances of several data dirs that pass the filters.

    originals : distorted copy -> the utterance that it is a copy of; copies do not count as utterances of a speaker
    speakers : whose utterances are taken; None: all
    Raises SreError for an utterance in two of them, and if none is left.
    """
    tables: list[Labels] = []
    frames: list[np.ndarray] = []
    without, short, elsewhere = 0, 0, 0
    for store, utt2spk in zip(stores, utt2spks, strict=True):
        check_promised(store.scp, "its utt2spk", utt2spk, store.places, store.scp.parent)
        table = utt2spk if isinstance(utt2spk, Labels) else Labels.of(utt2spk)
        for earlier in tables:
            if (both := np.flatnonzero(present(table, earlier))).size:
                name = table.names[int(both[0])]
                raise SreError(f"utterance '{name}' is in two of the training data dirs; rename it in one")
        if speakers is not None:
            mine = np.array([label in speakers for label in table.labels], bool)[table.codes]
            elsewhere += int((~mine).sum())
            table = table.take(np.flatnonzero(mine))
        there, of_table = present(table, store.places), numbers_of(table.names, store.num_frames)
        long = there & (of_table >= least.min_frames)
        without, short = without + int((~there).sum()), short + int((there & ~long).sum())
        rows = np.flatnonzero(long)
        tables.append(table.take(rows))
        frames.append(of_table[rows].astype(np.int32))
    numbers = np.repeat(np.arange(len(tables), dtype=np.int32), [len(table) for table in tables])
    everyone = Labels.joined(tables)
    own = ~present(everyone, originals) if originals else np.ones(len(everyone), bool)
    of_speaker = np.bincount(everyone.codes[own], minlength=len(everyone.labels))
    kept = np.flatnonzero((of_speaker >= least.min_utterances)[everyone.codes])
    utt2spk = everyone.take(kept)
    rare = np.count_nonzero(of_speaker) - len(np.unique(utt2spk.codes))
    counts = Counts(
        sum(map(len, utt2spks)),
        without,
        short,
        len(everyone) - len(kept),
        int(rare),
        None if speakers is None else elsewhere,
    )
    dropped = [f"{name.replace('_', ' ')} {count}" for name, count in asdict(counts).items() if count]
    say("training set: " + ", ".join(dropped))
    if not len(kept):
        raise SreError(
            f"{stores[0].scp}: no training utterance is left after the filters ({', '.join(dropped)}); add data, or"
            f" lower the model's filter.min_frames ({least.min_frames}) or filter.min_utterances"
            f" ({least.min_utterances})"
        )
    utt2spk.names.prepare()
    source, num_frames = (Numbers(utt2spk.names, values[kept]) for values in (numbers, np.concatenate(frames)))
    return Selection(utt2spk, source, num_frames, counts, originals)
