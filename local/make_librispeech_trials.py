"""A frozen, seeded trial list of a data directory with utt2chapter (LibriSpeech and its like).

    python -m local.make_librispeech_trials data/ls_test_clean data/trials/ls_test_clean --seed 1

Targets: pairs of one speaker, from different chapters where the speaker has several. Nontargets: of the same
gender where spk2gender tells it, every speaker equally often. The list depends on the data directory, the
seed and the options alone.
"""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from sre import SreError
from sre.cli.arguments import MOST, Parser, count, input_folder, number, output_file, whole
from sre.datadir.layout import parse_segment
from sre.io.atomic import sha256_file
from sre.io.tables import invert, read_table, read_utt2spk
from sre.machine.log import run, say, warn

Pair = tuple[str, str]  # two utterances in bytewise order


class Draw:
    """Seeded draws, the same in every Python: made of random() alone, whose sequence is guaranteed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, n: int) -> int:
        """Return a number from 0 to n - 1."""
        return int(self._random() * n)

    def shuffled(self, items: list) -> list:
        """Return the items in a random order."""
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


def target_pairs(utts: list[str], chapter: dict[str, str], recording: dict[str, str]) -> tuple[list[Pair], str]:
    """Return all target pairs of one speaker, and of which kind they are.

    "chapters": from different chapters. "recordings": of the only chapter, from different recordings.
    "segments": of the only recording.
    """
    for kind, place in (("chapters", chapter), ("recordings", recording)):
        if len({place[utt] for utt in utts}) > 1:
            return [(a, b) for a, b in combinations(utts, 2) if place[a] != place[b]], kind
    return list(combinations(utts, 2)), "segments"


def draw_targets(pairs: dict[str, list[Pair]], wanted: int, seed: int) -> dict[str, list[Pair]]:
    """Draw `wanted` of all pairs, the same number of every speaker as far as it has them."""
    queues = {spk: Draw(f"target {seed} {spk}").shuffled(its) for spk, its in pairs.items() if its}
    order = Draw(f"target {seed}").shuffled(sorted(queues))
    taken: dict[str, list[Pair]] = {spk: [] for spk in queues}
    while wanted > 0:
        for spk in [spk for spk in order if queues[spk]][:wanted]:
            taken[spk].append(queues[spk].pop())
            wanted -= 1
    return taken


def speaker_rounds(groups: list[list[str]], draw: Draw) -> Iterator[list[Pair]]:
    """Yield endless rounds of speaker pairs; in each, every speaker stands once on each side."""
    shift = 0
    while True:
        shift += 1
        pairs = [(spk, group[(i + 1 + (shift - 1) % (len(group) - 1)) % len(group)])
                 for group in groups for i, spk in enumerate(group)]  # fmt: skip
        yield draw.shuffled(pairs)


def draw_nontargets(spk2utt: dict[str, list[str]], groups: list[list[str]], wanted: int, seed: int) -> set[Pair]:
    """Draw `wanted` nontarget pairs, or all there are; no pair twice, in whichever order."""
    draw = Draw(f"nontarget {seed}")
    sizes = [(len(spk2utt[a]), len(spk2utt[b])) for group in groups for a, b in combinations(group, 2)]
    wanted = min(wanted, sum(a * b for a, b in sizes))
    used: Counter[Pair] = Counter()
    taken: set[Pair] = set()
    rounds = speaker_rounds(groups, draw)
    while len(taken) < wanted:
        for a, b in next(rounds):
            speakers, total = (min(a, b), max(a, b)), len(spk2utt[a]) * len(spk2utt[b])
            if len(taken) == wanted or used[speakers] == total:
                continue
            used[speakers] += 1
            at = draw.below(total)
            while (pair := _utterance_pair(spk2utt[a], spk2utt[b], at)) in taken:
                at = (at + 1) % total
            taken.add(pair)
    return taken


def _utterance_pair(ours: list[str], theirs: list[str], at: int) -> Pair:
    first, second = sorted((ours[at // len(theirs)], theirs[at % len(theirs)]))
    return first, second


def gender_groups(speakers: list[str], gender: dict[str, str]) -> list[list[str]]:
    """Return the speakers that may meet in a nontarget trial: of one gender (unknown counts as one), at least two."""
    groups = invert({spk: gender.get(spk, "unknown") for spk in speakers}).values()
    return [group for group in groups if len(group) > 1]


def make_trials(
    data_dir: str | Path, seed: int = 1, max_targets: int | None = None, nontargets_per_target: float = 5.0
) -> list[tuple[str, str, bool]]:
    """Return the trial list in bytewise order: (enrol, test, is target). Says its counts.

    Raises SreError where the directory has no utt2chapter, or gives no target or no nontarget trial.
    """
    path = Path(data_dir)
    utt2spk, chapter = read_utt2spk(path / "utt2spk"), read_table(path / "utt2chapter")
    recording = {utt: utt for utt in utt2spk}
    if (path / "segments").exists():
        segments = read_table(path / "segments")
        recording = {utt: parse_segment(path, utt, value)[0] for utt, value in segments.items()}
    gender = read_table(path / "spk2gender") if (path / "spk2gender").exists() else {}
    if lost := sorted(utt2spk.keys() - (chapter.keys() & recording.keys())):
        raise SreError(f"{path}: {len(lost)} utterances have no chapter, e.g. {lost[0]}; prepare them again")
    spk2utt = invert(utt2spk)
    every = {spk: target_pairs(utts, chapter, recording) for spk, utts in spk2utt.items()}
    pairs = {spk: its for spk, (its, _) in every.items()}
    available = sum(map(len, pairs.values()))
    if max_targets is not None and max_targets < available:
        pairs = draw_targets(pairs, max_targets, seed)
    kinds: Counter[str] = Counter()
    for spk, its in pairs.items():
        kinds[every[spk][1]] += len(its)
    targets = sum(kinds.values())
    wanted = round(targets * nontargets_per_target)
    groups = gender_groups(list(spk2utt), gender)
    nontargets = draw_nontargets(spk2utt, groups, wanted, seed)
    if not targets or not nontargets:
        raise SreError(
            f"{path}: {targets} target and {len(nontargets)} nontarget trials can be made of its"
            f" {len(spk2utt)} speakers and their utterances; take a larger part"
        )
    _tell(path, kinds, available, len(nontargets), wanted, gender)
    if alone := len(spk2utt) - sum(map(len, groups)):
        warn(f"{path}: {alone} speakers are the only ones of their gender, and in no nontarget trial")
    rows = [(a, b, True) for its in pairs.values() for a, b in its] + [(a, b, False) for a, b in nontargets]
    return sorted(rows)


def _tell(path: Path, kinds: Counter[str], available: int, nontargets: int, wanted: int, gender: dict) -> None:
    say(f"{path}: {sum(kinds.values())} target trials of {available} possible")
    if kinds["recordings"]:
        say(f"{path}: {kinds['recordings']} targets are within one chapter: their speakers have only one")
    if kinds["segments"]:
        say(f"{path}: {kinds['segments']} targets are within one recording: their speakers have only one")
    same = "of the same gender" if gender else "of any gender (no spk2gender)"
    fewer = f"; {wanted} were asked, there are no more" if nontargets < wanted else ""
    say(f"{path}: {nontargets} nontarget trials {same}{fewer}")


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data_dir", type=input_folder, metavar="DATA_DIR", help="with utt2spk and utt2chapter")
    parser.add_argument("trials", type=output_file, metavar="TRIALS", help="the list to write")
    parser.add_argument("--seed", type=whole(-MOST), default=1, metavar="N", help="of the draws (default: 1)")
    parser.add_argument("--max-targets", type=count, metavar="N", help="a seeded sample; all by default")
    parser.add_argument("--nontargets-per-target", type=number(1e-3, 1e6), default=5.0, metavar="R", help="default: 5")
    args = parser.parse_args(argv)
    from sre.io.trials import write_trials

    write_trials(args.trials, make_trials(args.data_dir, args.seed, args.max_targets, args.nontargets_per_target))
    say(f"{args.trials}: SHA-256 {sha256_file(args.trials)}")


if __name__ == "__main__":
    run(main)
