"""FLAC, Ogg, AAC and MP4: what their headers, pages, frames and boxes promise, held against the file."""

import struct
from typing import BinaryIO

from sre.io.promise import AudioError, Promise, read_at

LATEST_OGG_START = 1 << 20  # samples before the first page's end; more: cut out of a longer stream
DENSEST_OGG = 8192  # samples a byte, a Vorbis block
OGG_SLACK = 480  # samples


def flac(file: BinaryIO, begin: int, size: int, whole: bool) -> Promise:
    """Read the header of FLAC: the number of samples is 36 bits of STREAMINFO, 0 if it was written into a pipe."""
    info = read_at(file, begin + 8, 18)
    if len(info) < 18:
        raise AudioError(f"truncated: its header promises 38 bytes of stream information, {size - begin - 4} are there")
    samples = int.from_bytes(info[13:18], "big") & (1 << 36) - 1
    longest_block, smallest_frame = int.from_bytes(info[2:4], "big"), int.from_bytes(info[4:7], "big")
    most = (size // max(smallest_frame, 8) + 1) * max(longest_block, 16)
    if samples > most:
        raise AudioError(f"its header promises {samples} samples, a file of {size} bytes holds at most {most}")
    place = begin + 8 + 13
    patches = [(place, 5, bytes([info[13] & 0xF0, 0, 0, 0, 0])), (0, begin, b"")] if whole else []
    if patches and read_at(file, max(size - 128, 0), 3) == b"TAG":  # ID3v1
        patches.insert(0, (size - 128, 128, b""))
    return Promise(samples=samples or None, told=samples > 0, patches=tuple(patches))


def ogg(file: BinaryIO, size: int) -> Promise:
    """Read the pages of Ogg: each tells its size, how many samples end in it, and whether it is the last.

    Decoders leave out a page whose checksum is wrong, and take the one before for the last.
    """
    at, serial, ended, first, last = 0, b"", False, 0, 0
    while at < size:
        head = read_at(file, at, 27)
        if head[:4] != b"OggS" or len(head) < 27:
            raise AudioError(f"damaged or truncated: no whole Ogg page at byte {at} of {size}")
        if ended or serial not in (b"", head[14:18]):
            raise AudioError("several Ogg streams, of which only the first would be decoded; make a file of each")
        position = int.from_bytes(head[6:14], "little", signed=True)
        first, last = first or max(position, 0), max(position, last)
        serial, ended = head[14:18], bool(head[5] & 4)
        at += 27 + head[26] + sum(file.read(head[26]))
    if at > size:
        raise AudioError(f"truncated: its last Ogg page promises to end at byte {at}, the file ends at {size}")
    if not ended:
        raise AudioError("truncated: its last Ogg page is not marked as the end of the stream")
    if first > LATEST_OGG_START:
        return Promise()
    if last > size * DENSEST_OGG:
        raise AudioError(f"its last Ogg page promises {last} samples, too many for {size} bytes")
    return _ogg_promise(read_at(file, 28, 12), last)


def _ogg_promise(packet: bytes, last: int) -> Promise:
    """Return the promise of an Ogg stream: `packet` begins it, `last` is the position (samples) of its end."""
    if packet.startswith(b"\x01vorbis"):
        return Promise(samples=last, slack=OGG_SLACK)
    if packet.startswith(b"OpusHead"):  # positions are of 48 kHz, whatever the rate, and count what is to be skipped
        return Promise(samples=last - int.from_bytes(packet[10:12], "little"), rate=48000, slack=OGG_SLACK)
    return Promise()


def adts(file: BinaryIO, size: int) -> Promise:
    """Read the frames of AAC in ADTS: no header tells a length, but each frame its size."""
    at = 0
    while len(head := read_at(file, at, 7)) == 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        length = int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF
        if at + length > size:
            raise AudioError(f"truncated: its last AAC frame promises {length} bytes, {size - at} are there")
        at += max(length, 7)
    return Promise(told=False)


def mp4(file: BinaryIO, size: int) -> Promise:
    """Read the boxes of MP4, each with its size; ffmpeg reads what is left of a truncated one in silence."""
    at = 0
    while at + 8 <= size:
        length, name = struct.unpack(">I4s", read_at(file, at, 8))
        if length == 1:
            length = int.from_bytes(read_at(file, at + 8, 8), "big")
        if length == 0 or not name.isalnum():  # to the end; what is no box
            break
        if at and name == b"ftyp":
            raise AudioError("several MP4 files in one, of which only one would be decoded; make a file of each")
        if length < 8 or at + length > size:
            box = name.decode(errors="replace")
            raise AudioError(f"truncated: its header promises {length} bytes of '{box}', {size - at} are there")
        at += length
    return Promise(told=False)
