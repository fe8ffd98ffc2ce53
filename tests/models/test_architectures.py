"""What every architecture must do, in small: any length, any batch, bf16, and learn eight speakers of real speech."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sre.cli.configs import schema
from sre.cli.describe import read_spec
from sre.extraction.embedder import MIN_FRAMES
from sre.extraction.inference import for_inference
from sre.io.ark import read_record
from sre.io.tables import invert, read_table
from sre.losses.classification import AAMSoftmax, Softmax
from sre.models import ARCHITECTURES, build, redimnet, redimnet2
from sre.models.cost import parameters
from sre.models.pooling import POOLINGS
from sre.models.redimnet_blocks import StageSize
from sre.models.table import rows, spec_of
from sre.training.sources import crop

BINS, DIM = 40, 16
ROOT = Path(__file__).resolve().parents[2]
NARROW = {"channels": 8, "blocks": (1, 1, 1, 1)}
SMALL = {
    "xvector": {"channels": 32, "pooled_channels": 64},
    "xvector_speechbrain": {"channels": 32, "pooled_channels": 64},
    "etdnn": {"channels": 32, "pooled_channels": 64},
    "ftdnn": {"channels": 32, "bottleneck": 16, "pooled_channels": 64},
    "ecapa": {"channels": 32},
    "ecapa_speechbrain": {"channels": 32, "pooled_channels": 96},
    "ecapa_nemo": {"channels": 32},
    "resnet18": NARROW,  # and resnet34, which is the same at this depth
    "resnet50": {**NARROW, "channels": 4},  # and all deeper ones
    "resnet_speechbrain": NARROW,
    "dvector_resnet18": {"channels": 8},
    "dvector_resnet34": {"channels": 8},
    "resnetse34l": {"channels": 8},
    "resnetse34v2": {"channels": 8},
    "simam_resnet34": NARROW,
    "gemini_dfresnet114": NARROW,
    "repvgg_a0": NARROW,
    "campplus": {"channels": 16, "growth": 8, "blocks": (2, 2, 2), "head_channels": 8},
    "res2net34": NARROW,
    "eres2net34": NARROW,
    "eres2netv2": NARROW,
    "redimnet": {"size": "small"},
    "redimnet2": {"size": "small"},
    "speakernet": {"channels": 32, "pooled_channels": 64, "dropout": 0.0},
    "titanet": {"channels": 32, "pooled_channels": 64},
    "ge2e_lstm": {"hidden_dim": 32, "layers": 2},
    "lstm": {"layers": 2},
    "blstm": {"layers": 2},
    "transformer": {"layers": 1, "feedforward_dim": 64, "dropout": 0.0},
    "mlp": {"widths": (64,), "dropout": ()},
    "rawnet3": {"channels": 32, "pooled_channels": 64},
}
STAGES = (StageSize(2, 1, 1, 4), StageSize(2, 1, 2, 4, 2))


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """ReDimNets' widths have no options of their own."""
    monkeypatch.setitem(redimnet.SIZES, "small", redimnet.Size(4, "gated", 1, STAGES))
    monkeypatch.setitem(redimnet2.SIZES, "small", redimnet2.Size(4, STAGES, head=8))


def small(architecture: str) -> nn.Module:
    torch.manual_seed(0)
    architecture, _, pooling = architecture.partition(" ")
    own = {"pooling": pooling} if pooling else {}
    return build(architecture, BINS, {"embedding_dim": DIM, **SMALL[architecture], **own})


def test_every_architecture_is_here() -> None:
    assert {ARCHITECTURES[name] for name in SMALL} == set(ARCHITECTURES.values())


@pytest.mark.parametrize("architecture", SMALL)
def test_any_length_and_an_embedding_that_does_not_depend_on_its_batch(architecture: str) -> None:
    network = small(architecture)
    for _ in range(3):
        network(torch.randn(8, 40, BINS))  # what batch norms have seen
    network.eval()
    for frames in (MIN_FRAMES, 117):
        x = torch.randn(4, frames, BINS)
        with torch.inference_mode():
            together, alone = network.embed(x), torch.cat([network.embed(row[None]) for row in x])
            torch.testing.assert_close(network.for_loss(together), network(x))  # so a classifier can use embeddings
        assert together.shape == (4, network.embedding_dim) == (4, DIM)
        assert torch.isfinite(together).all()
        bound = 1e-4 if architecture == "rawnet3" else 1e-5  # its logarithm of amplitudes near 0 magnifies rounding
        assert ((together - alone).norm(dim=1) < bound * together.norm(dim=1)).all()


POOLED = {f"etdnn {name}": name for name in POOLINGS}  # each pooling in a network


@pytest.mark.parametrize("architecture", [*SMALL, *POOLED])
def test_gradient_under_bf16_is_finite(architecture: str) -> None:
    network, head = small(architecture), AAMSoftmax(DIM, 4, scale=32.0)
    x = torch.randn(4, 40, BINS)
    x[0] = 0  # nothing varies: digital silence after mean normalisation
    with torch.autocast("cpu", torch.bfloat16):
        loss = head(network(x), torch.arange(4))[0]
    loss.backward()
    for name, parameter in [*network.named_parameters(), *head.named_parameters()]:
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


@pytest.fixture(scope="module")
def speech(shared: Path) -> tuple[Tensor, Tensor]:
    """6 chunks of each of 8 speakers, (48, 100, 40)."""
    folder = shared / "corpora/ko-fbank40/train"
    places = read_table(folder / "feats.scp")
    utts = [utt for utts in list(invert(read_table(folder / "utt2spk")).values())[:8] for utt in utts[:6]]
    feats = [read_record(utt, str(folder / Path(places[utt]).name)) for utt in utts]
    return torch.from_numpy(np.stack([crop(x, 100, 0.5) for x in feats])), torch.arange(8).repeat_interleave(6)


@pytest.mark.parametrize("architecture", [*SMALL, *POOLED])
def test_learns_eight_speakers(architecture: str, speech: tuple[Tensor, Tensor]) -> None:
    chunks, speakers = speech
    network, head = small(architecture), Softmax(DIM, 8)
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], 1e-2)
    right = []
    for _ in range(60):
        loss, logits = head(network(chunks), speakers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right.append((logits.argmax(dim=1) == speakers).float().mean().item())
        if right[-1] == 1:
            break
    assert right[-1] == 1 > right[0]


@pytest.fixture(scope="module")
def published() -> set[int]:
    return {parameters(spec_of(row, schema())) for row in rows(ROOT / "docs/models.md")}


VOXCELEB = sorted((ROOT / "recipes/voxceleb/models").glob("*.yaml"))


def test_voxceleb_has_a_model_of_each_architecture() -> None:
    """But of those named after a toolkit, which are for its models (docs/importing.md)."""
    of_toolkits = {name for name in ARCHITECTURES if name.endswith(("_speechbrain", "_nemo"))}
    assert {read_spec(str(path)).architecture for path in VOXCELEB} == ARCHITECTURES.keys() - of_toolkits


@pytest.mark.parametrize("path", VOXCELEB, ids=lambda path: path.stem)
def test_voxcelebs_models_are_of_the_published_table(path: Path, published: set[int]) -> None:
    """Their configs resolve, and what they build has a row in docs/models.md."""
    assert parameters(read_spec(str(path))) in published or path.stem == "xvector_small"


@pytest.mark.parametrize("precision", ["fp32_fast", "bf16", "fp16"])
@pytest.mark.parametrize("architecture", [*SMALL, *POOLED])
def test_for_inference_it_is_the_same_function(architecture: str, precision: str) -> None:
    network = small(architecture)
    for _ in range(3):
        network(torch.randn(8, 40, BINS))
    network.eval()
    x = torch.randn(4, 60, BINS)
    with torch.inference_mode():
        exact = network.embed(x)
        dtype = for_inference(network, precision, torch.device("cpu"))
        made = network.embed(x.to(dtype))
    # random weights: what is embedded differs little between inputs
    bound = {"fp32_fast": 1e-5, "bf16": 0.05, "fp16": 0.01}[precision]
    assert ((made - exact).norm(dim=1) < bound * exact.norm(dim=1)).all()
