"""All that makes features of a batch stays on its device, and the host waits for none of it.

The meta device has shapes and no numbers. A tensor that was left on the CPU, and a number that is asked for, are errors
there; on a GPU the one is an error, the other a wait.
"""

import pytest
import torch

from sre.features import extractor as kaldi
from sre.features.batches import add_deltas_batch, normalise_batch
from sre.features.extractor import extractor_of
from sre.features.frontends import signal
from sre.features.frontends.options import FRONTENDS, WaveformOptions
from sre.features.options import FeatureOptions
from sre.features.types import FbankOptions, MfccOptions
from sre.training.masks import Masks

KALDI = [FbankOptions(), FbankOptions(exact=False, snip_edges=False), MfccOptions(snip_edges=False)]


@pytest.mark.parametrize(
    "options", [*KALDI, *(kind() for kind in FRONTENDS), WaveformOptions()], ids=lambda options: options.type
)
def test_features_stay_on_the_device(options: FeatureOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kaldi, signal):
        monkeypatch.setitem(module.FRAMES_AT_ONCE, "meta", 300)  # blocks of one signal, and of parts of it
    waves = torch.empty(3, 80_000, device="meta")
    feats = extractor_of(options, "meta").batch(waves)
    assert feats.shape == (3, options.num_frames(80_000), options.dimension)
    assert feats.is_meta and feats.dtype == torch.float32


@pytest.mark.parametrize("variance", ["none", "kaldi", "nemo", "instance_norm"])
@pytest.mark.parametrize("cmn", ["utterance", "sliding"])
def test_what_follows_stays_on_the_device(cmn: str, variance: str) -> None:
    config = {"cmn": cmn, "cmn_variance": variance, "delta_order": 2}
    feats = add_deltas_batch(normalise_batch(torch.empty(3, 400, 80, device="meta"), config), config)
    for masks in (Masks(2, 2), Masks(2, 2, probability=0.5, fill="mean")):
        draws = torch.empty(3, masks.num_draws, dtype=torch.float64, device="meta")
        masked = masks(feats, draws)
        assert masked.shape == (3, 400, 240) and masked.is_meta and masked.dtype == torch.float32
