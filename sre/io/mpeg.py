"""MPEG audio (MP3): its frames counted, and held against what its Xing, Info or VBRI header promises."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from sre.io.promise import AudioError, Promise

# kbit/s by index, for (version 1, layer 1), (1, 2), (1, 3), (2, 1), (2, 2 and 3)
KBITS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44100, 48000, 32000)  # of version 1; halves and quarters of versions 2 and 2.5
SMALLEST_FRAME = 24  # bytes


class Frame(NamedTuple):
    """size : bytes; samples : of one channel; side : bytes of side information before the data (layer 3)."""

    layer: int
    size: int
    samples: int
    side: int
    rate: int


def frame(head: bytes) -> Frame | None:
    """Return what the 4 bytes of a frame's header say; None where they are none, or of free format."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version_bits, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbits, rate_index, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version_bits == 1 or layer == 4 or kbits in (0, 15) or rate_index == 3:
        return None
    version = 1 if version_bits == 3 else 2
    rate = RATES[rate_index] >> (0, 1, 2)[{3: 0, 2: 1, 0: 2}[version_bits]]
    bits = KBITS[version, layer][kbits] * 1000
    if layer == 1:
        return Frame(layer, (12 * bits // rate + padding) * 4, 384, 0, rate)
    samples = 576 if version == 2 and layer == 3 else 1152
    mono = head[3] >> 6 == 3
    side = (17 if mono else 32) if version == 1 else (9 if mono else 17)
    return Frame(layer, samples // 8 * bits // rate + padding, samples, side, rate)


def after_tags(file: BinaryIO, size: int, at: int = 0) -> int:
    """Return the place after the ID3v2 tags that begin at `at`."""
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or any(byte > 127 for byte in head[6:]):
            return at
        at += 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        at += 10 * (head[5] >> 4 & 1)  # a footer
        if at > size:
            raise AudioError(f"truncated: its ID3 tag promises to end at byte {at}, the file ends at {size}")


def promised_frames(data: bytes, first: Frame) -> tuple[int | None, int | None, bool]:
    """Return frames and bytes that a Xing, Info or VBRI header in the first frame promises, and whether it is there."""
    at = 4 + first.side
    if data[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(data[at + 4 : at + 8], "big")
        numbers = struct.iter_unpack(">I", data[at + 8 : at + 16].ljust(8, b"\0"))
        frames = next(numbers)[0] if flags & 1 else None
        return frames or None, (next(numbers)[0] if flags & 2 else 0) or None, True
    if data[36:40] == b"VBRI":
        size, frames = struct.unpack(">II", data[46:54].ljust(8, b"\0"))
        return frames or None, size or None, True
    return None, None, False


def examine(file: BinaryIO, begin: int, size: int, whole: bool) -> Promise:
    """Return the promise of the MPEG file whose first frame stands at `begin`; with `whole` all its frames are counted.

    Without a promise a decoder guesses the length from the first bit rate, and reads no further: a file of
    variable bit rate is patched by an Info header. Raises AudioError for fewer or more frames than promised.
    """
    file.seek(begin)
    data = file.read() if whole else file.read(4096)
    first = frame(data)
    assert first is not None, "the caller has seen a frame there"
    frames, length, has_header = promised_frames(data, first)
    if length is not None and length > size - begin + SMALLEST_FRAME:
        raise AudioError(f"truncated: its header promises {length} bytes, {size - begin} are there")
    if frames is not None and frames * SMALLEST_FRAME > size:
        raise AudioError(f"truncated: its header promises {frames} MPEG frames, too many for {size} bytes")
    if not whole:
        return Promise(told=frames is not None, slack=2 * first.samples)
    sizes = [size for size, _ in _walk(data, first)]
    found = len(sizes) - has_header
    if frames is not None and abs(found - frames) > 1:  # some writers count the header's own frame
        word = "truncated: " if found < frames else ""
        raise AudioError(f"{word}its header promises {frames} MPEG frames, {found} are there")
    if frames is not None:
        return Promise(slack=2 * first.samples)
    varies = max(sizes) - min(sizes) > 4  # more than the padding
    patches = ((begin, 0, _info(data, first, found)),) if varies and first.layer == 3 else ()
    return Promise(samples=found * first.samples, slack=2 * first.samples, patches=patches)


def _walk(data: bytes, first: Frame) -> Iterator[tuple[int, int]]:
    """Yield (size, place) of each whole frame. Raises AudioError at what is neither a frame nor a tag."""
    at = 0
    while at < len(data):
        found = frame(data[at : at + 4])
        if found is not None and found.rate == first.rate and at + found.size <= len(data):
            yield found.size, at
            at += found.size
        elif data[at : at + 3] == b"ID3" and at + 10 <= len(data):
            at += 10 + sum(byte << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
        elif found is not None and found.rate == first.rate:
            raise AudioError(f"truncated: its last MPEG frame promises {found.size} bytes, {len(data) - at} are there")
        elif data[at:].startswith((b"TAG", b"APETAGEX", b"LYRICSBEGIN")) or not any(data[at:]):  # no sound follows
            return
        else:
            raise AudioError(f"damaged: no MPEG frame at byte {at} of {len(data)}")


def _info(data: bytes, first: Frame, frames: int) -> bytes:
    """Return an Info header: a frame like the first, of silence, that tells the number of frames."""
    head = bytes([data[0], data[1] | 1, data[2] & 0x0F | 0xE0, data[3]])  # no checksum, the highest bit rate, for room
    info = frame(head)
    assert info is not None, "a frame with another bit rate is a frame"
    content = head + bytes(first.side) + b"Info" + struct.pack(">II", 1, frames)
    return content.ljust(info.size, b"\0")
