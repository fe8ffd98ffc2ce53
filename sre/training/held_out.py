"""Speakers that networks are not trained on: for validation, and for the development list."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

HOLD_OUT_SEED = 0  # fixed: every model and every seed of a recipe is judged on the same speakers
HALF, FIFTH = 2, 5  # what of the speakers may go to a development list, and to validation


def able_speakers(utt2spk: Mapping[str, str]) -> list[str]:
    """Return the speakers with at least two utterances, sorted: those that can be held out."""
    return [speaker for speaker, count in sorted(Counter(utt2spk.values()).items()) if count >= 2]


def held_out_speakers(
    utt2spk: Mapping[str, str], speakers: int, draw: np.random.Generator | None = None, share: int = HALF
) -> set[str]:
    """Draw `speakers` speakers among those with at least two utterances.

    Never more than 1 / `share` of them; an empty set if that leaves fewer than two, of which there is no EER. More
    speakers, or a larger share, give a superset.
    """
    draw = draw or np.random.default_rng(HOLD_OUT_SEED)
    able = able_speakers(utt2spk)
    order = draw.permutation(len(able))
    speakers = min(speakers, len(able) // share)
    return {able[i] for i in order[:speakers]} if speakers >= 2 else set()
