"""What is kept from the gradient: some speakers altogether (for EER), some utterances of the others (for accuracy)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.io.tables import invert
from sre.losses.base import Head
from sre.metrics.rates import eer
from sre.models.base import Network
from sre.training.held_out import HOLD_OUT_SEED, held_out_speakers

MOST_HELD_OUT = 20  # utterances of a speaker


@dataclass
class Partition:
    """The utterances by their use.

    speakers : those that are trained, in the order of their class indices
    train, valid : utterances of `speakers`, to train on and for accuracy
    held_out : utterances of other speakers, for EER
    """

    speakers: list[str]
    train: list[str]
    valid: list[str]
    held_out: list[str]


def partition(
    utt2spk: Mapping[str, str],
    speakers: int,
    utterances: int,
    everyone: Mapping[str, str] | None = None,
    originals: Mapping[str, str] = {},
) -> Partition:
    """Hold out `speakers` speakers (at least 2, or 0) and `utterances` utterances of each other speaker.

    A speaker gives utterances only if at least two remain; a held-out one has at least two, and gives at most
    MOST_HELD_OUT. They are chosen among `everyone`, the data before any filter: those of the development list.
    originals : distorted copy -> the utterance that it is a copy of. Copies are trained on and nothing else: not those
        of held-out speakers or utterances.
    Raises SreError if fewer than two speakers would be left to train on.
    """
    draw = np.random.default_rng(HOLD_OUT_SEED)
    everyone = {utt: speaker for utt, speaker in (everyone or utt2spk).items() if utt not in originals}
    held = held_out_speakers(everyone, speakers, draw)
    spk2utt = invert({utt: speaker for utt, speaker in utt2spk.items() if utt not in originals})
    parts = Partition([speaker for speaker in invert(utt2spk) if speaker not in held], [], [], [])
    if len(parts.speakers) < 2:
        raise SreError(
            f"{len(parts.speakers)} training speakers are left after the filters, {len(held)} are held out; at least 2"
            " are needed: add data, or lower validation.speakers"
        )
    for speaker, utts in spk2utt.items():
        utts = [utts[i] for i in draw.permutation(len(utts))]
        if speaker in held:
            parts.held_out += sorted(utts[:MOST_HELD_OUT]) if len(utts) >= 2 else []
        else:
            spared = utterances if len(utts) >= utterances + 2 else 0
            parts.valid += utts[:spared]
            parts.train += utts[spared:]
    spared_too = {*parts.valid, *(utt for utt, speaker in utt2spk.items() if speaker in held)}
    parts.train += [utt for utt in utt2spk if utt in originals and originals[utt] not in spared_too]
    parts.train.sort(), parts.valid.sort()
    return parts


@torch.inference_mode()
def accuracy(network: Network, head: Head, chunks: Tensor, labels: Tensor) -> float:
    """Return the per cent of (N, T, F) chunks whose largest logit, without margin, is their speaker's, (N,)."""
    right = 0
    for part, truth in zip(chunks.split(64), labels.split(64), strict=True):
        _, logits = head(network(part), truth)
        right += int((logits.argmax(dim=1) == truth).sum())
    return 100 * right / len(labels)


@torch.inference_mode()
def held_out_eer(network: Network, chunks: Tensor, speakers: np.ndarray) -> float:
    """Return the EER in per cent of cosine over all pairs of (N, T, F) chunks of held-out speakers, (N,) names.

    Raises SreError as `eer` does, e.g. for embeddings that are not finite or all equal.
    """
    embeddings = torch.cat([network.embed(part) for part in chunks.split(64)]).float()
    unit = torch.nn.functional.normalize(embeddings - embeddings.mean(dim=0)).cpu().double().numpy()
    first, second = np.triu_indices(len(unit), 1)
    scores = (unit @ unit.T)[first, second]
    return 100 * eer(scores, speakers[first] == speakers[second])[0]
