"""Back-end files: what is whole is read back, what is of another form is named, whatever was done to its bytes."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sre import FileError, SreError
from sre.backends import Backend, fit, load, save
from sre.backends.files import save_failure

CONFIGS = {
    "plda": {"type": "plda", "chain": ["centre", "lda:4", "length_norm"], "rank": None, "iterations": 3, "adapt": None}
    | {"scale": True, "num_utts": True},
    "ht_plda": {"type": "ht_plda", "chain": ["centre", "length_norm"], "rank": 2, "iterations": 3, "nu": 2.0},
    "cosine": {"type": "cosine", "chain": ["centre", "whiten:zca", "wccn"]},
}
X = np.random.default_rng(1).normal(size=(40, 6))


def fitted(name: str) -> Backend:
    return fit({"enrol": "mean"} | CONFIGS[name], X, np.repeat(np.arange(8), 5))


def rewrite(path: Path, change: Callable[[dict, dict], object]) -> None:
    """Header and arrays changed; the zip stays whole."""
    with np.load(path) as file:
        parts = {name: file[name] for name in file.files if name != "header"}
        header = json.loads(str(file["header"]))
    change(header, parts)
    with open(path, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **parts)


@pytest.mark.parametrize("name", CONFIGS)
def test_round_trip(tmp_path: Path, name: str) -> None:
    backend = fitted(name)
    save(tmp_path / "b.npz", backend)
    again = load(tmp_path / "b.npz")
    np.testing.assert_array_equal(again.test(X).vectors, backend.test(X).vectors)
    np.testing.assert_array_equal(again.enrol(X, [np.arange(3)]).vectors, backend.enrol(X, [np.arange(3)]).vectors)


@pytest.mark.parametrize(
    "name, change, what",
    [
        ("plda", lambda h, p: h.update(kind="nothing"), "unknown kind 'nothing', known are cosine"),
        ("plda", lambda h, p: h.update(kind=["plda"]), "TypeError"),
        ("plda", lambda h, p: h.pop("facts"), "KeyError: 'facts'"),
        ("plda", lambda h, p: h["facts"].pop("scale"), "its fact scale is None"),
        ("plda", lambda h, p: h.update(facts={}), "its fact enrol is None"),
        ("plda", lambda h, p: h["facts"].update(enrol="all"), "its fact enrol is 'all'"),
        ("plda", lambda h, p: h.update(chain="centre"), "chain are of another form"),
        ("plda", lambda h, p: h["chain"].append("length_norm"), "chain_3 missing"),
        ("plda", lambda h, p: h["chain"].reverse(), "chain_0 of shape .* is none of step 'length_norm'"),
        ("plda", lambda h, p: h["chain"].__setitem__(0, "magic"), "is none of step 'magic'"),
        ("plda", lambda h, p: p.update(chain_0=p["chain_0"][:3]), "chain_1 takes 6 values, the step before it gives 3"),
        ("plda", lambda h, p: p.update(plda_psi=p["plda_psi"].astype("S9")), "plda_psi is not of finite floating"),
        ("plda", lambda h, p: p.update(plda_psi=-p["plda_psi"]), "plda_psi has values below 0"),
        ("plda", lambda h, p: p["plda_mean"].fill(np.nan), "plda_mean is not of finite"),
        ("plda", lambda h, p: p.pop("plda_psi"), "plda_psi missing"),
        (
            "plda",
            lambda h, p: p.update(plda_transform=p["plda_transform"][:, :3]),
            "plda_transform of shape .4, 3.",
        ),
        (
            "plda",
            lambda h, p: p.update({k: v[..., :3][:3] for k, v in p.items() if "plda" in k}),
            "plda_mean of shape .3",
        ),
        ("ht_plda", lambda h, p: p.update(G=p["G"][:2]), "G of shape .2, 6. does not fit"),
        ("ht_plda", lambda h, p: p.update(b_range=p["b_range"][::-1]), "b_range .* is out of its range"),
        ("ht_plda", lambda h, p: h["facts"].update(nu="2"), "its fact nu is '2'"),
        ("cosine", lambda h, p: p.update(chain_1=p["chain_1"][:, :, None]), "chain_1 of shape"),
    ],
)
def test_another_form_is_named(tmp_path: Path, name: str, change: Callable, what: str) -> None:
    save(tmp_path / "b.npz", fitted(name))
    rewrite(tmp_path / "b.npz", change)
    with pytest.raises(FileError, match=f"b.npz: not a back-end file .*{what}.*; train it again"):
        load(tmp_path / "b.npz")


@pytest.mark.parametrize("name", CONFIGS)
def test_damaged_bytes(tmp_path: Path, name: str) -> None:
    """Cut at many lengths, and with a byte changed at many places: the reader's sentence or a back-end that scores."""
    path, draw = tmp_path / "b.npz", random.Random(1)
    save(path, fitted(name))
    data = path.read_bytes()
    cuts = [data[:end] for end in range(0, len(data), 37)]
    changed = [data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :] for at in draw.sample(range(len(data)), 100)]
    for damaged in cuts + changed:
        path.write_bytes(damaged)
        try:
            backend = load(path)
        except FileError as error:
            assert str(path) in str(error)
        else:
            assert len(backend.test(X)) == len(X)


def test_a_failed_fit_is_no_damaged_file(tmp_path: Path) -> None:
    save_failure(tmp_path / "b.npz", "too few speakers")
    with pytest.raises(SreError, match="^too few speakers$") as error:
        load(tmp_path / "b.npz")
    assert not isinstance(error.value, FileError)


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04K\x01.", b"PK\3\4", b"\x93NUMPY\1\0"])
def test_no_npz_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(FileError, match="b.npz: not a back-end file"):
        load(tmp_path / "b.npz")
    with pytest.raises(FileError, match="no such back-end"):
        load(tmp_path / "gone.npz")
    with pytest.raises(FileError, match="cannot be read .Is a directory."):
        load(tmp_path)
