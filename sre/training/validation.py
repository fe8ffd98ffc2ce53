"""What is kept from the gradient: some speakers altogether (for EER), some utterances of the others (for accuracy)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.datadir.parts import speakers_of_part
from sre.io.name_tables import Labels, present
from sre.losses.base import Head
from sre.metrics.rates import eer
from sre.training.held_out import FIFTH, HALF, HOLD_OUT_SEED, able_speakers, held_out_speakers
from sre.training.options import SpeakerPart

MOST_HELD_OUT = 20  # utterances of a speaker


@dataclass
class Partition:
    """The utterances by their use.

    speakers : those that are trained, in the order of their class indices
    train, valid : utterances of `speakers`, to train on and for accuracy
    held_out : utterances of other speakers, for EER
    fewer : why fewer speakers are held out than were asked for; "": there are not
    short : of how many of `speakers` fewer utterances are held out than were asked for
    """

    speakers: list[str]
    train: Sequence[str]
    valid: list[str]
    held_out: list[str]
    fewer: str = ""
    short: int = 0


def partition(
    utt2spk: Mapping[str, str],
    speakers: int,
    utterances: int,
    everyone: Mapping[str, str] | None = None,
    originals: Mapping[str, str] = {},
    development: bool = False,
) -> Partition:
    """Hold out `speakers` speakers (at least 2, or 0) and `utterances` utterances of each other speaker.

    At most a fifth of the speakers is held out, and of a speaker's utterances. A held-out speaker has at least two, and
    gives at most MOST_HELD_OUT. They are chosen among `everyone`, the data before any filter.
    development : the speakers are those of a development list, which takes up to half of them
    originals : distorted copy -> the utterance that it is a copy of. Copies are trained on and nothing else: not those
        of held-out speakers or utterances.
    Raises SreError if fewer than two speakers would be left to train on.
    """
    draw = np.random.default_rng(HOLD_OUT_SEED)
    everyone = without_copies(everyone or utt2spk, originals)
    held = held_out_speakers(everyone, speakers, draw, HALF if development else FIFTH)
    table = utt2spk if isinstance(utt2spk, Labels) else Labels.of(utt2spk)
    table = table.take(table.names.sorted_rows())
    names, codes = table.names, table.codes
    own = ~present(table, originals) if originals else np.ones(len(table), bool)
    labels = sorted((table.labels[code], code) for code in np.unique(codes).tolist())
    trained = [speaker for speaker, _ in labels if speaker not in held]
    if len(trained) < 2:
        raise SreError(
            f"{len(trained)} training speakers are left after the filters, {len(held)} are held out; at least 2"
            " are needed: add data, or lower validation.speakers"
        )
    none = np.empty(0, np.int64)
    train, valid, held_out = [none], [none], [none]  # rows, which ascend with the utterances' names
    short = 0
    order = np.flatnonzero(own)
    order = order[np.argsort(codes[order], kind="stable")]
    ends = np.cumsum(np.bincount(codes[own], minlength=len(table.labels)))
    for speaker, code in labels:
        rows = order[ends[code - 1] if code else 0 : ends[code]]
        if not len(rows):
            continue
        rows = rows[draw.permutation(len(rows))]
        if speaker in held:
            held_out.append(np.sort(rows[:MOST_HELD_OUT]) if len(rows) >= 2 else none)
        else:
            spared = min(utterances, len(rows) // FIFTH)
            short += spared < utterances
            valid.append(rows[:spared])
            train.append(rows[spared:])
    train.append(_copies(table, np.flatnonzero(~own), originals, np.concatenate(valid), held))
    used = [np.sort(np.concatenate(train)), np.sort(np.concatenate(valid)), np.concatenate(held_out)]
    in_training, of_trained, of_held = (names.take(rows) for rows in used)
    fewer = "" if development or len(held) >= speakers else _fewer(speakers, len(able_speakers(everyone)))
    return Partition(trained, in_training, list(of_trained), list(of_held), fewer, short)


def without_copies(utt2spk: Mapping[str, str], originals: Mapping[str, str]) -> Mapping[str, str]:
    """Return the utterances that are no distorted copies."""
    return {utt: speaker for utt, speaker in utt2spk.items() if utt not in originals} if originals else utt2spk


def speakers_read(
    part: SpeakerPart | None,
    utt2spk: Mapping[str, str],
    speakers: int,
    originals: Mapping[str, str] = {},
    development: bool = False,
) -> set[str] | None:
    """Return the speakers of a part, and all that `partition` holds out, of whatever part they are; None: all.

    So models of different parts are judged on the same speakers.
    """
    if part is None:
        return None
    everyone = without_copies(utt2spk, originals)
    held = held_out_speakers(everyone, speakers, share=HALF if development else FIFTH)
    return held | speakers_of_part(everyone.values(), part.part, part.of, part.seed)


def _fewer(asked: int, able: int) -> str:
    """Return why fewer speakers are held out than were asked for, of `able` ones with two utterances."""
    share = able // FIFTH
    if asked < 2:
        return f"no speaker is held out: an EER needs 2, and validation.speakers is {asked}"
    if share < 2:
        return f"no speaker is held out: an EER needs 2, and a fifth of {able} speakers is {share}"
    return f"{share} speakers are held out, a fifth of {able}, in place of validation.speakers {asked}"


def _copies(
    utt2spk: Labels, copies: np.ndarray, originals: Mapping[str, str], valid: np.ndarray, held: set[str]
) -> np.ndarray:
    """Return the rows of copies that are trained on: not of `valid` utterances, nor of held-out speakers."""
    spared = np.array([label in held for label in utt2spk.labels], bool)[utt2spk.codes]
    spared[valid] = True
    rows = copies.tolist()
    sources = [utt2spk.names.find(originals[utt2spk.names[row]]) for row in rows]
    trained = [row for row, of in zip(rows, sources, strict=True) if not spared[row] and (of < 0 or not spared[of])]
    return np.array(trained, np.int64)


@torch.inference_mode()
def loss_and_accuracy(
    head: Head, embeddings: Tensor, labels: Tensor, inputs: Tensor | None = None
) -> tuple[float, float]:
    """Return the mean loss of (N, D) embeddings, and the per cent whose largest logit is their speaker's, (N,).

    Both are without margin, whose schedule would move the loss.
    inputs : (N, F), what the network got, of a loss that needs_inputs
    """
    total, right, margin = 0.0, 0, head.margin
    head.margin = 0.0
    for rows in torch.arange(len(labels), device=labels.device).split(64):
        truth = labels[rows]
        loss, logits = head(embeddings[rows], truth, None if inputs is None else inputs[rows])
        total += float(loss) * len(truth)
        right += int((logits.argmax(dim=1) == head.targets(truth)).sum())
    head.margin = margin
    return total / len(labels), 100 * right / len(labels)


def held_out_eer(embeddings: Tensor, speakers: np.ndarray) -> float:
    """Return the EER in per cent of cosine over all pairs of (N, D) embeddings of held-out speakers, (N,) names.

    Raises SreError as `eer` does, e.g. for embeddings that are not finite or all equal.
    """
    unit = torch.nn.functional.normalize(embeddings - embeddings.mean(dim=0)).cpu().double().numpy()
    first, second = np.triu_indices(len(unit), 1)
    scores = (unit @ unit.T)[first, second]
    return 100 * eer(scores, speakers[first] == speakers[second])[0]
