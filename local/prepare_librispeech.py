"""LibriSpeech, or a corpus in its layout PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER-UTT.flac, to a data directory.

    python -m local.prepare_librispeech /data/LibriSpeech data/ls_dev --parts dev-clean dev-other

The speaker is the reader. With --cut-seconds, longer utterances become segments of that length.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from local.preparing import add_audio_options, good_audio, take_audio_rules, write_corpus
from sre import SreError
from sre.cli.arguments import Parser, input_folder, number, output_folder
from sre.datadir.layout import Segment
from sre.io.atomic import atomic_output
from sre.io.audio import AudioRules
from sre.io.ids import check_ids
from sre.io.text import exact, lines_of, read_text
from sre.machine.log import run, say

OFFICIAL_PARTS = (
    "train-clean-100", "train-clean-360", "train-other-500",
    "dev-clean", "dev-other", "test-clean", "test-other",
)  # fmt: skip
SUFFIXES = (".flac", ".wav")
PART = re.compile(r"(train|dev|test)-[a-z0-9_-]+")


def parts_present(corpus: str | Path) -> list[str]:
    """Return the parts there are: the official ones in their order, then other train-* and test-* folders.

    Raises SreError, with what was looked for and found, unless there are a train and a test part.
    """
    corpus = Path(corpus)
    official = ", ".join(OFFICIAL_PARTS)
    looked = f"looked for the folders {official}, train-* and test-*, at least one train and one test"
    if not corpus.is_dir():
        raise SreError(f"{corpus}: no such folder ({looked} part); give the folder that holds them as corpus")
    folders = sorted(folder.name for folder in corpus.iterdir() if folder.is_dir())
    parts = [part for part in OFFICIAL_PARTS if part in folders]
    parts += [name for name in folders if name.startswith(("train-", "test-")) and name not in parts]
    odd = [part for part in parts if not PART.fullmatch(part)]
    if odd:
        raise SreError(f"{corpus / odd[0]}: a part is named by a-z, 0-9, - and _ alone; rename the folder")
    kinds = {part.split("-")[0] for part in parts}
    if not {"train", "test"} <= kinds:
        found = ", ".join(folders[:10]) + (" …" if len(folders) > 10 else "") or "no folder"
        inside = "; give the LibriSpeech folder in it as corpus" if "LibriSpeech" in folders else ""
        remedy = inside or "; extract the missing part there (local/download_librispeech.sh gets it)"
        raise SreError(f"{corpus}: {looked} part; found {found}{remedy}")
    return parts


@dataclass(frozen=True)
class CorpusFile:
    """The file of an utterance, its reader and its chapter."""

    path: str
    speaker: str
    chapter: str


def find_recordings(corpus: str | Path, part: str) -> dict[str, CorpusFile]:
    """Return utterance -> recording of one part.

    Raises SreError for a missing or empty part, a file name that is not its folders', an utterance twice.
    """
    folder = Path(corpus) / part
    if not folder.is_dir():
        raise SreError(f"{folder}: no such part; give only parts that are there, or extract it")
    found: dict[str, CorpusFile] = {}
    for file in sorted(folder.glob("*/*/*")):
        if file.suffix.lower() not in SUFFIXES:
            continue
        chapter, speaker = file.parent.name, file.parent.parent.name
        if not file.stem.startswith(f"{speaker}-{chapter}-"):
            raise SreError(f"{file}: its name does not begin with {speaker}-{chapter}-, as its folders; rename it")
        check_ids(file, [file.stem], "utterance")
        if file.stem in found:
            raise SreError(f"{file}: utterance {file.stem} is there twice, also as {found[file.stem].path}; keep one")
        found[file.stem] = CorpusFile(str(file), speaker, chapter)
    if not found:
        raise SreError(f"{folder}: no SPEAKER/CHAPTER/SPEAKER-CHAPTER-UTT.flac (or .wav) in it; extract it again")
    return found


def read_genders(corpus: str | Path) -> dict[str, str]:
    """Read speaker -> m or f from SPEAKERS.TXT (`14 | F | train-clean-360 | …`); empty where there is none."""
    file = Path(corpus) / "SPEAKERS.TXT"
    if not file.is_file():
        return {}
    lines = lines_of(read_text(file, errors="replace"))  # people's names, which are not used, are in some other coding
    rows = [[field.strip() for field in line.split("|")] for line in lines if "|" in line and not line.startswith(";")]
    return {row[0]: row[1].lower() for row in rows if row[1].lower() in ("m", "f")}


def cut_segments(durations: dict[str, float], cut_s: float, min_s: float) -> tuple[dict[str, Segment], int]:
    """Return pieces of `cut_s` seconds named `<utt>-<start in 10 ms>`, and how many last pieces were too short.

    An utterance of at most `cut_s` stays whole, under its own name.
    """
    segments: dict[str, Segment] = {}
    dropped = 0
    for utt, duration in durations.items():
        if duration <= cut_s:
            segments[utt] = Segment(utt, 0.0, duration)
            continue
        pieces, number = [], 0
        while (start := number * cut_s) < duration:
            pieces.append((round(start, 6), round(min(start + cut_s, duration), 6)))
            number += 1
        if pieces[-1][1] - pieces[-1][0] < min_s:
            pieces.pop()
            dropped += 1
        segments |= {f"{utt}-{round(start * 100):07d}": Segment(utt, start, end) for start, end in pieces}
    return segments, dropped


def find_parts(corpus: str | Path, parts: Iterable[str]) -> dict[str, CorpusFile]:
    """Return utterance -> recording of several parts. Raises SreError where two parts have one utterance."""
    found: dict[str, CorpusFile] = {}
    for part in dict.fromkeys(parts):
        more = find_recordings(corpus, part)
        if clash := sorted(found.keys() & more.keys()):
            raise SreError(f"{more[clash[0]].path}: {clash[0]} is also in another part; prepare them apart")
        found |= more
    return found


def prepare(
    corpus: Path,
    out: Path,
    parts: list[str],
    cut_seconds: float | None = None,
    min_seconds: float | None = None,
    cut_only_if_single: bool = False,
    audio_rules: AudioRules = AudioRules(),
    max_rejected: float = 0.01,
) -> None:
    """Write the data directory of these parts together, and out/notes on what was done to it.

    cut_seconds, min_seconds : see `cut_segments`; no cut_seconds: nothing is cut; min_seconds is half of it by default
    cut_only_if_single : nothing is cut unless half of the speakers have a single utterance
    Raises SreError as the functions above do.
    """
    found = find_parts(corpus, parts)
    wav, durations = good_audio(
        out, {utt: recording.path for utt, recording in found.items()}, audio_rules, max_rejected
    )
    segments, notes = None, []
    source = {utt: utt for utt in wav}  # utterance -> the recording that it is from
    if cut_only_if_single and not _mostly_single(found[utt].speaker for utt in wav):
        cut_seconds = None
    if cut_seconds is not None:
        minimum = cut_seconds / 2 if min_seconds is None else min_seconds
        if not 0 < minimum <= cut_seconds:
            raise SreError(f"--cut-seconds {cut_seconds} --min-seconds {minimum}: give 0 < min <= cut")
        unknown = sorted(wav.keys() - durations.keys())
        wav = {utt: path for utt, path in wav.items() if utt in durations}
        segments, dropped = cut_segments(durations, cut_seconds, minimum)
        source = {utt: segment.recording for utt, segment in segments.items()}
        durations = {utt: segment.end - segment.start for utt, segment in segments.items()}
        notes = [
            f"{out.name}: {len(wav)} recordings were cut into {len(segments)} segments of at most"
            f" {exact(cut_seconds)} s ({dropped} last pieces under {exact(minimum)} s dropped)."
        ]
        if unknown:
            what = f"{len(unknown)} recordings whose headers tell no length to cut them by were left out"
            notes.append(f"{out.name}: {what}, e.g. {unknown[0]}; write them again with one.")
        say(" ".join(notes))
    maps = {
        "utt2chapter": {utt: found[recording].chapter for utt, recording in source.items()},
        "spk2gender": read_genders(corpus),
    }
    utt2spk = {utt: found[recording].speaker for utt, recording in source.items()}
    write_corpus(out, wav, utt2spk, durations, maps, segments)
    with atomic_output(out / "notes") as file:
        file.writelines(f"{note}\n" for note in notes)


def _mostly_single(speakers: Iterable[str]) -> bool:
    counts = Counter(speakers)
    return sum(count == 1 for count in counts.values()) >= len(counts) / 2


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("corpus", type=input_folder, help="the folder that holds the parts")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    parser.add_argument("--parts", nargs="+", required=True, metavar="PART", help="e.g. train-clean-100")
    parser.add_argument(
        "--cut-seconds", type=number(0.1, 1e5), metavar="S", help="cut longer utterances into segments of this length"
    )
    parser.add_argument(
        "--min-seconds", type=number(0.1, 1e5), metavar="M", help="shortest last piece; half of S by default"
    )
    parser.add_argument("--cut-only-if-single", action="store_true", help="if half of the speakers have one utterance")
    add_audio_options(parser)
    args = vars(parser.parse_args(argv))
    audio_rules = take_audio_rules(args)
    prepare(**args, audio_rules=audio_rules)


if __name__ == "__main__":
    run(main)
