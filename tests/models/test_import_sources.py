"""`sre import`: what it recognises, by what, and what it refuses; a hub of this machine's own."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from models.test_imported import OUTPUTS, given, hyperparams, nemo_file, output, sre
from models.test_peers import SMALL

from sre import SreError
from sre.cli.import_ import wanted_files
from sre.io.tagged_yaml import parse_tagged
from sre.models import build
from sre.models.bundle import load_bundle
from sre.models.peers.source import read_source

TITANET = "nemo_titanet"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def refused(source: Path, *more: str) -> str:
    """The sentence with which a model is refused; no bundle is written."""
    out = source.parent / "out/final.pt"
    with pytest.raises(SreError) as error:
        sre(source, out, *more)
    assert not out.exists() and "\n" not in str(error.value)
    return str(error.value)


def tar_of(path: Path, parts: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in parts:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def nemo_parts(folder: Path) -> list[tuple[str, bytes]]:
    peer, state = output(TITANET)
    nemo_file(folder / "good.nemo", peer["config"], state)
    return [(f"./{name}", (folder / name).read_bytes()) for name in ("model_config.yaml", "model_weights.ckpt")]


def test_names_that_point_out_of_a_nemo(tmp_path: Path) -> None:
    parts = nemo_parts(tmp_path)
    for name in ("../evil.txt", "/etc/evil", "a/../../model_weights.ckpt"):
        error = refused(tar_of(tmp_path / "model.nemo", [*parts, (name, b"x")]))
        assert f"its part '{name}' points out of the archive" in error
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_nemo_that_is_none_or_damaged(tmp_path: Path) -> None:
    config, weights = nemo_parts(tmp_path)
    assert "its model_weights.ckpt is there twice" in refused(tar_of(tmp_path / "a.nemo", [config, weights, weights]))
    assert "no model_weights.ckpt in it" in refused(tar_of(tmp_path / "b.nemo", [config]))
    whole = (tmp_path / "good.nemo").read_bytes()
    (tmp_path / "c.nemo").write_bytes(whole[: len(whole) // 2])
    assert re.search("damaged|cut short", refused(tmp_path / "c.nemo"))
    (tmp_path / "d.nemo").write_bytes(b"no tar at all")
    assert "not a .nemo, or damaged (ReadError)" in refused(tmp_path / "d.nemo")


def test_a_nemo_whose_config_says_that_it_is_huge(tmp_path: Path) -> None:
    config, weights = nemo_parts(tmp_path)
    tar_of(tmp_path / "a.nemo", [weights, config])
    with tarfile.open(tmp_path / "a.nemo") as archive:
        at = archive.getmember("./model_config.yaml").offset
    content = bytearray((tmp_path / "a.nemo").read_bytes())
    info = tarfile.TarInfo("./model_config.yaml")
    info.size = 1 << 30
    content[at : at + 512] = info.tobuf(tarfile.GNU_FORMAT)[:512]
    (tmp_path / "a.nemo").write_bytes(content)
    assert "larger than 16 MiB" in refused(tmp_path / "a.nemo")


def test_a_pickle_that_would_run_something(tmp_path: Path) -> None:
    config, _ = nemo_parts(tmp_path)
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(marker),)

    torch.save({"a": Evil()}, tmp_path / "evil.ckpt")
    assert "not a checkpoint of tensors (UnpicklingError)" in refused(tmp_path / "evil.ckpt")
    evil = (tmp_path / "evil.ckpt").read_bytes()
    assert "(UnpicklingError)" in refused(tar_of(tmp_path / "a.nemo", [config, ("./model_weights.ckpt", evil)]))
    assert not marker.exists()


@pytest.mark.parametrize(
    "change, error",
    [
        (lambda state: state.pop("decoder.emb_layers.0.1.bias"), r"1 keys missing, 0 unexpected.*'segment\.1\.bias'"),
        (lambda state: state.update(more=torch.zeros(1)), "0 keys missing, 1 unexpected"),
        (lambda state: state["decoder.emb_layers.0.1.bias"].fill_(torch.nan), "'segment.1.bias' has NaN or infinite"),
        (lambda state: state.update({"decoder.emb_layers.0.1.bias": torch.zeros(9)}), r"\[9\] for \[192\]"),
        (
            lambda state: state.update({"preprocessor.featurizer.window": torch.ones(400)}),
            r"featurizer.window' \[400\] differs from that of the features nemo80 \[400\]",
        ),
    ],
)
def test_tensors_that_are_not_the_networks(tmp_path: Path, change, error: str) -> None:
    peer, state = output(TITANET)
    change(state)
    found = refused(nemo_file(tmp_path / "a.nemo", peer["config"], state))
    assert re.search(error, found), found


@pytest.mark.parametrize(
    "part, key, value, error",
    [
        (
            "preprocessor",
            "normalize",
            "all_features",
            "normalize is 'all_features', and only 'per_feature' can be made",
        ),
        ("preprocessor", "_target_", "nemo.MFCC", "its preprocessor makes no mel spectrum"),
        ("preprocessor", "window_size", "x", "window_size 'x' is no length in seconds"),
        ("encoder", "activation", "selu", "activation is 'selu', and only 'relu' can be made here"),
        ("encoder", "jasper", [], "its encoder has not the five blocks"),
        ("encoder", "_target_", "nemo.ConformerEncoder", "its encoder 'ConformerEncoder' is of no speaker network"),
    ],
)
def test_settings_that_are_not_ours(tmp_path: Path, part: str, key: str, value: object, error: str) -> None:
    peer, state = output(TITANET)
    peer["config"][part][key] = value
    assert error in refused(nemo_file(tmp_path / "a.nemo", peer["config"], state))


@pytest.mark.parametrize(
    "line, error",
    [
        ("    activation: !name:torch.nn.GELU", "its activation is no ReLU, which alone is made here"),
        ("    width: 3", "its ECAPA_TDNN has an argument width, which is not known here"),
        (
            "    dilations: [1, 1, 1, 1, 1]",
            r"dilations is \[1, 1, 1, 1, 1\], and only \[1, 2, 3, 4, 1\] can be made here",
        ),
        ("compute_features: !new:speechbrain.lobes.features.MFCC", "its compute_features is no Fbank"),
        (
            "mean_var_norm: {norm_type: global, std_norm: false}",
            "norm_type is 'global', and only 'sentence' can be made here",
        ),
        ("n_mels: [80]", r"n_mels is '\[80\]', and a whole number is needed"),
    ],
)
def test_settings_of_speechbrain_that_are_not_ours(tmp_path: Path, line: str, error: str) -> None:
    torch.save({"fc.conv.weight": torch.zeros(1)}, tmp_path / "embedding_model.ckpt")
    key, text = line.partition(":")[0], hyperparams("ECAPA_TDNN")
    if key.startswith(" "):
        text = text.replace("\nclassifier:", f"\n{line}\nclassifier:")
    else:
        text = re.sub(rf"^{key}:.*\n(?: .*\n)*", f"{line}\n", text, flags=re.MULTILINE)
    (tmp_path / "hyperparams.yaml").write_text(text)
    assert re.search(error, refused(tmp_path / "embedding_model.ckpt"))


def test_files_of_a_hub_that_are_read() -> None:
    names = ["README.md", "classifier.ckpt", "embedding_model.ckpt", "hyperparams.yaml", "mean_var_norm_emb.ckpt"]
    assert wanted_files(names) == ["embedding_model.ckpt", "hyperparams.yaml"]
    assert wanted_files(["a.nemo", "b.txt", "config.yaml", "old/c.nemo"]) == ["a.nemo", "config.yaml"]
    assert wanted_files(["README.md"]) == []
    with pytest.raises(SreError, match=r"a\.pt, b\.pt: which of them is the model is not known"):
        wanted_files(["a.pt", "b.pt"])


def test_two_toolkits_with_the_same_tensors(tmp_path: Path) -> None:
    _, state = output("3dspeaker_ecapa")
    torch.save(state, tmp_path / "a.ckpt")
    assert "SpeechBrain's and 3D-Speaker's networks have such tensors, on features" in refused(tmp_path / "a.ckpt")
    assert "no nemo network that is known here, by its keys" in refused(tmp_path / "a.ckpt", "--from", "nemo")
    found = {}
    for toolkit in ("speechbrain", "3dspeaker"):
        sre(tmp_path / "a.ckpt", tmp_path / f"{toolkit}.pt", "--from", toolkit)
        found[toolkit] = load_bundle(tmp_path / f"{toolkit}.pt").feature_config["type"]
    assert found == {"speechbrain": "speechbrain_fbank", "3dspeaker": "fbank"}


def test_a_folder_of_modelscope(tmp_path: Path, capsys) -> None:
    source, _ = given("3dspeaker_eres2netv2", tmp_path)
    (tmp_path / "configuration.json").write_text(json.dumps({"model": {"pretrained_model": source.name}}))
    sre(tmp_path, tmp_path / "out/final.pt")
    assert "recognised: 3D-Speaker's ERes2NetV2, by configuration.json\n" in capsys.readouterr().out
    imported = load_bundle(tmp_path / "out/final.pt").config["imported"]
    assert imported["toolkit"] == "3D-Speaker" and imported["files"].keys() == {"model.bin", "configuration.json"}


def test_an_experiment_of_3d_speaker(tmp_path: Path, capsys) -> None:
    """A checkpoint two folders below its config, in which names stand for values."""
    _, state = output("3dspeaker_ecapa")
    checkpoint = tmp_path / "exp/models/CKPT-EPOCH-70-00/embedding_model.ckpt"
    checkpoint.parent.mkdir(parents=True)
    torch.save(state, checkpoint)
    (tmp_path / "exp/config.yaml").write_text("""\
lr: !!float 5e-5
fbank_dim: 80
feature_extractor:
  obj: speakerlab.process.processor.FBank
  args: {n_mels: <fbank_dim>, sample_rate: 16000, mean_nor: True}
embedding_model: {obj: speakerlab.models.ecapa_tdnn.ECAPA_TDNN.ECAPA_TDNN, args: {input_size: <fbank_dim>}}
""")
    sre(checkpoint, tmp_path / "final.pt")
    assert "recognised: 3D-Speaker's ECAPA_TDNN, by config.yaml\n" in capsys.readouterr().out


def test_a_model_of_3d_speaker_in_wespeakers_hub(tmp_path: Path, capsys) -> None:
    _, state = output("3dspeaker_campplus")
    torch.save(state, tmp_path / "avg_model.pt")
    config = {"model": "CAMPPlus", "model_args": {"feat_dim": 80, "embed_dim": 192, "pooling_func": "TSTP"}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    types = []
    for more in ([], ["--from", "3dspeaker"]):
        sre(tmp_path, tmp_path / "final.pt", *more)
        types.append(load_bundle(tmp_path / "final.pt").feature_config["window_type"])
        (tmp_path / "final.pt").unlink()
    assert types == ["hamming", "povey"]
    said = capsys.readouterr().out
    assert said.count("note: campplus_cn_common_200k is 3D-Speaker's; if this is it, add --from 3dspeaker\n") == 1


def wespeaker_folder(folder: Path, **changes: object) -> Path:
    """A small x-vector with its config, our names standing for WeSpeaker's."""
    torch.save(build("xvector", 40, SMALL).state_dict(), folder / "avg_model.pt")
    arguments = {"feat_dim": 40, "embed_dim": 3, "hid_dim": 4, "stats_dim": 6, "pooling_func": "TSTP", **changes}
    config = {
        "model": "XVEC",
        "model_args": arguments,
        "dataset_args": {"fbank_args": {"num_mel_bins": 40, "dither": 1.0}},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    return folder


def test_wespeakers_config(tmp_path: Path, capsys) -> None:
    sre(wespeaker_folder(tmp_path), tmp_path / "out/final.pt")
    assert "recognised: WeSpeaker's XVEC, by config.yaml\n" in capsys.readouterr().out
    bundle = load_bundle(tmp_path / "out/final.pt")
    (tmp_path / "out/final.pt").unlink()
    assert bundle.config["options"] == {**SMALL, "embedding": "second"}
    assert (bundle.feature_config["num_mel_bins"], bundle.feature_config["window_type"]) == (40, "hamming")
    assert "pooling_func is 'ASTP', and only 'TSTP'" in refused(
        wespeaker_folder(tmp_path, pooling_func="ASTP") / "avg_model.pt"
    )
    assert "embed_dim is 'x', and a whole number is needed" in refused(
        wespeaker_folder(tmp_path, embed_dim="x") / "avg_model.pt"
    )


def test_arguments_that_do_not_go_together(tmp_path: Path) -> None:
    source, _ = given("clovaai_resnetse34v2", tmp_path)
    assert "--features goes with --as" in refused(source, "--features", "voxceleb:clova64")
    assert "--as is for WeSpeaker's checkpoints" in refused(source, "--as", "ecapa", "--from", "clovaai")
    (tmp_path / "more").mkdir()
    assert "one file of weights is needed, and there is none" in refused(tmp_path / "more")
    torch.save({"a": torch.zeros(1)}, tmp_path / "more/a.pt")
    assert "not recognised, by its keys" in refused(tmp_path / "more/a.pt")


def test_tags_and_names_of_a_config_are_plain_data(tmp_path: Path) -> None:
    text = f"""\
a: !apply:os.mkdir [{tmp_path}/ran]
n: 3
b: !new:x.Y
  width: !ref <n>
  from: ${{b.width}}
c: <b.from>
d: <nothing>
"""
    found = parse_tagged(text, "x.yaml")
    assert found["a"] == {"!": "!apply:os.mkdir", "arguments": [f"{tmp_path}/ran"]} and not (tmp_path / "ran").exists()
    assert found["b"] == {"!": "!new:x.Y", "width": 3, "from": 3} and (found["c"], found["d"]) == (3, "<nothing>")
    assert parse_tagged("a: <b>\nb: <a>\n", "x.yaml").keys() == {"a", "b"}  # a circle ends


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a hub with one model, me/titanet; another file of it is not to be asked for."""
    peer, state = output(TITANET)
    (tmp_path / "hub").mkdir()
    files = {"model.nemo": nemo_file(tmp_path / "hub/model.nemo", peer["config"], state).read_bytes()}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name = self.path.partition("?")[0].rpartition("/")[2]
            if self.path.startswith("/api/models/me/titanet"):
                named = [{"rfilename": one} for one in ("README.md", *files)]
                self.answer(200, json.dumps({"id": "me/titanet", "sha": COMMIT, "siblings": named}).encode())
            elif self.path.startswith(f"/me/titanet/resolve/{COMMIT}/") and name in files:
                self.answer(200, files[name])
            else:
                self.answer(404, b"{}")

        def answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Type", "application/json")
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    there = f"http://127.0.0.1:{server.server_port}"
    yield {**os.environ, "HF_ENDPOINT": there, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    server.shutdown()


def from_hub(name: str, out: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sre.cli", "import", name, str(out)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_model_of_a_hub(tmp_path: Path, hub: dict[str, str]) -> None:
    out = tmp_path / "final.pt"
    done = from_hub("hf:me/titanet@main", out, hub)
    assert done.returncode == 0, done.stderr
    imported = load_bundle(out).config["imported"]
    assert (imported["hub"], imported["revision"], list(imported["files"])) == ("me/titanet", COMMIT, ["model.nemo"])
    absent = from_hub("hf:me/other", out, hub)
    assert absent.returncode == 1 and "hf:me/other: the hub has no such model, or it asks for a login" in absent.stderr
    offline = from_hub("hf:me/titanet", out, {**hub, "HF_ENDPOINT": "http://127.0.0.1:9"})
    assert offline.returncode == 1 and "hf:me/titanet: the hub cannot be reached (" in offline.stderr
    assert "download its files elsewhere and give their folder" in offline.stderr
    assert "no name of a model" in from_hub("hf:a/b/c", out, hub).stderr


def test_outputs_are_small() -> None:
    assert sum(path.stat().st_size for path in OUTPUTS.iterdir()) < 300_000


def test_a_nemo_that_unpacks_to_much_more_than_it_is(tmp_path: Path) -> None:
    """Also in a header of tar's own, which tarfile reads whole."""
    config, _ = nemo_parts(tmp_path)
    tar_of(tmp_path / "good.tar", [config, ("./model_weights.ckpt", bytes(1 << 27))])
    (tmp_path / "a.nemo").write_bytes(gzip.compress((tmp_path / "good.tar").read_bytes()))
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 1 << 27
    (tmp_path / "b.nemo").write_bytes(gzip.compress(long_name.tobuf() + bytes(1 << 27)))
    for name in ("a.nemo", "b.nemo"):
        assert "it unpacks to over 100 times its size" in refused(tmp_path / name)


def test_a_nemo_that_is_compressed(tmp_path: Path) -> None:
    nemo_parts(tmp_path)
    expected = read_source(tmp_path / "good.nemo")
    (tmp_path / "packed.nemo").write_bytes(gzip.compress((tmp_path / "good.nemo").read_bytes()))
    found = read_source(tmp_path / "packed.nemo")
    assert found.config == expected.config and all(
        torch.equal(found.state[key], expected.state[key]) for key in found.state
    )


def test_a_checkpoint_with_compressed_parts(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(1 << 20)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in plain.infolist():
            packed.writestr(part.filename, plain.read(part))
    assert "its parts are compressed" in refused(tmp_path / "packed.pt")


def test_a_checkpoint_with_a_changed_bit(tmp_path: Path) -> None:
    """torch.load takes it. A checkpoint that was written without sums is read."""
    path = tmp_path / "x.pt"
    torch.save({"x": torch.ones(1 << 20)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path)["x"], torch.ones(1 << 20))
    assert "x.pt: not a checkpoint of tensors (BadZipFile); download it again" in refused(path)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"x": torch.ones(8)}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_source(path).state["x"], torch.ones(8))


@pytest.mark.parametrize("config", ["dataset_args: abc", "dataset_args: {fbank_args: [1]}", "feature_args: 3"])
def test_a_config_with_values_of_an_odd_kind(tmp_path: Path, config: str) -> None:
    torch.save({"x": torch.ones(2)}, tmp_path / "avg_model.pt")
    (tmp_path / "config.yaml").write_text(f"model: ResNet34\nmodel_args: {{feat_dim: 80}}\n{config}\n")
    assert "config.yaml says has another form than toolkits write" in refused(tmp_path / "avg_model.pt")


def test_tensors_of_odd_kinds(tmp_path: Path) -> None:
    for value in (torch.ones(2, dtype=torch.complex64), torch.ones(2, device="meta")):
        torch.save({"x": value}, tmp_path / "model.pt")
        assert "'x' is sparse, quantized, complex or without values" in refused(tmp_path / "model.pt")
    torch.save({3: torch.ones(2)}, tmp_path / "model.pt")
    assert "not a plain state dict" in refused(tmp_path / "model.pt")


def test_a_config_whose_sizes_no_tensor_has_takes_no_memory(tmp_path: Path) -> None:
    source, _ = given("wespeaker_ecapa", tmp_path)
    config = source / "config.yaml"
    config.write_text(re.sub(r"embed_dim: [0-9]+", "embed_dim: 1000000000", config.read_text()))
    assert "of another shape" in refused(source)
