"""`sre import` of other toolkits: the bundle's embedding of a wave is that of the toolkit's own code.

SpeechBrain's code is here, and Wang's networks are torch's layers. WeSpeaker's (dfa7419), NeMo's (nemo_toolkit 3.0.0),
3D-Speaker's (09e7806) and ClovaAI's (f51bab8) ran elsewhere, on the wave below and with weights filled from their keys'
names; peer_outputs/ has the keys with their shapes, the config, and the embedding that came out. All families of
WeSpeaker, from features on, are in test_peers.py.
"""

import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
import yaml
from models.test_peer_models import peer_tensor
from speechbrain_code import imported_alone
from torch import Tensor, nn

from sre import SreError
from sre.cli import command
from sre.extraction.embedder import Embedder
from sre.features.cmn import normalise
from sre.features.extractor import extractor_of
from sre.features.types import options_of
from sre.models.bundle import load_bundle

OUTPUTS = Path(__file__).resolve().parent / "peer_outputs"
PAGE = Path(__file__).resolve().parents[2] / "docs/importing.md"
CLOSE = 1e-4  # of the embedding's length
SPEECHBRAIN = {  # class, its arguments, our architecture
    "ECAPA_TDNN": ({"input_size": 80, "channels": [64, 64, 64, 64, 192], "lin_neurons": 96}, "ecapa_speechbrain"),
    "Xvector": ({"in_channels": 24, "tdnn_channels": [64, 64, 64, 64, 150], "lin_neurons": 96}, "xvector_speechbrain"),
    "ResNet": ({"channels": [16, 16, 32, 32], "block_sizes": [1, 2, 1, 2], "lin_neurons": 96}, "resnet_speechbrain"),
}
WANG = {"LSTM": "lstm", "BiLSTM": "blstm", "Transformer": "transformer"}  # network, our architecture
ELSEWHERE = {  # file of peer_outputs: our architecture
    "wespeaker_resnet18": "resnet18",
    "wespeaker_ecapa": "ecapa",
    "wespeaker_redimnet2": "redimnet2",
    "3dspeaker_campplus": "campplus",
    "3dspeaker_eres2net": "eres2net34",
    "3dspeaker_eres2net_huge": "eres2net34",
    "3dspeaker_eres2netv2": "eres2netv2",
    "3dspeaker_ecapa": "ecapa_speechbrain",
    "nemo_speakernet_m": "speakernet",
    "nemo_speakernet_l": "speakernet",
    "nemo_titanet": "titanet",
    "nemo_ecapa": "ecapa_nemo",
    "clovaai_resnetse34l": "resnetse34l",
    "clovaai_resnetse34v2": "resnetse34v2",
    "clovaai_rawnet3": "rawnet3",
}


def wave() -> np.ndarray:
    """2.5 s of int16's values: a hum whose loudness changes, with noise, and half a second of almost nothing."""
    draw, t = np.random.default_rng(19), np.arange(40_123) / 16000
    hum = sum(np.sin(2 * np.pi * f * t + f) / k for k, f in enumerate((140, 280, 430, 900, 2100, 3300), 1))
    x = 2500 * hum * (1 + np.sin(2 * np.pi * 3 * t)) + 300 * draw.standard_normal(len(t))
    x[26_000:33_000] = 2 * draw.standard_normal(7_000)
    return np.round(x).clip(-32768, 32767).astype(np.float32)


def sre(*argv: object) -> None:
    command(["import", *map(str, argv)])


def embedding(bundle: Path) -> np.ndarray:
    """The embedding of the wave, with the front-end that the bundle names."""
    embedder = Embedder(bundle, torch.device("cpu"))
    raw = extractor_of(options_of(embedder.feature_config))([wave()])[0].numpy()
    return embedder.utterance(normalise(raw, embedder.feature_config))


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def output(name: str) -> tuple[dict, dict[str, torch.Tensor]]:
    """What a toolkit gave elsewhere, and its weights."""
    peer = json.loads((OUTPUTS / f"{name}.json").read_text())
    state = {key: peer_tensor(key, shape) for key, shape in peer["state"].items()}
    state |= {key: torch.tensor(given).reshape(peer["state"][key]) for key, given in peer.get("tensors", {}).items()}
    state = {key: value if value.dtype == torch.long else value.float() for key, value in state.items()}
    return peer, {key: value for key, value in state.items() if not re.search("featurizer|torchfb", key)}


def nemo_file(path: Path, config: dict, state: dict[str, torch.Tensor]) -> Path:
    """A .nemo as NeMo's save_to writes it."""
    (path.parent / "model_config.yaml").write_text(yaml.safe_dump(config))
    torch.save(state, path.parent / "model_weights.ckpt")
    with tarfile.open(path, "w") as archive:
        for name in ("model_config.yaml", "model_weights.ckpt"):
            archive.add(path.parent / name, arcname=f"./{name}")
    return path


def given(name: str, folder: Path) -> tuple[Path, list[str]]:
    """The file of a toolkit's model, and further arguments."""
    peer, state = output(name)
    if name.startswith("nemo"):
        return nemo_file(folder / "model.nemo", peer["config"], state), []
    if name.startswith("wespeaker"):
        torch.save({**state, "projection.weight": torch.zeros(7, 9)}, folder / "avg_model.pt")
        (folder / "config.yaml").write_text(yaml.safe_dump(peer["config"]))
        return folder, []
    content: dict = state
    if name == "clovaai_rawnet3":  # as the published model.pt
        content = {"model": {key.removeprefix("__S__."): value for key, value in state.items()}}
    elif name == "clovaai_resnetse34l":  # as voxceleb_trainer writes since 2026
        content = {"model_state_dict": state, "optimizer_state_dict": {"state": {}, "param_groups": []}, "epoch": 7}
    torch.save(content, folder / "model.bin")
    return folder / "model.bin", ["--from", "3dspeaker"] if name.startswith("3dspeaker") else []


def measured_elsewhere(name: str, folder: Path) -> float:
    source, more = given(name, folder)
    sre(source, folder / "final.pt", *more)
    return difference(embedding(folder / "final.pt"), np.array(output(name)[0]["embedding"]))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_embedding_of_a_wave_is_the_toolkits(tmp_path: Path, capsys, name: str) -> None:
    assert measured_elsewhere(name, tmp_path) <= stated()[name]
    assert f"parameters of {ELSEWHERE[name]}\n" in capsys.readouterr().out


def test_all_outputs_are_looked_at() -> None:
    assert {path.stem for path in OUTPUTS.glob("*.json")} == ELSEWHERE.keys()


def speechbrain_model(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    """Its network with random weights, and its embedding of the wave."""
    with imported_alone():
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models import ECAPA_TDNN, ResNet, Xvector
        from speechbrain.processing.features import InputNormalization
    module = {"ECAPA_TDNN": ECAPA_TDNN, "ResNet": ResNet, "Xvector": Xvector}[name]
    torch.manual_seed(0)
    network = getattr(module, name)(**SPEECHBRAIN[name][0])
    state = {key: peer_tensor(key, list(value.shape)) for key, value in network.state_dict().items()}
    network.load_state_dict(state)
    with torch.inference_mode():
        feats = Fbank(n_mels=bins_of(name))(torch.from_numpy(wave() / 32768)[None])
        feats = InputNormalization(norm_type="sentence", std_norm=False).eval()(feats, torch.ones(1))
        return network, network.eval()(feats, torch.ones(1)).flatten()


def bins_of(name: str) -> int:
    return 24 if name == "Xvector" else 80


def hyperparams(name: str) -> str:
    """As in SpeechBrain's published folders."""
    arguments = "\n".join(f"    {key}: {value}" for key, value in SPEECHBRAIN[name][0].items())
    arguments = arguments.replace(f"{list(SPEECHBRAIN[name][0])[0]}: {bins_of(name)}", "input_size: !ref <n_mels>")
    return f"""\
pretrained_path: speechbrain/spkrec
n_mels: {bins_of(name)}
out_n_neurons: 7205
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.{name}.{name}
{arguments}
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 192
    out_neurons: !ref <out_n_neurons>
modules:
    compute_features: !ref <compute_features>
    embedding_model: !ref <embedding_model>
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
"""


def measured_speechbrain(name: str, folder: Path) -> float:
    network, theirs = speechbrain_model(name)
    torch.save(network.state_dict(), folder / "embedding_model.ckpt")
    (folder / "hyperparams.yaml").write_text(hyperparams(name))
    sre(folder, folder / "final.pt")
    return difference(embedding(folder / "final.pt"), theirs.numpy())


@pytest.mark.parametrize("name", SPEECHBRAIN)
def test_embedding_of_a_wave_is_speechbrains(tmp_path: Path, capsys, name: str) -> None:
    assert measured_speechbrain(name, tmp_path) <= stated()[f"speechbrain_{name}"]
    said = capsys.readouterr().out
    assert f"recognised: SpeechBrain's {name}, by hyperparams.yaml\n" in said
    assert f"parameters of {SPEECHBRAIN[name][1]}\n" in said


class WangTransformer(nn.Module):
    """As in neural_net.py: TransformerSpeakerEncoder."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_layer = nn.Linear(40, 32)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 8, batch_first=True), 2)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 8, batch_first=True), 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(torch.zeros(len(x), 1, 32), self.encoder(self.linear_layer(x).sigmoid()))[:, 0]


def wang_model(name: str) -> tuple[dict[str, Tensor], Callable[[Tensor], Tensor]]:
    """Its state dict, and what makes (B, D) of (B, T, 40)."""
    torch.manual_seed(0)
    if name == "Transformer":
        network = WangTransformer().eval()
        for parameter in network.parameters():  # torch's biases of attentions are 0
            nn.init.normal_(parameter, std=0.2)
        return network.state_dict(), network
    lstm = nn.LSTM(40, 64, 3, batch_first=True, bidirectional=name == "BiLSTM")
    state = {f"lstm.{key}": value for key, value in lstm.state_dict().items()}
    return state, lambda x: lstm(x)[0].mean(dim=1) if name == "BiLSTM" else lstm(x)[0][:, -1]


def measured_wang(name: str, folder: Path) -> float:
    state, encoder = wang_model(name)
    torch.save({"encoder_state_dict": state, "losses": [0.1, 0.2], "training_time": 3.5}, folder / "saved_model.pt")
    sre(folder / "saved_model.pt", folder / "final.pt")
    with torch.inference_mode():
        feats = librosa.feature.mfcc(y=wave().astype(np.float64) / 32768, sr=16000, n_mfcc=40).T
        theirs = encoder(torch.from_numpy(feats).float()[None])[0]
    return difference(embedding(folder / "final.pt"), theirs.numpy())


@pytest.mark.parametrize("name", WANG)
def test_embedding_of_a_wave_is_wangs(tmp_path: Path, capsys, name: str) -> None:
    assert measured_wang(name, tmp_path) <= stated()[f"wang_{name}"]
    said = capsys.readouterr().out
    assert f"recognised: Wang's {name}, by its keys\nnote: the file does not tell" in said
    assert f"parameters of {WANG[name]}\n" in said


def test_what_no_file_of_wangs_tells(tmp_path: Path, capsys) -> None:
    """Which frames make the embedding."""
    state, _ = wang_model("BiLSTM")
    torch.save({"encoder_state_dict": state}, tmp_path / "a.pt")
    sre(tmp_path / "a.pt", tmp_path / "final.pt", "--options", '{"frames": "last"}')
    assert "note:" not in capsys.readouterr().out
    assert load_bundle(tmp_path / "final.pt").config["options"] == {"embedding_dim": 128, "layers": 3, "frames": "last"}
    with pytest.raises(SreError, match="--options layers: of Wang's BiLSTM no file tells only frames; leave it out"):
        sre(tmp_path / "a.pt", tmp_path / "final.pt", "--options", '{"layers": 2}')


def test_a_transformer_of_wangs_that_is_damaged(tmp_path: Path) -> None:
    state, _ = wang_model("Transformer")
    fused = "encoder.layers.0.self_attn.in_proj_bias"
    torch.save({"encoder_state_dict": state | {fused: torch.zeros(())}}, tmp_path / "a.pt")
    with pytest.raises(SreError, match=r"a.pt: not transformer of .*: \d keys missing"):
        sre(tmp_path / "a.pt", tmp_path / "final.pt")
    torch.save({"encoder_state_dict": state}, tmp_path / "a.pt")
    with pytest.raises(SreError, match="a.pt: embedding_dim .* is not a multiple of the 7 heads"):
        sre(tmp_path / "a.pt", tmp_path / "final.pt", "--options", '{"heads": 7}')
    assert not (tmp_path / "final.pt").exists()


def stated() -> dict[str, float]:
    """The differences in the table of docs/importing.md, by the case of the test."""
    rows = re.findall(r"^\|.*\| `(\w+)` \| ([\d.e-]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: float(value) for name, value in rows}


def test_the_page_has_all_cases_and_no_large_difference() -> None:
    here = {*(f"speechbrain_{name}" for name in SPEECHBRAIN), *(f"wang_{name}" for name in WANG)}
    assert stated().keys() == {*ELSEWHERE, *here}
    assert max(stated().values()) <= CLOSE
