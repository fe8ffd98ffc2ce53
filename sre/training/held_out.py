"""Speakers that networks are not trained on: for validation, and for the development list."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

HOLD_OUT_SEED = 0  # fixed: every model and every seed of a recipe is judged on the same speakers


def held_out_speakers(utt2spk: Mapping[str, str], speakers: int, draw: np.random.Generator | None = None) -> set[str]:
    """Draw `speakers` speakers among those with at least two utterances.

    Never more than half of them; an empty set if that leaves fewer than two.
    """
    draw = draw or np.random.default_rng(HOLD_OUT_SEED)
    able = [speaker for speaker, count in sorted(Counter(utt2spk.values()).items()) if count >= 2]
    order = draw.permutation(len(able))
    speakers = min(speakers, len(able) // 2)
    return {able[i] for i in order[:speakers]} if speakers >= 2 else set()
