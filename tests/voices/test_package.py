"""model.sre: what is written is read, the same content gives the same bytes, and what is hostile is refused."""

import json
import struct
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from small_models import OPTIONS, small_package, voice

from sre import SreError
from sre.io.atomic import sha256_text
from sre.io.tensor_file import TensorFile, digest_of, write_tensors
from sre.io.text import canonical
from sre.models.bundle import Bundle
from sre.voices.facts import page_of
from sre.voices.model import Model, load, package_of
from sre.voices.package import FORMAT, read_package


def written(path: Path, **changes: object) -> Path:
    """Write a package whose manifest is changed, with all its hashes right."""
    package = small_package()
    groups = package.groups()
    content = asdict(replace(package.manifest, tensors={name: digest_of(group) for name, group in groups.items()}))
    content |= changes
    arrays = {f"{group}/{name}".rstrip("/"): array for group, some in groups.items() for name, array in some.items()}
    return resaved(path, arrays, content)


def resaved(path: Path, arrays: dict[str, np.ndarray], manifest: dict | str, form: str = FORMAT) -> Path:
    text = manifest if isinstance(manifest, str) else canonical(manifest)
    save_file(arrays, path, {"format": form, "manifest": text, "sha256": sha256_text(text)})
    return path


def test_what_is_written_is_read(package_file: Path) -> None:
    package, found = small_package(), read_package(package_file, with_head=True)
    assert replace(found.manifest, tensors={}) == package.manifest
    for group, arrays in package.groups().items():
        again = found.groups()[group]
        assert arrays.keys() == again.keys()
        assert all(
            np.array_equal(arrays[name], again[name]) and arrays[name].dtype == again[name].dtype for name in arrays
        )
    assert found.bundles[0].speakers == ["anna", "bert", "cleo"]
    assert read_package(package_file).bundles[0].head is None


def test_the_library_reads_it_and_the_same_content_has_the_same_bytes(package_file: Path, tmp_path: Path) -> None:
    arrays = load_file(package_file)
    assert {
        "nets/0/head/weight",
        "systems/1/backend/plda_psi",
        "systems/1/cohort/vectors",
        "lists/0/curve",
    } <= arrays.keys()
    small_package().write(tmp_path / "again.sre")
    assert (tmp_path / "again.sre").read_bytes() == package_file.read_bytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, str]:
    path = tmp_path_factory.mktemp("fuzz") / "model.sre"
    small_package().write(path)
    return path, path.read_bytes(), result_of(path)


def result_of(path: Path) -> str:
    """All that a package gives, as text."""
    package = read_package(path, with_head=True)
    scores = Model(path, package, "cpu").score(np.ones(8), np.arange(8.0))
    return f"{package.manifest} {scores} { {name: digest_of(group) for name, group in package.groups().items()} }"


@given(place=st.floats(0, 1, exclude_max=True), in_header=st.booleans(), value=st.integers(0, 255))
def test_no_changed_byte_gives_another_result_or_a_traceback(small, place: float, in_header: bool, value: int) -> None:
    path, whole, expected = small
    size = 8 + struct.unpack("<Q", whole[:8])[0] if in_header else len(whole)
    changed = bytearray(whole)
    changed[int(place * size)] = value
    other = path.with_name("changed.sre")
    other.write_bytes(changed)
    try:
        assert result_of(other) == expected
    except SreError as error:
        assert "\n" not in str(error)


@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_is_refused(small, cut: float) -> None:
    path, whole, _ = small
    other = path.with_name("cut.sre")
    other.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(SreError, match="cut.sre"):
        read_package(other)


def test_a_checkpoint_under_another_name_is_what_it_is(final_pt: Path) -> None:
    renamed = final_pt.rename(final_pt.with_name("model.sre"))
    assert package_of(renamed).manifest.systems[0].name == "cosine"


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"\x80\x02}q\x00.", "a pickle, which could run any code"),
        (b"", "0 bytes, and no file of safetensors"),
        (b"\xff" * 40, "no file of safetensors"),
        (struct.pack("<Q", 2**62) + b"{}", "no file of safetensors"),
        (struct.pack("<Q", 200_000_000) + b"{}", "no file of safetensors"),
        (struct.pack("<Q", 4) + b"{1]x", "its header is no JSON"),
        (struct.pack("<Q", 4) + b"[1]x", "12 bytes, and no file of safetensors"),
        (struct.pack("<Q", 500_000) + b'{"a":' * 100_000, "its header is no JSON"),
        (struct.pack("<Q", 2) + b"{}", "no package of sre"),
        (struct.pack("<Q", 2) + b"{}more", "its header contradicts the file"),
        (b"RIFF\x00\x00\x00\x00WAVE", "a sound file"),
    ],
)  # fmt: skip
def test_what_is_no_package(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.sre"
    path.write_bytes(content)
    with pytest.raises(SreError, match=reason):
        read_package(path)


def test_a_header_of_any_length_is_one(tmp_path: Path) -> None:
    """The first byte of a pickle is 128, of a JSON text 123; a header may be so long too."""
    path = tmp_path / "tensors"
    for length in range(112, 640, 8):
        write_tensors(path, {"x": np.ones(2)}, {"a": "b" * (length - 90)})
        assert TensorFile(path).metadata.keys() == {"a"}
    assert any(struct.pack("<Q", length)[0] == 0x80 for length in range(112, 640, 8))


def header_of(whole: bytes) -> tuple[dict, bytes]:
    size = struct.unpack("<Q", whole[:8])[0]
    return json.loads(whole[8 : 8 + size]), whole[8 + size :]


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [10**9]},
        {"data_offsets": [0, 2**60]},
        {"data_offsets": [64, 32]},
        {"shape": [-1]},
        {"dtype": "BF16"},
        {"dtype": "PICKLE"},
    ],
)  # fmt: skip
def test_sizes_that_lie(package_file: Path, change: dict) -> None:
    header, rest = header_of(package_file.read_bytes())
    header["nets/0/head/weight"] |= change
    text = json.dumps(header).encode()
    package_file.write_bytes(struct.pack("<Q", len(text)) + text + rest)
    with pytest.raises(SreError, match=r"model\.sre"):
        read_package(package_file, with_head=True)


@pytest.mark.parametrize(
    "name", ["../x", "nets/../../etc/passwd", "nets/0/network", "systems/0/curve", "nets/7/network/a"]
)
def test_names_that_are_none_are_refused(package_file: Path, tmp_path: Path, name: str) -> None:
    manifest = json.loads(header_of(package_file.read_bytes())[0]["__metadata__"]["manifest"])
    arrays = load_file(package_file) | {name: np.zeros(2, np.float32)}
    with pytest.raises(SreError, match=r"unknown name|tells nothing"):
        read_package(resaved(tmp_path / "odd.sre", arrays, manifest))


def test_arrays_that_are_not_those_of_the_hash(package_file: Path, tmp_path: Path) -> None:
    manifest = json.loads(header_of(package_file.read_bytes())[0]["__metadata__"]["manifest"])
    arrays = load_file(package_file)
    name = next(name for name in arrays if name.endswith("weight"))
    changed = arrays | {name: arrays[name] * np.float32(1.0001)}
    with pytest.raises(SreError, match="are not those of its manifest's SHA-256"):
        read_package(resaved(tmp_path / "changed.sre", changed, manifest), with_head=True)
    broken = arrays | {name: np.full_like(arrays[name], np.nan)}
    with pytest.raises(SreError, match="NaN or infinite values"):
        read_package(resaved(tmp_path / "nan.sre", broken, manifest), with_head=True)
    lacking = {other: array for other, array in arrays.items() if not other.startswith("systems/1/cohort")}
    with pytest.raises(SreError, match="the arrays of systems/1/cohort are missing"):
        read_package(resaved(tmp_path / "lacking.sre", lacking, manifest))


def test_manifests_of_another_form(tmp_path: Path) -> None:
    systems = asdict(small_package().manifest)["systems"]
    loop = [systems[0], systems[1], systems[2] | {"of": [0, 2]}]

    def measured(measure: str, of: int) -> dict:
        weights = [1.0, 2.0, 3.0] + [4.0, 5.0] * (measure == "snr")
        told = {"quality_measures": [measure], "quality_ranges": [[0.0, 1.0]]}
        return systems[2] | {"of": [of], "weights": weights, **told}

    norm = [systems[0], systems[1] | {"norm": systems[1]["norm"] | {"method": "magic"}}, systems[2]]
    for changes, reason in (
        ({"later": 1}, "'later', which this version of sre does not know"),
        ({"systems": loop}, "combined from one that does not stand before it"),
        ({"systems": norm}, "the unknown norm 'magic'"),
        ({"systems": [systems[0] | {"network": 3}]}, "of a network that is not there"),
        ({"networks": [], "systems": []}, "no network in it"),
        ({"systems": [*systems[:2], systems[2] | {"quality_measures": ["snr"]}]}, "not a range for each of"),
        ({"systems": [*systems[:2], systems[2] | {"quality_measures": ["magic"]}]}, "quality measure 'magic'"),
        ({"systems": [systems[0], measured("cohort_mean", 0)]}, "takes cohort_mean of 'cosine', which has no cohort"),
        ({"systems": [*systems, measured("snr", 2)]}, "takes quality measures of no system with a network"),
        ({"lists": []}, "its list 'dev' is not in it"),
        ({"name": 3}, "name is '3', which is of another kind"),
    ):
        with pytest.raises(SreError, match=reason):
            read_package(written(tmp_path / "model.sre", **changes))


def test_texts_that_are_no_manifest(package_file: Path, tmp_path: Path) -> None:
    arrays, path = load_file(package_file), tmp_path / "text.sre"
    for text, reason in (
        ("{", "its manifest is no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": 1e999}', "1e999 is too large a number"),
        (f'{{"a": 1{400 * "0"}}}', "a whole number that is too large"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        (f'{{"a": {"[" * 60}{"]" * 60}}}', "it is nested too deep"),
    ):
        with pytest.raises(SreError, match=reason):
            read_package(resaved(path, arrays, text))
    with pytest.raises(SreError, match=r"of the format 'sre package 2', this version of sre reads 'sre package 1'"):
        read_package(resaved(path, arrays, "{}", "sre package 2"))


def test_options_of_another_size_take_no_memory(tmp_path: Path) -> None:
    """10^12 channels would be terabytes: shapes are compared before a network is built."""
    network = asdict(small_package().manifest)["networks"][0]
    network["config"] = network["config"] | {"options": OPTIONS | {"channels": 10**6}}
    with pytest.raises(SreError, match="and its options ask for"):
        load(written(tmp_path / "large.sre", networks=[network]), "cpu")


def test_a_network_without_a_weight_takes_no_memory(tmp_path: Path) -> None:
    package = small_package()
    package.bundles[0].network.popitem()
    package.bundles[0].config["options"] = OPTIONS | {"channels": 10**6}
    package.write(tmp_path / "lacking.sre")
    with pytest.raises(SreError, match="its network lacks the weight"):
        load(tmp_path / "lacking.sre", "cpu")


def test_a_network_of_other_features_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    bundle = small_package().bundles[0]
    Bundle(bundle.config, {"type": "given", "cmn": "none"}, 20, bundle.network).save(tmp_path / "final.pt")
    with pytest.raises(SreError, match="final.pt: its network takes features from elsewhere, which are not made of so"):
        load(tmp_path / "final.pt", "cpu").embed(np.zeros(16000, np.float32), 16000)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"vad": [1]}, "its feature config cannot be used"),
        ({"trim": {"a": 1}}, "its feature config cannot be used"),
        ({"sample_rate": 10**9}, "its feature config cannot be used"),
        ({"num_mel_bins": -1}, "its feature config cannot be used"),
        ({"type": {"a": 1}}, "features that were not made of audio here"),
        ({"num_mel_bins": 40}, "its features have 40 columns, and its network takes 20"),
    ],
)  # fmt: skip
def test_a_feature_config_that_cannot_be(tmp_path: Path, change: dict, reason: str) -> None:
    network = asdict(small_package().manifest)["networks"][0]
    network["feature_config"] = network["feature_config"] | change
    model = load(written(tmp_path / "odd.sre", networks=[network]), "cpu")
    with pytest.raises(SreError, match=reason):
        model.embed(voice(120), 16000)


@pytest.mark.parametrize("intervals", [None, 3, {"eer": ["a", "b"]}, {"eer": [1.0]}])
def test_intervals_of_another_form_are_left_out_of_the_page(tmp_path: Path, intervals: object) -> None:
    listed = asdict(small_package().manifest)["lists"][0]
    path = written(tmp_path / "odd.sre", lists=[listed | {"metrics": listed["metrics"] | {"intervals": intervals}}])
    assert "EER 25.000 %" in "\n".join(page_of(path, read_package(path)))
