"""The verbs of `sre data` on tables of 1,200,000 utterances, and a trial list of millions: whole processes, one run.

python -m benchmarks.data --out benchmarks/data.md    # 2 GB in $TMPDIR

The tables are wav.scp, utt2spk, spk2utt, utt2dur, utt2session, spk2gender and reco2dur, with names as VoxCeleb's, of
6,000 speakers; with segments, two recordings have the utterances of a session. No audio is opened: wav.scp names 1,000
empty files. Times are from the interpreter's start to its end, and peaks those of the process.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scoring import elsewhere, machine, whole_process
from sre.cli.arguments import Parser, number, output_file
from sre.machine.log import run

UTTERANCES, SPEAKERS, FILES = 1_200_000, 6_000, 1_000
LIST = 5_000  # utterances of which a trial list is made


def names(count: int, speakers: int, corpus: str) -> Iterator[tuple[str, str, str]]:
    """Yield utterance, speaker, session in order."""
    each = count // speakers
    for speaker in range(speakers):
        for place in range(each):
            session = f"{(speaker * 7919 + place // 10 * 104729) % 2**44:011x}{place // 10:03}"
            yield f"{corpus}{speaker:05}-{place // 10:04}{session}-{place % 10:05}", f"{corpus}{speaker:05}", session


def make(folder: Path, count: int, speakers: int, corpus: str = "id") -> None:
    """Write a data directory of tables."""
    folder.mkdir()
    files = [folder.parent / "wav" / f"{place:05}.wav" for place in range(FILES)]
    files[0].parent.mkdir(exist_ok=True)
    for file in files:
        file.touch()
    tables = ("wav.scp", "utt2spk", "utt2dur", "utt2session", "reco2dur")
    with_rows = {name: open(folder / name, "w") for name in tables}  # noqa: SIM115, closed below
    of_speaker: dict[str, list[str]] = {}
    for place, (utt, speaker, session) in enumerate(names(count, speakers, corpus)):
        seconds = f"{4 + place % 700 / 100:.2f}"
        for name, value in zip(tables, (files[place % FILES], speaker, seconds, session, seconds), strict=True):
            with_rows[name].write(f"{utt} {value}\n")
        of_speaker.setdefault(speaker, []).append(utt)
    for file in with_rows.values():
        file.close()
    (folder / "spk2utt").write_text("".join(f"{speaker} {' '.join(utts)}\n" for speaker, utts in of_speaker.items()))
    (folder / "spk2gender").write_text("".join(f"{speaker} {'mf'[len(speaker) % 2]}\n" for speaker in of_speaker))


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--scale", type=number(0.001, 10), default=1.0, help="times as many utterances (default: 1)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args()
    count, speakers = int(UTTERANCES * args.scale), max(4, int(SPEAKERS * args.scale))
    few = max(40, int(LIST * args.scale))
    rows = ["| command | wall s | peak MB |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        elsewhere(make, folder / "all", count, speakers)
        elsewhere(make, folder / "more", count // 2, speakers // 2, "xx")
        elsewhere(make, folder / "few", few, max(4, few // 50))
        data, shares = folder / "all", "train=0.8,development=0.1,test=0.1"
        commands = {
            f"validate, {count:,} utterances": ["validate", data],
            f"info, {count:,}": ["info", data],
            f"subset --per-speaker 100 of {count:,}": ["subset", "--per-speaker", 100, data, folder / "subset"],
            f"subset --min-duration 5 of {count:,}": ["subset", "--min-duration", 5, data, folder / "long"],
            f"combine {count:,} and {count // 2:,}": ["combine", data, folder / "more", folder / "combined"],
            f"split of {count:,} by speaker": ["split", data, folder, "--shares", shares, "--stratify", "spk2gender"],
            f"split of {count:,} by utterance": ["split", data, folder / "u", "--shares", shares, "--by", "utterance"],
            f"copy --prefix of {count:,}": ["copy", "--prefix", "p-", data, folder / "copied"],
            f"trials of {count:,}, 1 of each speaker, 10 nontargets": [
                *["trials", "--per-speaker", 1, "--nontargets", 10, data, folder / "list"]
            ],
            f"trials, all pairs of {few:,}": ["trials", folder / "few", folder / "pairs"],
        }
        for what, words in commands.items():
            seconds, peak = whole_process("sre.cli", "data", *words)
            rows.append(f"| {what} | {seconds:.1f} | {peak:.0f} |")
            print(rows[-1], flush=True)
        pairs = sum(1 for _ in open(folder / "pairs"))  # noqa: SIM115
    rows += ["", f"The last list has {pairs:,} trials."]
    head = ["# Data directories", "", f"`python -m benchmarks.data {' '.join(sys.argv[1:])}`: {machine()}", ""]
    if args.out:
        args.out.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
