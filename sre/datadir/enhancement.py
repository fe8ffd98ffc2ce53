"""The lists of S. Jung's Speaker embedding enhancement, for those who train or test by them elsewhere.

What is drawn for an utterance or a speaker depends on the seed, its name and the data, not on their order.
"""

from collections.abc import Mapping, Sequence

from sre.datadir.draws import Draw
from sre.io.tables import invert

EACH = 4  # pairs of an utterance with its own speaker, and as many with others: Jung's


def pairs_to_test(utt2spk: Mapping[str, str], seed: int = 1) -> list[tuple[str, str, bool]]:
    """Return (utterance, another, whether of one speaker): for each at most EACH of its speaker, and EACH of others.

    No pair is there twice, in either order.
    """
    everyone, of_speaker = sorted(utt2spk), invert(utt2spk)
    found: dict[tuple[str, str], bool] = {}
    for utt in everyone:
        draw, speaker = Draw("test pairs", seed, utt), utt2spk[utt]
        own = [other for other in draw.shuffled(of_speaker[speaker]) if other != utt]
        drawn = draw.distinct(min(len(everyone), 8 * EACH), len(everyone))
        others = [other for place in drawn if utt2spk[other := everyone[place]] != speaker]
        for some, same in ((own, True), (draw.shuffled(others), False)):
            pairs = [(min(utt, other), max(utt, other)) for other in some]
            found |= dict.fromkeys([pair for pair in pairs if pair not in found][:EACH], same)
    return [(*pair, same) for pair, same in found.items()]


def triplets(utt2spk: Mapping[str, str], seed: int = 1) -> list[tuple[str, str, str]]:
    """Return (speaker, utterance, another speaker), a line an utterance. None where there is one speaker."""
    speakers = sorted(set(utt2spk.values()))
    found = []
    for utt, speaker in sorted(utt2spk.items()):
        drawn = [
            speakers[place] for place in Draw("triplets", seed, utt).distinct(min(2, len(speakers)), len(speakers))
        ]
        other = next((one for one in drawn if one != speaker), None)
        found += [(speaker, utt, other)] if other else []
    return found


def session_pairs(
    utt2spk: Mapping[str, str], sessions: Mapping[str, str], seed: int = 1
) -> list[tuple[str, str, str, bool]]:
    """Return (speaker, utterance, another of it, whether of one session): of each speaker as many within as across.

    An utterance is in at most one pair of each kind. A speaker without a pair of one of the kinds has no line.
    """
    found = []
    for speaker, utts in invert(utt2spk).items():
        draw = Draw("session pairs", seed, speaker)
        groups = [draw.shuffled(group) for group in invert({utt: sessions[utt] for utt in utts}).values()]
        within = [pair for group in groups for pair in zip(group[::2], group[1::2], strict=False)]
        across = _across(groups)
        count = min(len(within), len(across))
        for kind, same in ((within, True), (across, False)):
            found += [(speaker, *pair, same) for pair in draw.shuffled(kind)[:count]]
    return found


def _across(groups: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Return pairs of two groups, each member in one pair at most: always of the two with the most left."""
    left = [list(group) for group in groups]
    found = []
    while len(left := sorted(filter(None, left), key=len)) > 1:
        found.append((left[-1].pop(), left[-2].pop()))
    return found
