"""identification.json: unheard utterances and lists on paper, the file, and the step with a small network."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sre import SreError
from sre.datadir.datadir import write_data_dir
from sre.datadir.rejected import write_rejected_rows
from sre.io.ark import write_ark
from sre.io.embeddings import Embeddings
from sre.losses import build_head
from sre.models import build
from sre.models.bundle import Bundle
from sre.scoring.identification import IdentificationResult, to_means, unheard_result
from sre.scoring.result import ListResult, SystemResult
from steps import identify_speakers

SPEAKERS = ["anna", "bert", "carl"]
OPTIONS = {"embedding_dim": 6, "channels": 8, "pooled_channels": 12}


def test_the_nearest_mean_on_paper() -> None:
    """Means are of unit length vectors: a loud utterance weighs no more than a soft one."""
    heard = Embeddings(
        np.array(["a1", "a2", "b1"]), np.array([[9, 0], [0, 1], [1, 0]], np.float32), np.array(["anna", "anna", "bert"])
    )
    scores = to_means(heard, ["anna", "bert"])(np.array([[2, 0], [1, 1]], np.float32))
    np.testing.assert_allclose(scores, [[np.sqrt(0.5), 1], [1, np.sqrt(0.5)]])
    probes = Embeddings(np.array(["a3", "b2", "z1"]), np.eye(2, dtype=np.float32)[[0, 0, 1]], np.array([*"abz"]))
    named = unheard_result(probes, ["a", "b"], {"nearest_mean": to_means(heard, ["anna", "bert"])}, 0)
    assert (named.speakers, named.utterances, named.of_others) == (2, 2, 1)
    assert named.ways["nearest_mean"] == {"rank_1": 0.5, "intervals": {"rank_1": None}}
    with pytest.raises(SreError, match="no embedding of 1 training speakers, e.g. carl"):
        to_means(heard, SPEAKERS)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A folder with a network on three speakers, data directories of heard and unheard utterances, and embeddings."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    loss = {"type": "softmax", "scale": 32.0, "margin": 0.0, "options": {}}
    network, head = build("speakernet", 20, OPTIONS), build_head(6, 3, "softmax", 32.0)
    config = {"architecture": "speakernet", "options": OPTIONS, "features": "x", "loss": loss}
    Bundle(config, {"type": "fbank"}, 20, network.state_dict(), SPEAKERS, head.state_dict()).save(tmp_path / "final.pt")
    for part, numbers in (("t_heard", "123"), ("t_unheard", "45")):
        utt2spk = {f"{speaker}-{n}": speaker for speaker in [*SPEAKERS, "held"] for n in numbers}
        write_data_dir(tmp_path / part, wav=dict.fromkeys(utt2spk, "x.wav"), utt2spk=utt2spk)
        vectors = {utt: rng.normal(size=6).astype(np.float32) for utt in sorted(utt2spk) if utt != "bert-5"}
        write_rejected_rows(tmp_path / part / "rejected.tsv", [("bert-5", "x.wav", "too short")])
        write_ark(tmp_path / f"{part}.ark", tmp_path / f"{part}.scp", vectors.items())
    return tmp_path


def arguments(folder: Path, *more: object) -> list[str]:
    data = ["--heard", folder / "t_heard", "--unheard", folder / "t_unheard", "--embeddings", folder]
    return list(map(str, [folder / "identification.json", "--run", "net", *data, *more]))


def test_the_step_by_classes_and_means(trained: Path) -> None:
    """The classes see what the loss saw: of SpeakerNet, the embedding after its ReLU."""
    identify_speakers.main(arguments(trained, "--model", trained / "final.pt", "--replicates", 50))
    found = IdentificationResult.read(trained / "identification.json")
    assert found.unheard is not None and found.lists == {}
    counts = found.unheard.speakers, found.unheard.utterances, found.unheard.of_others, found.unheard.not_embedded
    assert counts == (3, 5, 2, 1) and not found.unheard.reasons
    vectors = Embeddings.read([trained / "t_unheard.scp"])
    head = torch.load(trained / "final.pt", weights_only=True)["head"]
    kept = [place for place, utt in enumerate(vectors.ids) if not utt.startswith("held")]
    logits = np.maximum(vectors.vectors[kept], 0) @ head["linear.weight"].numpy().T + head["linear.bias"].numpy()
    right = [SPEAKERS[best] == utt[:4] for best, utt in zip(logits.argmax(axis=1), vectors.ids[kept], strict=True)]
    assert found.unheard.ways["classifier"]["rank_1"] == pytest.approx(np.mean(right))
    before = (trained / "identification.json").read_bytes()
    identify_speakers.main(arguments(trained, "--model", trained / "final.pt", "--replicates", 50))
    assert (trained / "identification.json").read_bytes() == before


def test_a_network_from_elsewhere_has_means_alone(trained: Path) -> None:
    """All speakers are searched; what it may have heard is told."""
    identify_speakers.main(arguments(trained, "--before", trained / "final.pt"))
    found = IdentificationResult.read(trained / "identification.json").unheard
    assert (found.speakers, found.utterances, found.of_others) == (4, 7, 0)
    assert list(found.ways) == ["nearest_mean"] and "not trained on these" in found.reasons["classifier"]
    assert "was trained on 3 of the speakers, perhaps on these very utterances" in found.remark


def test_lists_with_enrolled_models(tmp_path: Path) -> None:
    """One of their tests is of nobody enrolled; a list without a map is no identification."""
    utt2spk = {f"{speaker}{n}": speaker for speaker in "abz" for n in range(3)}
    write_data_dir(tmp_path / "data", wav=dict.fromkeys(utt2spk, "x.wav"), utt2spk=utt2spk)
    (tmp_path / "enroll").write_text("A a0 a1\nB b0 b1\n")
    lines = [
        "A a2 target 2",
        "B a2 nontarget 1",
        "A b2 nontarget 3",
        "B b2 target 1",
        "A z2 nontarget 0",
        "B z2 nontarget 1",
    ]
    (tmp_path / "trials").write_text("".join(line.rpartition(" ")[0] + "\n" for line in lines))
    (tmp_path / "s.scores").write_text("".join("{0} {1} {3}\n".format(*line.split()) for line in lines))
    environment = {"code": "1", "python": "3", "packages": {}, "device": "cpu"}
    system = SystemResult("ok", scores="s.scores", metrics={"eer": 50.0, "targets": 2, "nontargets": 4})
    result = ListResult(
        "net", "net", 1, "main", str(tmp_path / "trials"), "0", {"s": system},
        enroll_map=str(tmp_path / "enroll"), data=str(tmp_path / "data"), environment=environment,
    )  # fmt: skip
    result.write(tmp_path / "metrics.json")
    identify_speakers.main([str(tmp_path / "out.json"), "--run", "net", "--metrics", str(tmp_path / "metrics.json")])
    rates = IdentificationResult.read(tmp_path / "out.json").lists["main"]["s"]
    assert (rates["rank_1"], rates["searches"], rates["nonmated"], rates["fnir_at_fpir_0.1"]) == (0.5, 3, 1, 0.5)
    assert json.loads((tmp_path / "out.json").read_text())["version"] == 1
