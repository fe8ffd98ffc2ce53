"""A trained network on a device, and what it makes of features. Loads nothing that reads files of features.

Shapes: B batch, T frames, F features, D embedding.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.extraction.inference import for_inference
from sre.extraction.pieces import Pieces
from sre.features.types import EMBEDDINGS, FEATURE_TYPES, vad_listens
from sre.io.tensor_file import CURE
from sre.io.text import canonical
from sre.machine.device import choose_device, choose_precision, memory_format
from sre.models import ARCHITECTURES, build
from sre.models import bundle as bundles
from sre.models.base import Network

BATCH_FRAMES = {"cpu": 2_000, "cuda": 100_000}
WHOLE = Pieces()


class Made(Protocol):
    """Features that were made: where, and with which config."""

    scp: Path
    config: dict[str, Any]


class Embedder:
    """A trained bundle (final.pt) on a device, in evaluation mode.

    precision : see `for_inference`; "auto" is bf16 where the hardware multiplies it, else fp32
    bundle : what is in the file, of one that is no final.pt
    """

    def __init__(
        self,
        bundle_path: str | Path,
        device: str | torch.device = "auto",
        precision: str = "fp32",
        bundle: bundles.Bundle | None = None,
    ) -> None:
        bundle = bundle or bundles.load_bundle(bundle_path)
        self.path = Path(bundle_path)
        self.device = choose_device(device) if isinstance(device, str) else device
        self.config, self.feature_config = bundle.config, bundle.feature_config
        self.num_features = bundle.num_features
        self.of_vectors = bundle.feature_config.get("type") == EMBEDDINGS  # of one frame, which is not cut
        self.network = network_of(bundle, self.path)
        self.network.eval().to(self.device).to(memory_format=memory_format(self.network))
        self.precision = choose_precision(precision, self.device)
        self.dtype = for_inference(self.network, self.precision, self.device)

    def check(self, store: Made) -> None:
        """Raise SreError where features were made with another config than the network was trained on."""
        if store.config != self.feature_config:
            raise SreError(
                f"{store.scp}: its features' config differs from the one {self.path} was trained on"
                f" ({_differing(store.config, self.feature_config)}); {_cure(self.feature_config, self.path)}"
            )

    def embed(self, batch: Tensor) -> Tensor:
        """Return the embeddings of features of equal length, (B, T, F) -> (B, D) float32."""
        return self.begin(batch)()

    @torch.inference_mode()
    def begin(self, batch: Tensor) -> Callable[[], Tensor]:
        """Begin to embed features of equal length, (B, T, F); what is returned waits for the (B, D) float32.

        On a GPU the host goes on at once where the batch is in pinned memory; on a CPU nothing is left to wait for.
        """
        torch.get_num_threads()  # makes a thread that never asked keep PyTorch's number of threads, in oneDNN too
        on_device = batch.to(self.device, non_blocking=True).to(self.dtype)  # the GPU rounds, and not the host
        made = self.network.embed(on_device).float()
        if self.device.type == "cpu":
            return lambda: made
        on_host = torch.empty(made.shape, pin_memory=True).copy_(made, non_blocking=True)
        done = torch.cuda.Event()
        done.record()

        def waited() -> Tensor:
            done.synchronize()
            return on_host

        return waited

    def utterance(self, feats: np.ndarray, pieces: Pieces = WHOLE) -> np.ndarray:
        """Return the embedding of an utterance, (T, F) -> (D,) float32.

        By default it is the mean of those of pieces of at most PIECE_FRAMES, weighted by their frames, so that memory
        is bounded; (N, D) where `pieces` keeps all. Pieces of equal length share batches of at most BATCH_FRAMES.
        """
        if self.of_vectors:
            return self.embed(batch_of([feats]))[0].numpy()
        feats = pieces.fitted(feats)
        spans = pieces.spans(len(feats))
        found: dict[int, np.ndarray] = {}  # by number
        for frames in dict.fromkeys(frames for _, frames in spans):
            numbers = [number for number, (_, length) in enumerate(spans) if length == frames]
            most = max(1, BATCH_FRAMES[self.device.type] // frames)
            for some in (numbers[at : at + most] for at in range(0, len(numbers), most)):
                batch = batch_of([feats[spans[number][0] :][:frames] for number in some])
                found |= zip(some, self.embed(batch).numpy(), strict=True)
        return pieces.join([found[number] for number in range(len(spans))], [frames for _, frames in spans])


def batch_of(pieces: Sequence[np.ndarray], pinned: bool = False) -> Tensor:
    """Return features of equal length as a batch, N x (T, F) -> (N, T, F) float32.

    In torch's own memory, whose start is aligned: products of numpy's may differ in their last digits.
    """
    batch = torch.empty((len(pieces), *pieces[0].shape), pin_memory=pinned)
    np.stack(pieces, out=batch.numpy())
    return batch


def _differing(made: Mapping, wanted: Mapping) -> str:
    """Return where two configs differ: 'num_mel_bins 40 here, 80 there'."""
    keys = [key for key in {**wanted, **made} if made.get(key, "nothing") != wanted.get(key, "nothing")]
    told = [f"{key} {made.get(key, 'nothing')} here, {wanted.get(key, 'nothing')} there" for key in keys]
    return "; ".join(told[:3]) + f" and {len(told) - 3} more" * (len(told) > 3)


def _cure(wanted: Mapping, bundle: Path) -> str:
    """Return a command that can be pasted, where a step makes such features."""
    if wanted.get("type") == EMBEDDINGS:
        return f"give embeddings of '{wanted['of']}' with {wanted['dimension']} values by --feats, as it was trained on"
    if wanted.get("type") not in FEATURE_TYPES:
        return f"it takes a feats.scp from elsewhere, as it was trained on, by --feats ({canonical(wanted)})"
    vad = (
        ", then steps.compute_vad" + " (with --data DATA_DIR)" * vad_listens(wanted) + "," if wanted.get("vad") else ""
    )
    command = f"python -m steps.make_features {wanted['type']} DATA_DIR OUT_DIR --config {shlex.quote(str(bundle))}"
    return f"make them by {command}{vad} and give --feats"


def network_of(bundle: bundles.Bundle, path: Path) -> Network:
    """Return the network with its weights. Raises SreError where they are not the architecture's."""
    name = bundle.config["architecture"]
    if name not in ARCHITECTURES:
        nearest = get_close_matches(name, ARCHITECTURES, 1, 0)[0]
        raise SreError(f"{path}: its architecture '{name}' is unknown here, the nearest is {nearest}; update sre")
    try:
        network = build(name, bundle.num_features, bundle.config["options"])
        network.load_state_dict(bundle.network)
    except Exception as error:  # constructors and PyTorch raise many kinds for options and weights of another form
        reason = " ".join(str(error).split())[:200]
        raise SreError(f"{path}: its options or weights are not those of {name} ({reason}); {bundles.CURE}") from None
    return network


def check_shapes(bundle: bundles.Bundle, path: Path) -> None:
    """Raise SreError where an architecture with these options has other weights, before memory is taken for them."""
    with torch.device("meta"):
        try:
            network = build(bundle.config["architecture"], bundle.num_features, bundle.config["options"])
        except Exception:  # constructors raise many kinds; the embedder says what is wrong
            return
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if odd := sorted(wanted.keys() ^ bundle.network.keys()):
        what = "lacks" if odd[0] in wanted else "has besides"
        raise SreError(f"{path}: its network {what} the weight '{odd[0][:80]}' of its options' {len(wanted)}; {CURE}")
    for name in sorted(wanted):
        if (found := tuple(bundle.network[name].shape)) != wanted[name]:
            raise SreError(f"{path}: its weight '{name}' is {found}, and its options ask for {wanted[name]}; {CURE}")
