"""Live voiceprints: of the file while that is short, and of its windows where it is long, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import small_package, voice

from sre import SreError
from sre.voices.model import Model, load
from sre.voices.stream import Stream, updates

RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("stream") / "model.sre"
    small_package().write(path)
    return load(path, "cpu")


def blocks(wave: np.ndarray, size: int) -> list[np.ndarray]:
    return [wave[start : start + size] for start in range(0, len(wave), size)]


def test_a_short_stream_is_the_file(model: Model) -> None:
    """At each update all that was heard, as if it were a file."""
    wave = voice(140, 2.6)
    heard = list(updates(model, blocks(wave, 4000), RATE, window_s=3, update_s=1))
    assert [one.seconds for one in heard] == [1.0, 2.0, 2.6]
    for one in heard:
        part = model.voiceprint((wave[: round(one.seconds * RATE)], RATE))
        np.testing.assert_allclose(one.voiceprint.vectors, part.vectors, atol=1e-6)
        assert one.voiceprint.qualities["speech_s"] == pytest.approx(part.qualities["speech_s"])


def test_a_long_stream_is_the_mean_of_its_windows(model: Model) -> None:
    wave = np.concatenate([voice(140, 2.0, 1), voice(180, 2.0, 2), voice(120, 1.3, 3)])
    (*_, last) = updates(model, blocks(wave, 3000), RATE, window_s=2, update_s=0.5)
    parts = [model.voiceprint((wave[start : start + 2 * RATE], RATE)) for start in (0, 2 * RATE, 4 * RATE)]
    seconds = np.array([part.qualities["speech_s"][0] for part in parts])
    mean = sum(second * part.vectors for second, part in zip(seconds, parts, strict=True)) / seconds.sum()
    np.testing.assert_allclose(last.voiceprint.vectors, mean, atol=1e-6)
    assert last.voiceprint.qualities["speech_s"] == pytest.approx(seconds.sum()) and len(last.voiceprint) == 1


@given(cuts=st.lists(st.integers(0, 50000), max_size=6))
@settings(max_examples=15, deadline=None)
def test_the_blocks_do_not_matter(cuts: list[int], model: Model) -> None:
    wave = voice(150, 50000 / RATE)
    whole, pieces = Stream(model, RATE, 1.0, 1.0), Stream(model, RATE, 1.0, 1.0)
    whole.add(wave)
    for piece in np.split(wave, sorted(cuts)):
        pieces.add(piece)
    one, other = whole.finish(), pieces.finish()
    np.testing.assert_allclose(one.voiceprint.vectors, other.voiceprint.vectors, atol=1e-6)
    assert one.seconds == other.seconds == 50000 / RATE


def test_silence_changes_nothing(model: Model) -> None:
    wave = voice(150, 1.0)
    stream = Stream(model, RATE, 1.0, 0.5)
    assert stream.add(np.zeros(RATE)).voiceprint is None
    first = stream.add(wave).voiceprint
    np.testing.assert_allclose(first.vectors, model.voiceprint((wave, RATE)).vectors, atol=1e-6)
    np.testing.assert_array_equal(stream.add(np.zeros(2 * RATE)).voiceprint.vectors, first.vectors)
    assert stream.finish().seconds == 4.0


def test_another_rate_and_int16(model: Model) -> None:
    wave = voice(150, 1.5, rate=8000)
    whole = np.round(wave * 32768).astype(np.int16)
    (*_, last) = updates(model, blocks(whole, 1234), 8000)
    np.testing.assert_allclose(last.voiceprint.vectors, model.voiceprint((whole, 8000)).vectors, atol=1e-5)


def test_a_block_may_be_used_again_by_who_gave_it(model: Model) -> None:
    wave, buffer = voice(150, 1.0), np.empty(4000)
    stream = Stream(model, RATE)
    for block in blocks(wave, 4000):
        buffer[:] = block
        stream.add(buffer)
    np.testing.assert_allclose(stream.finish().voiceprint.vectors, model.voiceprint((wave, RATE)).vectors, atol=1e-6)


def test_what_cannot_be_is_told(model: Model) -> None:
    with pytest.raises(SreError, match="a stream of 10 Hz"):
        Stream(model, 10)
    with pytest.raises(SreError, match="windows of 1 s cannot be updated every 2 s"):
        Stream(model, RATE, 1, 2)
    (nothing,) = updates(model, [], RATE)
    assert nothing.voiceprint is None and nothing.seconds == 0
