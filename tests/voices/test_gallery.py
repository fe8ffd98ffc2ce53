"""A search gives what scoring every voice gives, in its order, also where scores are equal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.cosine import Cosine
from sre.backends.sides import Groups, Side
from sre.voices import gallery
from sre.voices.database import Stored
from sre.voices.gallery import Gallery
from sre.voices.scoring import Norm, Plain, System


class Product(Backend):
    """Sums of a voice's vectors times a probe: whole numbers keep it exact, in whatever order it is computed."""

    kind = "product"

    def _model(self, x: np.ndarray, groups: Groups) -> Side:
        return Side(np.stack([x[rows].sum(axis=0) for rows in groups]), np.array([len(rows) for rows in groups], float))

    def _test(self, x: np.ndarray) -> Side:
        return Side(x.astype(float), -x[:, 0].astype(float))


def system_of(backend: Backend, dimension: int, norm: Norm | None = None) -> System:
    return System([Plain("one", backend, slice(0, dimension), norm)], dimension)


def stored_of(vectors: np.ndarray, sizes: np.ndarray) -> Stored:
    voice_of, unknown = np.repeat(np.arange(len(sizes)), sizes), np.full(len(vectors), np.nan)
    qualities = {"speech_s": unknown, "snr_db": unknown}
    return Stored([f"v{number}" for number in range(len(sizes))], voice_of, vectors, qualities, "t")


def unknown(probes: int) -> dict[str, np.ndarray]:
    return {"speech_s": np.full(probes, np.nan), "snr_db": np.full(probes, np.nan)}


@given(
    seed=st.integers(0, 2**32 - 1), voices=st.integers(1, 40), probes=st.integers(1, 9), top=st.integers(1, 45),
    block=st.integers(1, 12), spread=st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=150)
def test_a_search_is_exact(seed: int, voices: int, probes: int, top: int, block: int, spread: int) -> None:
    """Against all scores, sorted: values of a few whole numbers, so that many are equal."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(1, 3, voices)
    vectors = draw.integers(-spread, spread + 1, (sizes.sum(), 3)).astype(np.float32)
    tests = draw.integers(-2, 3, (probes, 3)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "VOICES_AT_ONCE", block)
        patch.setattr(gallery, "PROBES_AT_ONCE", 4)
        searched = Gallery(system_of(Product(), 3), stored_of(vectors, sizes)).search(tests, unknown(probes), top)
    ends = np.cumsum(sizes)
    for probe, places, scores in zip(tests, searched.places, searched.scores, strict=True):
        right = [
            float(vectors[end - size : end].sum(axis=0) @ probe + size - probe[0])
            for end, size in zip(ends, sizes, strict=True)
        ]
        order = sorted(range(voices), key=lambda place: (-right[place], place))[:top]
        assert places.tolist() == order
        assert scores.tolist() == [right[place] for place in order]


@pytest.mark.parametrize("method", [None, "asnorm1", "asnorm2", "tnorm"])
def test_a_search_gives_the_system_s_own_scores(method: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(5)
    norm = None if method is None else Norm(method, 7, draw.normal(size=(30, 12)).astype(np.float32))
    system, sizes = system_of(Cosine(), 12, norm), draw.integers(1, 4, 50)
    vectors, tests = (draw.normal(size=(count, 12)).astype(np.float32) for count in (sizes.sum(), 6))
    groups = np.split(np.arange(len(vectors)), np.cumsum(sizes)[:-1])
    right = system.scores(system.enrol(vectors, groups), system.test(tests)).T
    monkeypatch.setattr(gallery, "VOICES_AT_ONCE", 9)
    searched = Gallery(system, stored_of(vectors, sizes)).search(tests, unknown(6), 50)
    np.testing.assert_array_equal(searched.places, np.argsort(-right.astype(np.float32), axis=1, kind="stable"))
    np.testing.assert_allclose(searched.scores, np.take_along_axis(right, searched.places, axis=1), rtol=0, atol=1e-9)
    np.testing.assert_allclose(searched.totals, np.logaddexp.reduce(right, axis=1), rtol=0, atol=1e-9)


def test_the_same_voice_under_two_names_is_found_in_the_order_of_enrolment() -> None:
    """Their cosines may differ in float64's last bit, by the place in a matrix product."""
    draw = np.random.default_rng(3)
    vectors = draw.normal(size=(301, 192)).astype(np.float32)
    vectors[[7, 100, 250, 300]] = vectors[42]
    stored = stored_of(vectors, np.ones(301, int))
    found = Gallery(system_of(Cosine(), 192), stored).search(vectors[[42]] + 0.01, unknown(1), 7)
    assert found.places[0, :5].tolist() == [7, 42, 100, 250, 300]
    assert found.scores[0, 4] > 0.99 > 0.5 > found.scores[0, 5]


def test_an_empty_gallery_is_told() -> None:
    empty = stored_of(np.empty((0, 3), np.float32), np.empty(0, int))
    with pytest.raises(SreError, match="nobody to identify"):
        Gallery(system_of(Product(), 3), empty).search(np.ones((1, 3), np.float32), unknown(1))
