"""Generate the embedded corpus of recipe `mini`: synthetic speech in LibriSpeech's official layout.

python -m local.make_mini_corpus data/corpora/mini --seed 1 --num-workers 2

Writes OUT_DIR/{train-mini,test-mini}/SPEAKER/CHAPTER/SPEAKER-CHAPTER-UTT.flac (16 kHz, 16 bit) and, last of all,
OUT_DIR/SPEAKERS.TXT, which says that the corpus is complete. The bytes depend on the options and on the constants of
local/mini_speech.py alone: every random draw comes from np.random.default_rng([seed, speaker, …]).
"""

import importlib.util
import io
import multiprocessing
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path

import numpy as np
import soundfile

from local import mini_speech
from local.mini_speech import SAMPLE_RATE, Session, Synthesizer, Voice, make_voices, speak
from sre import SreError
from sre.cli.arguments import Parser, output_folder, processes, seed, whole
from sre.io.atomic import atomic_output, locked, sha256_text
from sre.io.text import read_text
from sre.machine.log import Progress, run, say

CORPUS_VERSION = 1  # raise it when the code makes other bytes from the same constants
CHAPTERS, FIRST_SPEAKER = 3, 1001
PARTS = ("train-mini", "test-mini")
MADE_BY = "; made by local.make_mini_corpus, version"


@dataclass(frozen=True)
class Speaker:
    part: str
    index: int  # from 0, over both parts
    voice: Voice
    num_utterances: int

    @property
    def reader(self) -> int:
        """The speaker's number in the corpus."""
        return FIRST_SPEAKER + self.index

    def path(self, out_dir: Path, utterance: int) -> Path:
        """Return the place of an utterance; utterances go round the chapters."""
        chapter = self.reader * 10 + utterance % CHAPTERS
        name = f"{self.reader}-{chapter}-{utterance // CHAPTERS:04d}.flac"
        return out_dir / self.part / str(self.reader) / str(chapter) / name

    def paths(self, out_dir: Path) -> list[Path]:
        """Return the places of all utterances."""
        return [self.path(out_dir, utterance) for utterance in range(self.num_utterances)]


def make_speaker(out_dir: Path, seed: int, speaker: Speaker) -> None:
    """Write all utterances of one speaker; call it in a process that has not yet loaded espeak-ng."""
    synthesizer = Synthesizer(speaker.voice)
    rngs = [np.random.default_rng([seed, speaker.index, 0, chapter]) for chapter in range(CHAPTERS)]
    sessions = [Session(rng) for rng in rngs]
    for utterance, path in enumerate(speaker.paths(out_dir)):
        rng = np.random.default_rng([seed, speaker.index, 1, utterance])
        speech = speak(synthesizer, speaker.voice, rng)
        wave = sessions[utterance % CHAPTERS].record(speech, speaker.voice.tilt, rng)
        content = io.BytesIO()  # libsndfile does not say that a disk is full
        soundfile.write(content, wave, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        with atomic_output(path, "wb") as file:
            file.write(content.getbuffer())


def make_speakers(out_dir: Path, seed: int, speakers: list[Speaker], num_workers: int) -> None:
    """Run `make_speaker` for each, in a fresh fork each, `num_workers` at a time.

    Not a Pool: that waits for ever for a worker that was killed. Here an orphan ends with its speaker.
    """
    import_module("scipy.signal")  # once: each fork would wait a second for it
    fork, progress = multiprocessing.get_context("fork"), Progress("corpus", len(speakers), "speakers")
    waiting = list(speakers)
    running: dict[object, tuple[ForkProcess, Speaker]] = {}  # by sentinel
    while waiting or running:
        while waiting and len(running) < num_workers:
            speaker = waiting.pop(0)
            make = partial(make_speaker, out_dir, seed, speaker)
            process = fork.Process(target=run, args=(make,), daemon=True)
            process.start()
            running[process.sentinel] = process, speaker
        for sentinel in wait([process.sentinel for process, _ in running.values()]):
            process, speaker = running.pop(sentinel)
            process.join()
            if process.exitcode == 1:
                sys.exit(1)  # it has said why
            if process.exitcode != 0:
                where = f"{out_dir}/{speaker.part}/{speaker.reader}"
                raise SreError(f"{where}: its process ended with {process.exitcode}; see above, mend it, run again")
            progress.add(1)
    progress.close()


def clear(out_dir: Path) -> None:
    """Remove an unfinished or other corpus of ours; SreError where the folder holds anything else."""
    table = out_dir / "SPEAKERS.TXT"
    names = {path.name for path in out_dir.iterdir() if not path.name.startswith(".")}
    if names - {table.name, *PARTS} or (table.exists() and not read_text(table).startswith(MADE_BY)):
        raise SreError(f"{out_dir}: holds what this program has not made; give an empty folder or a new name")
    table.unlink(missing_ok=True)
    for part in PARTS:
        if (out_dir / part).exists():
            shutil.rmtree(out_dir / part)


def write_speakers_table(out_dir: Path, header: str, speakers: list[Speaker]) -> None:
    """Write SPEAKERS.TXT as LibriSpeech has it; MINUTES from the files' headers, NAME tells the voice."""
    lines = [header, f"{';ID':<5}| SEX | {'SUBSET':<17}| MINUTES | NAME\n"]
    for speaker in speakers:
        voice = speaker.voice
        minutes = sum(soundfile.info(path).frames for path in speaker.paths(out_dir)) / SAMPLE_RATE / 60
        name = f"{voice.accent}+{voice.variant} pitch {voice.pitch} tract {voice.tract / 441:.3f}"
        lines.append(f"{speaker.reader:<5}| {voice.sex}   | {speaker.part:<17}| {minutes:<8.2f}| {name}\n")
    with atomic_output(out_dir / "SPEAKERS.TXT") as file:
        file.writelines(lines)


def make_corpus(
    out_dir: Path, seed: int, num_speakers: Sequence[int], num_utterances: Sequence[int], num_workers: int
) -> None:
    """Make the whole corpus, unless it is there; counts stand in the order of PARTS.

    Raises SreError for counts that cannot be, a folder with other things in it, or a missing espeakng_loader.
    """
    if min(*num_speakers, *num_utterances, num_workers) < 1 or seed < 0:
        raise SreError(f"{out_dir}: counts of speakers, utterances, workers must be 1 or more, the seed 0 or more")
    constants = {name: value for name, value in sorted(vars(mini_speech).items()) if name.isupper()}
    header = f"{MADE_BY} {CORPUS_VERSION}, constants {sha256_text(repr(constants))[:16]}, seed {seed}\n"
    header += f"; speakers {num_speakers}, utterances of each {num_utterances}\n"
    parts = [i for i, count in enumerate(num_speakers) for _ in range(count)]
    voices = make_voices(seed, len(parts))
    speakers = [Speaker(PARTS[i], n, voices[n], num_utterances[i]) for n, i in enumerate(parts)]
    with locked(out_dir / ".lock"):
        table = out_dir / "SPEAKERS.TXT"
        same = table.exists() and read_text(table).startswith(header)
        if same and all(path.exists() for speaker in speakers for path in speaker.paths(out_dir)):
            say(f"{out_dir}: complete, left as it is")
            return
        if importlib.util.find_spec("espeakng_loader") is None:
            raise SreError(
                "espeakng_loader, the speech synthesiser of the mini corpus, is missing: pip install -e '.[demo]'"
            )
        clear(out_dir)
        make_speakers(out_dir, seed, speakers, num_workers)
        write_speakers_table(out_dir, header, speakers)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("out_dir", type=output_folder, help="of the corpus; empty, or an earlier one")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="of every draw (default: 1)")
    parser.add_argument("--train-speakers", type=whole(1, 10**4), default=40, metavar="N", help="default: 40")
    parser.add_argument("--test-speakers", type=whole(1, 10**4), default=20, metavar="N", help="default: 20")
    parser.add_argument(
        "--train-utterances", type=whole(1, 10**4), default=15, metavar="N", help="of each speaker (default: 15)"
    )
    parser.add_argument(
        "--test-utterances", type=whole(1, 10**4), default=8, metavar="N", help="of each speaker (default: 8)"
    )
    parser.add_argument("--num-workers", "--nj", type=processes, default=2, metavar="N", help="processes (default: 2)")
    args = parser.parse_args(argv)
    num_speakers = args.train_speakers, args.test_speakers
    num_utterances = args.train_utterances, args.test_utterances
    make_corpus(args.out_dir, args.seed, num_speakers, num_utterances, args.num_workers)


if __name__ == "__main__":
    run(main)
