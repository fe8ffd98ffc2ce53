"""A header that contradicts its file is refused in either direction; one without sizes is read to the end."""

import io
import math
import shlex
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sre.io.audio import AudioError, AudioRules, load, probe
from sre.io.promise import Buffer

N = 4000  # samples, a quarter of a second
NOISE = np.random.default_rng(0).normal(0, 3000, N).astype(np.int16)
FMT = (1, 1, 16000, 32000, 2, 16)
UNTOLD = [0, 0x7FFFEFFE, 0x7FFFF000, 0x7FFFFF00, 0x7FFFFFFF, 0xFFFFFFDB, 0xFFFFFFFF]


def read(location: str, audio_rules: AudioRules = AudioRules()) -> np.ndarray:
    """Decode to the samples on int16's scale."""
    recording = load(location, audio_rules)
    assert audio_rules.resample or recording.sample_rate == audio_rules.sample_rate
    return recording.wave * np.float32(32768)


def riff(
    size: int, riff_size: int | None = None, magic: bytes = b"RIFF", after: bytes = b"", before: bytes = b""
) -> bytes:
    """A wav of NOISE whose chunk of samples claims `size` bytes."""
    e = ">" if magic == b"RIFX" else "<"
    data = NOISE.astype(f"{e}i2").tobytes()
    chunks = b"WAVE" + before + b"fmt " + struct.pack(f"{e}IHHIIHH", 16, *FMT)
    total = len(chunks) + 8 + len(data) + len(after)
    head = magic + struct.pack(f"{e}I", total if riff_size is None else riff_size)
    return head + chunks + b"data" + struct.pack(f"{e}I", size) + data + after


def rf64(size: int, samples: int = N) -> bytes:
    """An RF64 of NOISE whose ds64 chunk claims `size` bytes."""
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, min(size + 72, 2**64 - 1), size, samples, 0)
    return riff(0xFFFFFFFF, 0xFFFFFFFF, b"RF64", before=ds64)


def chunk(name: bytes, content: bytes, pad: bytes = b"\0") -> bytes:
    return name + struct.pack("<I", len(content)) + content + pad * (len(content) % 2)


def encoded(form: str, subtype: str | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, NOISE, 16000, format=form, subtype=subtype, **options)
    return file.getvalue()


def written(folder: Path, data: bytes) -> Path:
    (folder / "a.bin").write_bytes(data)
    return folder / "a.bin"


def outcomes(path: Path) -> list[int | str]:
    """Samples or reason: by the header (-1 where it does not tell), by decoding, through a command."""
    found: list[int | str] = []
    command = f"cat {shlex.quote(str(path))} |"
    for samples in (
        lambda: -1 if math.isnan(seconds := probe(str(path), AudioRules())) else round(seconds * 16000),
        lambda: len(read(str(path))),
        lambda: len(read(command, AudioRules(allow_pipes=True))),
    ):
        try:
            found.append(samples())
        except AudioError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("magic", [b"RIFF", b"RIFX"])
@pytest.mark.parametrize("size", UNTOLD)
def test_a_wav_without_sizes_is_read_to_its_end(tmp_path: Path, size: int, magic: bytes) -> None:
    for riff_size in (None, size, 0, 0xFFFFFFFF):
        path = written(tmp_path, riff(size, riff_size, magic))
        assert outcomes(path) == [N, N, N], riff_size
        np.testing.assert_array_equal(read(str(path)), NOISE)


@pytest.mark.parametrize("size", [0, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, 2 * N])
def test_an_rf64_without_sizes_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    assert outcomes(written(tmp_path, rf64(size, size))) == [N, N, N]


@pytest.mark.parametrize("make", [riff, lambda size: riff(size, magic=b"RIFX"), rf64])
@pytest.mark.parametrize("size", [2, 1000, 2 * N - 2, 2 * N + 2, 10 * N, 0x7FFFC000, 0x80000000])
def test_a_wav_that_claims_more_or_less_is_refused(tmp_path: Path, make, size: int) -> None:
    for reason in outcomes(written(tmp_path, make(size))):
        rest = f"{2 * N} are there" if size > 2 * N else f"{2 * N - size} more bytes follow"
        assert f"promises {size} bytes of samples" in reason and rest in reason


@pytest.mark.parametrize(
    "form", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "OGG", "MP3", "SVX", "VOC", "HTK"]
)
def test_cut_and_lengthened_files(tmp_path: Path, form: str) -> None:
    whole = encoded(form)
    assert outcomes(written(tmp_path, whole)) == [N, N, N]
    for cut in (len(whole) * 2 // 3, len(whole) - 1 - len(whole) // 5):
        _, *decoded = outcomes(written(tmp_path, whole[:cut]))
        assert all(isinstance(reason, str) and reason for reason in decoded), cut
    for more in (whole, whole[-1500:], bytes(range(1, 256)) * 4):  # two in one; something behind it
        _, *decoded = outcomes(written(tmp_path, whole + more))
        assert all(isinstance(reason, str) and reason for reason in decoded), len(more)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_samples_of_every_kind(tmp_path: Path, subtype: str) -> None:
    for form in ("WAV", "WAVEX"):
        assert outcomes(written(tmp_path, encoded(form, subtype))) == [N, N, N]
    for subtype in ("IMA_ADPCM", "MS_ADPCM", "GSM610"):  # in blocks: only decoding tells
        told, *decoded = outcomes(written(tmp_path, encoded("WAV", subtype)))
        assert told == -1 and N <= decoded[0] == decoded[1] < N + 1100


def test_other_chunks_do_no_harm(tmp_path: Path) -> None:
    info, odd, bext = chunk(b"LIST", b"INFOabcd"), chunk(b"JUNK", b"odd"), chunk(b"bext", bytes(602))
    unpadded = chunk(b"note", b"odd", pad=b"")
    for before in (b"", info, odd, bext, odd + info):
        for after in (b"", info, odd, info + odd, unpadded, b"\0", b"\0\0\0\0", chunk(b"id3 ", bytes(7), b"")):
            assert outcomes(written(tmp_path, riff(2 * N, None, before=before, after=after))) == [N, N, N]
    for after in (bytes(8), b"ab", riff(2 * N), chunk(b"data", NOISE.tobytes()), chunk(b"LIST", b"INFO")[:-2]):
        assert all("more bytes follow" in reason for reason in outcomes(written(tmp_path, riff(2 * N, after=after))))


def test_bits_in_more_bytes_than_they_need(tmp_path: Path) -> None:
    data = bytearray(riff(2 * N))
    for block, bits in ((4, 24), (4, 16), (2, 8)):
        data[32:36] = struct.pack("<HH", block, bits)
        assert all(f"{bits} bits a sample and {block} bytes" in reason for reason in outcomes(written(tmp_path, data)))
    data[32:36] = struct.pack("<HH", 0, 16)  # where it is not told it is known
    assert outcomes(written(tmp_path, data)) == [N, N, N]


def test_tags_before_the_header(tmp_path: Path) -> None:
    tag = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
    for data in (riff(2 * N), riff(0), encoded("FLAC"), encoded("MP3"), encoded("AIFF")):
        assert outcomes(written(tmp_path, tag + tag + data)) == [N, N, N]
    for data in (riff(2 * N)[:-2], b"", bytes(100)):
        assert all(isinstance(reason, str) for reason in outcomes(written(tmp_path, tag + data)))
    assert "tag promises to end at byte 20, the file ends at 15" in outcomes(written(tmp_path, tag[:15]))[0]


def test_headers_without_samples(tmp_path: Path) -> None:
    empty = riff(0)[:44]
    for data in (empty, empty + chunk(b"LIST", b"INFO")):
        assert all("too short: 0.000 s" in reason for reason in outcomes(written(tmp_path, data)))
    assert all("hold no samples" in reason for reason in outcomes(written(tmp_path, empty[:36])))
    for length in range(1, 36):
        assert all(isinstance(reason, str) for reason in outcomes(written(tmp_path, empty[:length])))


def flac(samples: int) -> bytes:
    """A FLAC of NOISE that promises so many samples."""
    data = bytearray(encoded("FLAC"))
    data[21:26] = (int.from_bytes(data[21:26], "big") >> 36 << 36 | samples).to_bytes(5, "big")
    return bytes(data)


def test_the_length_of_a_flac(tmp_path: Path) -> None:
    assert outcomes(written(tmp_path, flac(0))) == [-1, N, N]
    np.testing.assert_array_equal(read(str(tmp_path / "a.bin")), NOISE)
    for wrong in (N - 1, N + 1):
        _, *decoded = outcomes(written(tmp_path, flac(wrong)))
        assert all(f"promises {wrong} samples, {N} were decoded" in reason for reason in decoded)
    assert all("holds at most" in reason for reason in outcomes(written(tmp_path, flac(2**36 - 1))))
    assert outcomes(written(tmp_path, flac(N) + b"TAG" + bytes(125))) == [N, N, N]


def test_the_length_of_an_mp3(tmp_path: Path) -> None:
    for mode in ("CONSTANT", "VARIABLE"):
        whole = encoded("MP3", bitrate_mode=mode)
        first = whole.find(whole[:2], 4)  # the frame after that of the Xing header
        told, *decoded = outcomes(written(tmp_path, whole[first:]))
        assert told == -1 and N < decoded[0] == decoded[1] < N + 3 * 576  # with the encoder's delay
        assert outcomes(written(tmp_path, whole + b"TAG" + bytes(125))) == [N, N, N]
        half = outcomes(written(tmp_path, whole[: len(whole) // 2]))
        assert all(f"{len(whole)} bytes, {len(whole) // 2} are there" in reason for reason in half)
        cut = outcomes(written(tmp_path, whole[first : len(whole) - 20]))[1:]
        assert all("its last MPEG frame promises" in reason for reason in cut)
        damaged = whole[: first + 700] + bytes(500) + whole[first + 1200 :]
        assert isinstance(outcomes(written(tmp_path, damaged))[1], str)


def test_an_mp3_whose_first_bit_rate_says_nothing(tmp_path: Path) -> None:
    """A decoder's guess from the silence at its beginning is another length: shorter or longer."""
    file, length = io.BytesIO(), 32000
    sound = np.r_[np.zeros(length // 2), np.random.default_rng(0).normal(0, 0.1, length // 2)]
    for wave in (sound, sound[::-1]):
        soundfile.write(file, wave, 24000, format="MP3", bitrate_mode="VARIABLE")
        whole = file.getvalue()
        path = written(tmp_path, whole[whole.find(whole[:2], 4) :])
        assert length < len(read(str(path), AudioRules(24000))) < length + 3 * 576 and math.isnan(
            probe(str(path), AudioRules(24000))
        )
        file.seek(0)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_pages_of_an_ogg(tmp_path: Path, subtype: str) -> None:
    file, long = io.BytesIO(), np.random.default_rng(0).normal(0, 0.1, 80000)
    soundfile.write(file, long, 16000, format="OGG", subtype=subtype)
    whole = bytearray(file.getvalue())
    assert outcomes(written(tmp_path, whole)) == 3 * [len(long)]
    pages = [at for at in range(len(whole)) if whole[at : at + 4] == b"OggS"]
    for page in pages[-2:]:
        damaged = whole[:]
        damaged[page + 300] ^= 1  # the page's checksum is wrong now, and a decoder leaves it out
        for reason in outcomes(written(tmp_path, damaged))[1:]:
            assert f"its header promises {len(long)} samples" in reason
    damaged = whole[:]
    damaged[pages[-1] + 6 : pages[-1] + 14] = (1 << 40).to_bytes(8, "little")
    assert all("too many for" in reason for reason in outcomes(written(tmp_path, damaged)))


def test_a_truncated_mp4_is_found_before_ffmpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(struct.pack(">I4s8sI4s", 16, b"ftyp", b"M4A isom", 1000, b"mdat") + bytes(500))
    for function in (probe, read):
        with pytest.raises(AudioError, match="truncated: its header promises 1000 bytes of 'mdat', 508 are there"):
            function(str(path), AudioRules())


def test_a_truncated_aac_is_found_before_ffmpeg(tmp_path: Path) -> None:
    path, frame = tmp_path / "a.aac", b"\xff\xf1\x60\x40\x0a\x00\xfc" + bytes(73)  # of 80 bytes
    path.write_bytes(5 * frame)
    assert math.isnan(probe(str(path), AudioRules()))
    path.write_bytes((5 * frame)[:-30])
    with pytest.raises(AudioError, match="truncated: its last AAC frame promises 80 bytes, 50 are there"):
        probe(str(path), AudioRules())


def test_a_decoder_may_go_astray() -> None:
    buffer = Buffer(b"abc")
    assert [buffer.seek(1), buffer.seek(-5), buffer.seek(1 << 70)] == [1, 1, 1] and buffer.read() == b"bc"


@settings(max_examples=150, deadline=None)
@given(
    whole=st.sampled_from(
        [riff(2 * N), rf64(2 * N), riff(0), *map(encoded, ("AIFF", "AU", "CAF", "W64", "NIST", "FLAC"))]
    ),
    edits=st.lists(st.tuples(st.integers(0, 80), st.binary(min_size=1, max_size=4)), max_size=3),
    cut=st.none() | st.integers(0, 2 * N),
    more=st.binary(max_size=20),
)
def test_any_header_gives_the_right_length_or_a_reason(tmp_path_factory, whole, edits, cut, more) -> None:
    data = bytearray(whole[:cut])
    for at, value in edits:
        data[at : at + len(value)] = value
    path = written(tmp_path_factory.getbasetemp(), bytes(data) + more)
    try:
        recording = load(str(path), AudioRules(resample=True))
    except AudioError as error:
        assert str(error)
        return
    told = probe(str(path), AudioRules(resample=True))
    assert math.isnan(told) or round(told * recording.sample_rate) == len(recording.wave)
