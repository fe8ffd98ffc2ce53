"""Live voiceprints beside those of whole files: what a second of audio costs, and how much they differ.

python -m benchmarks.live MODEL ../shared/corpora/voxceleb1-layout/test --out benchmarks/live.md

The folder is laid out as SPEAKER/SESSION/FILE, in `wav` or in itself. The files of each speaker are put behind each
other, and given to the stream in blocks of a quarter of a second. A whole file is embedded once, at its end. To embed
all that was heard at each update, in windows as long as the stream, is what costs too much.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.open_set import AUDIO
from benchmarks.scoring import machine, show_page
from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_file, whole
from sre.io.audio import AudioRules, load
from sre.machine.log import run
from sre.voices.model import Model
from sre.voices.model import load as load_model
from sre.voices.stream import WINDOW_S, updates

WINDOWS_S = (3.0, WINDOW_S, 30.0)
BLOCK_S = 0.25


def speech_of(folder: Path, rate: int, seconds: int) -> Iterator[np.ndarray]:
    """Yield (N,) samples of each speaker, at most so many seconds."""
    root = folder / "wav" if (folder / "wav").is_dir() else folder
    for speaker in sorted(path for path in root.iterdir() if path.is_dir()):
        files = sorted(file for file in speaker.rglob("*") if file.suffix.lower() in AUDIO)
        recordings = [load(str(file), AudioRules(rate)) for file in files]
        if recordings:
            yield np.concatenate([recording.wave for recording in recordings])[: seconds * rate]


def row_of(model: Model, waves: list[np.ndarray], rate: int, window_s: float) -> str:
    """Return a row of the table: windows of so many seconds."""
    seconds, cosines, total = 0.0, [], sum(map(len, waves)) / rate
    for wave in waves:
        blocks = [wave[start : start + round(BLOCK_S * rate)] for start in range(0, len(wave), round(BLOCK_S * rate))]
        begun = time.process_time()
        (*_, last) = updates(model, blocks, rate, window_s)
        seconds += time.process_time() - begun
        if last.voiceprint is not None:
            a, b = last.voiceprint.vectors[0], model.embed(wave, rate)
            cosines.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    return f"| {window_s:g} s | {1000 * seconds / total:.1f} | {np.mean(cosines):.4f} | {np.min(cosines):.4f} |"


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="a model.sre, or a final.pt")
    parser.add_argument("folder", metavar="DIR", type=input_folder, help="SPEAKER/SESSION/FILE")
    parser.add_argument("--seconds", type=whole(1), default=60, help="of each speaker at most (default: 60)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args(argv)
    model = load_model(args.model, "cpu")
    rate = model.hearing.listeners[0].sample_rate
    waves = list(speech_of(args.folder, rate, args.seconds))
    if not waves:
        raise SreError(f"{args.folder}: no audio in folders of speakers; give SPEAKER/SESSION/FILE")
    begun = time.process_time()
    for wave in waves:
        model.embed(wave, rate)
    total = sum(map(len, waves)) / rate
    once = 1000 * (time.process_time() - begun) / total
    page = [
        "# Live",
        "",
        f"`python -m benchmarks.live {' '.join(sys.argv[1:])}`: {machine()}",
        "",
        f"Model {model.package.manifest.name}; {len(waves)} speakers, {total:.0f} s of audio. Embedded once at its end,"
        f" a second of audio costs {once:.1f} ms of one core.",
        "",
        "| windows of | ms of one core a second of audio | mean cosine with the whole file | least |",
        "|---|---|---|---|",
        *(row_of(model, waves, rate, window_s) for window_s in WINDOWS_S),
    ]
    show_page(page, args.out)


if __name__ == "__main__":
    run(main)
