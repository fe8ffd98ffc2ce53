"""Open-set identification: of S speakers some are enrolled and the others unknown, in all choices of those enrolled.

python -m benchmarks.open_set MODEL ../shared/corpora/voxceleb1-layout/test --enrol 4 --out benchmarks/open_set.md

The folder is laid out as SPEAKER/SESSION/FILE, in `wav` or in itself. A speaker is enrolled with the files of the
first sessions by name (--sessions), and searched for with those of the others. The searches of all choices are pooled,
so that there is one threshold. Intervals leave one speaker out at a time (jackknife, B. Efron and C. Stein, Annals of
Statistics 1981) and are the estimate plus and minus Student's t of S - 1 degrees of freedom times the standard error:
choices share speakers, and to draw searches would claim far too much.
"""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy

from benchmarks.scoring import machine, show_page
from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_file, whole
from sre.io.trials import LabelledTrials
from sre.machine.log import run
from sre.metrics.identification import FPIRS, identification_rates
from sre.voices.model import load
from sre.voices.voiceprint import Voiceprint

AUDIO = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus")
RATES = {"rank_1": "rank 1", **{f"fnir_at_fpir_{x}": f"FNIR at FPIR {100 * x:g} %" for x in FPIRS}}


def files_of(folder: Path, sessions: int) -> dict[str, tuple[list[Path], list[Path]]]:
    """Return the files of each speaker's first sessions, and those of the others."""
    root = folder / "wav" if (folder / "wav").is_dir() else folder
    found: dict[str, tuple[list[Path], list[Path]]] = {}
    for speaker in sorted(path for path in root.iterdir() if path.is_dir()):
        of_session = [
            sorted(file for file in session.rglob("*") if file.suffix.lower() in AUDIO)
            for session in sorted(path for path in speaker.iterdir() if path.is_dir())
        ]
        of_session = [files for files in of_session if files]
        if len(of_session) <= sessions:
            raise SreError(f"{speaker}: {len(of_session)} sessions with audio, and more than {sessions} are needed")
        parts = of_session[:sessions], of_session[sessions:]
        found[speaker.name] = tuple(list(itertools.chain(*part)) for part in parts)
    return found


def scores_of(path: Path, files: dict[str, tuple[list[Path], list[Path]]]) -> tuple[np.ndarray, np.ndarray, str]:
    """Return (S, T) scores of all speakers against all test files, the (T,) places of their speakers, and the model."""
    model = load(path)
    enrol, test = ([model.voiceprint(*part[which]) for part in files.values()] for which in (0, 1))
    sizes = [len(one) for one in enrol]
    groups = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    all_enrolled, all_tested = Voiceprint.joined(enrol), Voiceprint.joined(test)
    enrolled = model.system.enrol(all_enrolled.vectors, groups, all_enrolled.qualities)
    tested = model.system.test(all_tested.vectors, all_tested.qualities)
    owners = np.repeat(np.arange(len(test)), [len(one) for one in test])
    return model.system.scores(enrolled, tested), owners, model.package.manifest.name


def rates_of(scores: np.ndarray, owners: np.ndarray, speakers: Sequence[int], enrolled: int) -> dict:
    """Return the rates of the pooled searches of all choices of `enrolled` of these speakers, of (S, T) scores."""
    blocks, searches = [], np.isin(owners, speakers)
    choices = list(itertools.combinations(speakers, enrolled))
    for choice in choices:
        blocks.append((scores[list(choice)][:, searches], owners[searches][None, :] == np.array(choice)[:, None]))
    tests = int(searches.sum())
    places = np.arange(len(choices) * tests).reshape(len(choices), 1, tests).repeat(enrolled, axis=1).ravel()
    models = np.arange(len(choices) * enrolled).repeat(tests)
    names = (np.arange(models[-1] + 1).astype(str), np.arange(places.max() + 1).astype(str))
    target = np.concatenate([mask.ravel() for _, mask in blocks])
    pooled = LabelledTrials(*names, models, places, target)
    return identification_rates(pooled, np.concatenate([part.ravel() for part, _ in blocks]))


def with_intervals(scores: np.ndarray, owners: np.ndarray, enrolled: int) -> list[str]:
    """Return lines of a Markdown table: each rate with its interval of 95 %."""
    everyone = list(range(len(scores)))
    whole_set = rates_of(scores, owners, everyone, enrolled)
    without = [
        rates_of(scores, owners, [one for one in everyone if one != left_out], enrolled) for left_out in everyone
    ]
    t = scipy.special.stdtrit(len(everyone) - 1, 0.975)
    lines = ["| rate | per cent | 95 % interval |", "|---|---|---|"]
    for key, told in RATES.items():
        parts = np.array([rates[key] for rates in without])
        error = np.sqrt((len(parts) - 1) / len(parts) * ((parts - parts.mean()) ** 2).sum())
        rate = whole_set[key]
        low, high = max(0, rate - t * error), min(1, rate + t * error)
        bounds = f"{100 * low:.1f} to {100 * high:.1f}" if error else "none: it is the same without any one speaker"
        lines.append(f"| {told} | {100 * rate:.1f} | {bounds} |")
    facts = f"{whole_set['mated']} mated and {whole_set['nonmated']} non-mated searches, each among {enrolled} voices."
    return [*lines, "", facts]


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="a model.sre, or a final.pt")
    parser.add_argument("folder", metavar="DIR", type=input_folder, help="SPEAKER/SESSION/FILE")
    parser.add_argument("--enrol", type=whole(2), default=4, help="how many of the speakers (default: 4)")
    parser.add_argument("--sessions", type=whole(1), default=2, help="of each speaker to enrol with (default: 2)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args(argv)
    files = files_of(args.folder, args.sessions)
    if len(files) < args.enrol + 2:
        raise SreError(f"{args.folder}: {len(files)} speakers, and --enrol {args.enrol} needs {args.enrol + 2}")
    scores, owners, name = scores_of(args.model, files)
    choices = len(list(itertools.combinations(files, args.enrol)))
    about = f"Model {name}; {args.enrol} of {len(files)} speakers enrolled, in all {choices} choices."
    command = f"`python -m benchmarks.open_set {' '.join(sys.argv[1:])}`: {machine()}"
    page = ["# Open-set identification", "", command, "", about, "", *with_intervals(scores, owners, args.enrol)]
    show_page(page, args.out)


if __name__ == "__main__":
    run(main)
