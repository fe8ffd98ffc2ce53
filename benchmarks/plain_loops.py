"""The training of two known systems as their authors' scripts have it, in a plain loop: PyTorch in float32 on a CPU.

python -m benchmarks.plain_loops dvector ../shared/corpora/ko-fbank40/train --seed 1 --seconds 390 OUT/network.pt

dvector: Y. Jung, SpeakerRecognition_tutorial, train.py and enroll.py. blstm: Q. Wang, SpeakerRecognitionFromScratch,
neural_net.py, feature_extraction.py and evaluation.py as of 2024, without SpecAugment, as its myconfig.py has it.
Batch, crop, optimiser, rate, sampler and validation are theirs. Memory format, allocator and threads are torch's own.
The features are read into memory before the clock starts; there, files are read again for each chunk.
Written are the network's weights, and beside them, as JSON, what was done. benchmarks/originals.py calls this.

Shapes: B batch, T frames, F features, D embedding.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.cli.arguments import Parser, input_folder, output_file
from sre.cli.arguments import number as bounded
from sre.cli.arguments import seed as whole_seed
from sre.features.store import FeatureStore
from sre.io.atomic import atomic_output, write_json
from sre.io.tables import read_utt2spk
from sre.machine.log import run, say
from sre.models import build
from sre.models.base import Network

FEATURES = 40  # F
CROP = 100  # frames of a training chunk, in both
HELD_OUT = 0.1  # dvector: share of the utterances for validation
CHUNKS, VALIDATED = 64, 16  # dvector: a batch of training, and of validation
TRIPLETS, ALPHA = 8, 0.1  # blstm: a batch, and the margin
WINDOW, STEP = 100, 50  # blstm: frames of a window in use, and from one to the next
ENROL, TEST = 200, 100  # dvector: frames of a piece in use
Speech = Sequence[np.ndarray]  # (T, F) of each utterance


@dataclass
class Done:
    """What a loop did in its seconds. epochs and rate_cuts are the d-vector's."""

    seconds: float
    steps: int = 0
    chunks: int = 0
    frames: int = 0
    epochs: int = 0
    kept_epoch: int = 0
    rate_cuts: int = 0

    def count(self, batch: Tensor) -> None:
        """Count a step on a (B, T, F) batch."""
        self.steps, self.chunks, self.frames = (
            self.steps + 1,
            self.chunks + len(batch),
            self.frames + batch[..., 0].numel(),
        )


def crop(feats: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return CROP frames of (T, F) from a random place; a short utterance is repeated first."""
    feats = np.tile(feats, (-(-CROP // len(feats)), 1))
    start = draw.integers(len(feats) - CROP + 1)
    return feats[start : start + CROP]


def train_dvector(network: Network, feats: Speech, labels: np.ndarray, seed: int, seconds: float) -> Done:
    """Train as the tutorial does; the weights are those of the epoch with the lowest validation loss, which it prints.

    labels : (N,) class of each utterance
    Softmax on crops of 100 frames, all utterances but a random tenth in a new order; SGD, whose rate falls to a tenth
    when the loss on that tenth, whole utterances, has not fallen for two epochs. An epoch that the end of the time cuts
    is not kept.
    """
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(feats))
    train, held_out = np.split(order, [len(order) - int(HELD_OUT * len(order))])
    classifier = nn.Linear(network.embedding_dim, int(labels.max()) + 1)
    optimizer = torch.optim.SGD([*network.parameters(), *classifier.parameters()], 0.1, momentum=0.9, weight_decay=1e-4)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2, min_lr=1e-4)
    done, begun, lowest, kept = Done(seconds), time.perf_counter(), np.inf, network.state_dict()
    while True:
        network.train()
        shuffled = draw.permutation(train)
        for rows in np.split(shuffled, range(CHUNKS, len(shuffled), CHUNKS)):
            chunks = torch.from_numpy(np.stack([crop(feats[row], draw) for row in rows]))
            loss = functional.cross_entropy(classifier(network(chunks)), torch.from_numpy(labels[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done.count(chunks)
            if time.perf_counter() - begun > seconds:
                network.load_state_dict(kept)
                done.seconds = time.perf_counter() - begun
                return done
        loss_now = validation_loss(network, classifier, [feats[row] for row in held_out], labels[held_out])
        rate = optimizer.param_groups[0]["lr"]
        plateau.step(loss_now)
        done.epochs += 1
        done.rate_cuts += optimizer.param_groups[0]["lr"] < rate
        say(f"epoch {done.epochs}: validation loss {loss_now:.3f}, rate {rate:g}, {time.perf_counter() - begun:.0f} s")
        if loss_now < lowest:
            lowest, done.kept_epoch = loss_now, done.epochs
            kept = {name: value.clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def validation_loss(network: Network, classifier: nn.Module, feats: Speech, labels: np.ndarray) -> float:
    """Return the mean loss of whole utterances, 16 at a time, of which the shorter ones are repeated to the longest."""
    network.eval()
    total = 0.0
    for first in range(0, len(feats), VALIDATED):
        some = feats[first : first + VALIDATED]
        longest = max(map(len, some))
        batch = np.stack([np.tile(one, (-(-longest // len(one)), 1))[:longest] for one in some])
        logits = classifier(network(torch.from_numpy(batch)))
        total += float(functional.cross_entropy(logits, torch.from_numpy(labels[first:][: len(some)]), reduction="sum"))
    return total / len(feats)


def train_blstm(network: Network, feats: Speech, labels: np.ndarray, seed: int, seconds: float) -> Done:
    """Train as Speaker Recognition From Scratch does: Adam at 1e-4, eight triplets drawn afresh for each step."""
    draw = np.random.default_rng(seed)
    utts = [np.flatnonzero(labels == speaker) for speaker in range(int(labels.max()) + 1)]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    done, begun = Done(seconds), time.perf_counter()
    network.train()
    while time.perf_counter() - begun < seconds:
        rows = [row for _ in range(TRIPLETS) for row in triplet(utts, draw)]
        chunks = torch.from_numpy(np.stack([crop(feats[row], draw) for row in rows]))
        optimizer.zero_grad()
        triplet_loss(network(chunks)).backward()
        optimizer.step()
        done.count(chunks)
    done.seconds = time.perf_counter() - begun
    return done


def triplet(utts: Sequence[np.ndarray], draw: np.random.Generator) -> Iterator[int]:
    """Yield two utterances of a random speaker that has two, and one of another, of those of each speaker."""
    first, second = draw.choice(len(utts), 2, replace=False)
    while len(utts[first]) < 2:
        first, second = draw.choice(len(utts), 2, replace=False)
    yield from draw.choice(utts[first], 2, replace=False)
    yield draw.choice(utts[second])


def triplet_loss(embeddings: Tensor) -> Tensor:
    """Return the mean loss of triplets, three rows each of (3 N, D): anchor, positive, negative."""
    anchor, positive, negative = embeddings.reshape(-1, 3, embeddings.shape[1]).unbind(dim=1)
    cosine = functional.cosine_similarity
    return (cosine(anchor, negative) - cosine(anchor, positive) + ALPHA).relu().mean()


@torch.no_grad()
def embed_dvector(network: Network, feats: np.ndarray, frames: int = TEST) -> np.ndarray:
    """Return the sum, of length 1, of the d-vectors of an utterance's pieces, the last of which is shorter."""
    pieces = np.split(feats, range(frames, len(feats), frames))
    total = sum(network.embed(torch.from_numpy(piece[None])) for piece in pieces)
    return functional.normalize(total, eps=1e-5)[0].numpy()


@torch.no_grad()
def embed_blstm(network: Network, feats: np.ndarray) -> np.ndarray:
    """Return the mean of the outputs for the windows that fit into an utterance of at least one window."""
    starts = range(0, len(feats) - WINDOW + 1, STEP)
    windows = np.stack([feats[start : start + WINDOW] for start in starts])
    return network(torch.from_numpy(windows)).mean(dim=0).numpy()


TRAIN = {"dvector": train_dvector, "blstm": train_blstm}
ARCHITECTURE = {"dvector": "dvector_resnet18", "blstm": "blstm"}


def load(system: str, path: Path) -> Network:
    """Return a trained network, to embed utterances."""
    network = build(ARCHITECTURE[system], FEATURES, {})
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def read_speech(data: Path) -> tuple[list[str], Speech]:
    """Return the utterances of a data directory, sorted, and their features as they are."""
    store = FeatureStore(data / "feats.scp")
    utts = sorted(store.places)
    return utts, [store.load(utt) for utt in utts]


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("system", choices=TRAIN, help="which of the two")
    parser.add_argument("data", type=input_folder, help="data directory with feats.scp, 100 frames a second")
    parser.add_argument("--seed", type=whole_seed, default=1, help="of weights, order, crops and triplets (default: 1)")
    parser.add_argument("--seconds", type=bounded(1, 1e6), default=390, help="so long it trains (default: 390)")
    parser.add_argument("out", type=output_file, help="the weights, network.pt; network.json stands beside it")
    args = parser.parse_args(argv)
    utts, feats = read_speech(args.data)
    utt2spk = read_utt2spk(args.data / "utt2spk")
    labels = np.unique([utt2spk[utt] for utt in utts], return_inverse=True)[1]
    torch.manual_seed(args.seed)
    network = build(ARCHITECTURE[args.system], FEATURES, {})
    done = TRAIN[args.system](network, feats, labels, args.seed, args.seconds)
    with atomic_output(args.out, "wb") as file:
        torch.save(network.state_dict(), file)
    write_json(args.out.with_suffix(".json"), asdict(done))


if __name__ == "__main__":
    run(main)
