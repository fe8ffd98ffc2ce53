"""Identification among up to 1,000,000 enrolled voices: searching, cold start, and the file of voices, in one run.

python -m benchmarks.identify --out benchmarks/identify.md          # 3 GB in $TMPDIR, 6 GB of memory
python -m benchmarks.identify --voices 20000 --dimensions 192       # to try it out

Embeddings are drawn (seeded), one of each voice; no network is there. A search is one probe against all voices, after
one that warms up; the median counts. Its time is from the probe's embedding to the five best voices and their scores.
Cold start is from an open file of voices to a gallery that can be searched. Each row is a process of its own.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.scoring import elsewhere, machine, show_page
from sre.backends.calibration import Calibration
from sre.backends.cosine import Cosine
from sre.cli.arguments import Parser, output_file, whole
from sre.machine.log import run, say
from sre.voices.database import Database, Origin, Utterances
from sre.voices.gallery import Gallery
from sre.voices.scoring import Combined, Norm, Plain, System

SEARCHES, MANY, TOP, COHORT, NEAREST = 7, 64, 5, 1000, 300
MADE_AT_ONCE = 10_000


def drawn(count: int, dimension: int) -> Iterator[tuple[str, Utterances]]:
    """Yield voices of one embedding each."""
    draw = np.random.default_rng(dimension)
    for number in range(count):
        vector = draw.standard_normal((1, dimension), np.float32)
        known = {"speech_s": np.array([8.0]), "snr_db": np.array([20.0])}
        yield f"voice {number:07}", Utterances(vector, [f"{number:064x}"], [f"{number:07}.wav"], known)


def system_of(dimension: int, norm: bool) -> System:
    """A calibrated cosine, with AS-norm or without."""
    cohort = np.random.default_rng(0).standard_normal((COHORT, dimension), np.float32)
    plain = Plain("cosine", Cosine(), slice(0, dimension), Norm("asnorm1", NEAREST, cohort) if norm else None)
    return System([plain, Combined("cosine+cal", [0], Calibration(np.array([20.0]), -8.0))], dimension)


def make(path: Path, count: int, dimension: int) -> None:
    """Write a file of so many voices, in one transaction."""
    begun = time.perf_counter()
    Database(path, Origin("a" * 64, "drawn", dimension)).enrol_all(drawn(count, dimension))
    seconds = time.perf_counter() - begun
    rate = f"{count} voices enrolled at once in {seconds:.1f} s"
    path.with_suffix(".told").write_text(f"{rate}; the file has {path.stat().st_size / 1e6:.0f} MB")


def measure(path: Path, dimension: int, norm: bool) -> None:
    """Write a row of the table."""
    system, database = system_of(dimension, norm), Database(path)
    clock = [time.perf_counter()]
    stored = database.read()
    clock.append(time.perf_counter())
    gallery = Gallery(system, stored)
    clock.append(time.perf_counter())
    count = len(gallery)
    probes = stored.vectors[:: max(1, count // MANY)][:MANY] + np.float32(0.5)
    del stored
    qualities = {name: np.full(len(probes), 8.0) for name in ("speech_s", "snr_db")}

    def search(some: slice) -> float:
        begun = time.perf_counter()
        gallery.search(probes[some], {name: values[some] for name, values in qualities.items()}, TOP)
        return time.perf_counter() - begun

    search(slice(0, 1))
    one = statistics.median(search(slice(n, n + 1)) for n in range(SEARCHES))
    many = search(slice(0, MANY)) / len(probes)
    read, ready = np.diff(clock)
    kind = f"cosine+asnorm1+cal, cohort {COHORT}" if norm else "cosine+cal"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = f"| {count} | {dimension} | {kind} | {one:.3f} | {many:.4f} | {read:.1f} + {ready:.1f} | {peak:.0f} |"
    path.with_suffix(".told").write_text(row)


def change(path: Path, dimension: int) -> None:
    """Write how long one enrolment and one removal take in the file."""
    database = Database(path, Origin("a" * 64, "drawn", dimension))
    one = Utterances(np.ones((1, dimension), np.float32), ["f" * 64], ["one.wav"])
    clock = [time.perf_counter()]
    database.enrol("one more", one)
    clock.append(time.perf_counter())
    database.remove("one more")
    clock.append(time.perf_counter())
    database.check()
    clock.append(time.perf_counter())
    enrol, remove, check = np.diff(clock)
    told = f"one more enrolled in {enrol:.2f} s, removed in {remove:.1f} s; the file checked in {check:.1f} s"
    path.with_suffix(".told").write_text(told)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--voices", type=whole(2 * MANY), nargs="+", default=[1_000_000], help="default: 1000000")
    parser.add_argument("--dimensions", type=whole(2), nargs="+", default=[192, 256], help="default: 192 256")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args(argv)
    rows = [
        "| voices | D | system | a search, s | 64 at once, s a probe | cold start: read + made ready, s | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    notes = []
    with tempfile.TemporaryDirectory() as folder:
        for count in args.voices:
            for dimension in args.dimensions:
                path = Path(folder) / f"{count}_{dimension}.db"

                def told(work, *arguments: object, path: Path = path) -> str:
                    elsewhere(work, path, *arguments)
                    say(path.with_suffix(".told").read_text())
                    return path.with_suffix(".told").read_text()

                written = told(make, count, dimension)
                rows += [told(measure, dimension, norm) for norm in (False, True)]
                notes.append(f"- D {dimension}: {written}; {told(change, dimension)}.")
                os.remove(path)
    command = f"`python -m benchmarks.identify {' '.join(sys.argv[1:])}`: {machine()}"
    show_page(["# Identification", "", command, "", *rows, "", *notes], args.out)


if __name__ == "__main__":
    run(main)
