"""Which utterances go into which part: by shares, by a number of each speaker, by lists of speakers.

What is dealt out is a unit: a speaker with all utterances, a session of a speaker, or an utterance. Each function
returns part -> its utterances in bytewise order; a part is never empty.
"""

from collections.abc import Collection, Iterable, Mapping

from sre import SreError
from sre.datadir.draws import Draw
from sre.io.ids import check_known
from sre.io.tables import invert

Parts = dict[str, list[str]]
Unit = list[str]  # utterances that stay together
LEAST = 1e-9  # of a unit: less is rounding


def split_by_shares(
    utt2spk: Mapping[str, str],
    shares: Mapping[str, float],
    *,
    by: str = "speaker",
    sessions: Mapping[str, str] | None = None,
    strata: Mapping[str, str] | None = None,
    seed: int = 1,
) -> Parts:
    """Deal units to parts so that each has its share of them, in the whole and in each stratum, to one unit.

    shares : above 0, of the number of units; what they leave of 1 goes to no part
    by : "speaker", a speaker is in one part; "session", a speaker's session is, by `sessions`; "utterance". The latter
        two deal out each speaker by itself, so that a speaker with enough of them is in every part
    strata : speaker -> value, or utterance -> value if by is not "speaker"; what has no value is a stratum of its own
    Raises SreError where the shares are more than 1, a session is unknown, or a part would be empty.
    """
    if sum(shares.values()) > 1 + LEAST or min(shares.values()) <= 0:
        raise SreError(f"the shares are {_told(shares)}; each must be above 0, and their sum at most 1")
    if by == "session" and (lost := sorted(utt for utt in utt2spk if utt not in (sessions or {}))):
        raise SreError(
            f"{len(lost)} utterances have no session, e.g. {lost[0]}; write utt2session, or split by utterance"
        )
    groups: dict[tuple[str, ...], list[Unit]] = {}
    for speaker, utts in invert(utt2spk).items():
        if by == "speaker":
            groups.setdefault(("", (strata or {}).get(speaker, "")), []).append(utts)
            continue
        for unit in _units(utts, by, sessions or {}):
            groups.setdefault((speaker, (strata or {}).get(unit[0], "")), []).append(unit)
    parts: Parts = {name: [] for name in shares}
    given = dict.fromkeys([*shares, ""], 0)  # "" is the part of what is left of 1
    wanted = {**shares, "": max(0.0, 1 - sum(shares.values()))}
    seen = 0
    for key in Draw("split", seed).shuffled(sorted(groups)):
        for unit in Draw("split", seed, *key).shuffled(groups[key]):
            seen += 1
            name = max(wanted, key=lambda name: (wanted[name] * seen - given[name], wanted[name]))
            given[name] += 1
            if name:
                parts[name] += unit
    return _filled(parts, f"{seen} {by}s", f"the shares {_told(shares)}")


def _units(utts: list[str], by: str, sessions: Mapping[str, str]) -> list[Unit]:
    if by == "utterance":
        return [[utt] for utt in utts]
    return list(invert({utt: sessions[utt] for utt in utts}).values())


def split_by_counts(utt2spk: Mapping[str, str], counts: Mapping[str, int], rest: str | None, seed: int = 1) -> Parts:
    """Draw so many utterances of each speaker for each part; what is left of a speaker goes to the part `rest`.

    A speaker with fewer utterances than all counts goes to `rest` as a whole; without a rest, to no part.
    Raises SreError where a part would be empty.
    """
    parts = _empty(counts, rest)
    speakers = invert(utt2spk)
    for speaker, utts in speakers.items():
        left = Draw("split", seed, speaker).shuffled(utts)
        if len(left) >= sum(counts.values()):
            for name, count in counts.items():
                parts[name] += left[:count]
                left = left[count:]
        elif rest is None:
            continue
        if rest is not None:
            parts[rest] += left
    return _filled(parts, f"{len(utt2spk)} utterances of {len(speakers)} speakers", f"of each speaker {_told(counts)}")


def split_by_speakers(utt2spk: Mapping[str, str], lists: Mapping[str, Collection[str]], rest: str | None) -> Parts:
    """Give each part the utterances of its speakers, and `rest` those of all others.

    Raises SreError for a speaker that is not there or in two lists, and where a part would be empty.
    """
    part_of: dict[str, str] = {}
    known = set(utt2spk.values())
    for name, speakers in lists.items():
        check_known(f"the speakers of {name}", speakers, known, "the data directory")
        if twice := sorted(speaker for speaker in speakers if speaker in part_of):
            raise SreError(
                f"{len(twice)} speakers of {name} are also in another part, e.g. {twice[0]} in {part_of[twice[0]]};"
                " take them out of one list"
            )
        part_of |= dict.fromkeys(speakers, name)
    parts = _empty(lists, rest)
    for utt, speaker in utt2spk.items():
        if part := part_of.get(speaker, rest):
            parts[part].append(utt)
    return _filled(parts, f"{len(known)} speakers", "the lists of speakers")


def split_evenly(utt2spk: Mapping[str, str], count: int, by: str = "speaker") -> Parts:
    """Return parts 1 … count of about equal numbers of utterances.

    "speaker" keeps a speaker in one part (the largest speakers first, each to the smallest part), "utterance" cuts the
    sorted list. Raises SreError where there are fewer speakers (utterances) than parts.
    """
    groups = invert(utt2spk) if by == "speaker" else {utt: [utt] for utt in sorted(utt2spk)}
    if not 0 < count <= len(groups):
        raise SreError(f"{count} parts were asked of {len(groups)} {by}s; ask for 1 to {len(groups)}")
    if by == "speaker":
        shares: list[list[str]] = [[] for _ in range(count)]
        for speaker in sorted(groups, key=lambda speaker: (-len(groups[speaker]), speaker)):
            min(shares, key=len).extend(groups[speaker])
    else:
        utts = list(groups)
        shares = [utts[len(utts) * i // count : len(utts) * (i + 1) // count] for i in range(count)]
    return {str(number): sorted(share) for number, share in enumerate(shares, 1)}


def speakers_of_part(speakers: Iterable[str], part: int, of: int, seed: int = 1) -> set[str]:
    """Return the `part`-th of so many parts of speakers, which differ by at most one speaker, drawn by the seed.

    Raises SreError where it would be empty, or there is no such part.
    """
    everyone = sorted(set(speakers))
    if not 0 < part <= min(of, len(everyone)):
        raise SreError(f"part {part} of {of} parts of {len(everyone)} speakers is none, or empty; ask for another part")
    return set(Draw("part of speakers", seed).shuffled(everyone)[part - 1 :: of])


def _empty(names: Iterable[str], rest: str | None) -> Parts:
    return {name: [] for name in [*names, *([] if rest is None else [rest])]}


def _filled(parts: Parts, source: str, asked: str) -> Parts:
    if empty := [name for name, utts in parts.items() if not utts]:
        raise SreError(f"{source} are too few for {asked}: nothing is left for {', '.join(empty)}; ask for less")
    return {name: sorted(utts) for name, utts in parts.items()}


def _told(asked: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in asked.items())
