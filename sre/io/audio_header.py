"""What the header of an audio file promises, held against the bytes that are there.

Decoders mend a header that contradicts its file in silence, in either direction. Here that is an AudioError, and
sizes that a writer into a pipe could not know are taken as "to the end". RIFF, RIFX, RF64, W64, AIFF, 8SVX, CAF, AU,
VOC and NIST SPHERE are read here, FLAC, Ogg, AAC and MP4 in `sre.io.coded_audio`, MPEG audio in `sre.io.mpeg`.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from sre.io import coded_audio, mpeg
from sre.io.promise import AudioError, Promise, read_at

# SoX writes 0x7FFFF000 (less a part of a sample) into a pipe, arecord 0x7FFFFF00, others 0x7FFFFFFF, 0xFFFFFFFF or 0
UNTOLD_BELOW = (1 << 31, 1 << 32, 1 << 63, 1 << 64)
UNTOLD_WINDOW = 8192
UNCODED = (1, 3, 6, 7, 0xFFFE)  # of RIFF: PCM, float, A-law, mu-law, what WAVE_FORMAT_EXTENSIBLE names


@dataclass(frozen=True)
class Form:
    """A family of chunked files.

    start : place of the first chunk; head : its name and size; data : name of the chunk of samples
    inside : bytes in that chunk before the samples; pad : chunks begin at multiples of it
    whole : the size counts the chunk's head too
    """

    start: int
    head: struct.Struct
    data: bytes = b"data"
    inside: int = 0
    pad: int = 2
    whole: bool = False


@dataclass(frozen=True)
class Chunk:
    """name : as in the file; size : as written; at, end : places of the content's beginning and the next chunk."""

    name: bytes
    size: int
    at: int
    end: int


FORMS = {
    b"RIFF": Form(12, struct.Struct("<4sI")),
    b"RIFX": Form(12, struct.Struct(">4sI")),
    b"RF64": Form(12, struct.Struct("<4sI")),
    b"FORM": Form(12, struct.Struct(">4sI"), b"SSND", inside=8),
    b"8SVX": Form(12, struct.Struct(">4sI"), b"BODY"),  # a FORM, too
    b"caff": Form(8, struct.Struct(">4sQ"), inside=4, pad=1),
    b"riff": Form(40, struct.Struct("<16sQ"), pad=8, whole=True),  # W64, whose names are 16 bytes
}


def untold(size: int) -> bool:
    """Return whether a size in a header is one that writers put there who do not know it."""
    return size == 0 or any(top - UNTOLD_WINDOW <= size < top for top in UNTOLD_BELOW)


def examine(file: BinaryIO, whole: bool = False) -> Promise:
    """Read an audio file's header; with `whole` all of an MPEG file, and FLAC is patched to be read to its end.

    Raises AudioError where the header contradicts the file, with both numbers. A format that is not known here gives
    an empty promise.
    """
    size = file.seek(0, 2)
    begin = mpeg.after_tags(file, size)
    magic = read_at(file, begin, 12)
    if magic[:4] == b"fLaC":
        return coded_audio.flac(file, begin, size, whole)
    if mpeg.frame(magic[:4]) is not None:
        return mpeg.examine(file, begin, size, whole)
    if begin:  # a tag before a header that has no place for one
        inner = examine(io.BytesIO(read_at(file, begin, size)), whole)
        moved = [(begin + at, length, value) for at, length, value in inner.patches]
        return replace(inner, patches=(*moved, (0, begin, b"")))
    if magic[:4] in FORMS and magic[8:] in (b"WAVE", b"AIFF", b"AIFC") or magic[:4] in (b"caff", b"riff"):
        return _chunked(file, magic[:4], size)
    if magic[:4] == b"FORM" and magic[8:] in (b"8SVX", b"16SV"):
        return _chunked(file, b"8SVX", size)
    if magic == b"Creative Voi":
        return _voc(file, size)
    if magic[:4] in (b".snd", b"dns."):
        return _au(file, magic, size)
    if magic[:7] == b"NIST_1A":
        return _nist(file, size)
    if magic[:4] == b"OggS":
        return coded_audio.ogg(file, size)
    if magic[4:8] == b"ftyp":
        return coded_audio.mp4(file, size)
    if magic[:1] == b"\xff" and magic[1:2] and magic[1] & 0xF6 == 0xF0:
        return coded_audio.adts(file, size)
    return Promise()


def _chunks(file: BinaryIO, form: Form, at: int, size: int) -> Iterator[Chunk]:
    """Yield the chunks from `at` on, until the end of the file or what is no chunk; the last may end beyond it."""
    while at + form.head.size <= size:
        name, length = form.head.unpack(read_at(file, at, form.head.size))
        content = at + form.head.size
        end = (at if form.whole else content) + length
        if not all(32 <= byte < 127 for byte in name[:4]) or end < content:
            return
        padding = read_at(file, end, -end % form.pad) if end < size else b""
        if not any(padding):  # writers forget it, and no name begins with a zero
            end += len(padding)
        yield Chunk(name, length, content, end)
        at = end


def _chunked(file: BinaryIO, magic: bytes, size: int) -> Promise:
    form, ds64 = FORMS[magic], None
    for chunk in _chunks(file, form, form.start, size):
        if chunk.name == b"ds64" and magic == b"RF64":
            ds64 = chunk
        if chunk.name[:4] == b"fmt ":
            _check_format(read_at(file, chunk.at, 16), magic)
        if chunk.name[:4] == form.data:
            return _sized(file, form, chunk, ds64, size)
    raise AudioError(f"damaged: its chunks hold no samples (no chunk '{form.data.decode()}')")


def _check_format(content: bytes, magic: bytes) -> None:
    """Raise AudioError for samples that take more bytes than their bits need, which a decoder takes for other ones."""
    order = ">" if magic == b"RIFX" else "<"
    code, channels, _, _, block, bits = struct.unpack(order + "HHIIHH", content.ljust(16, b"\0"))
    if code in UNCODED and block > (least := channels * ((bits + 7) // 8)):
        raise AudioError(f"its header says {bits} bits a sample and {block} bytes, not {least}; write it again")


def _sized(file: BinaryIO, form: Form, chunk: Chunk, ds64: Chunk | None, size: int) -> Promise:
    """Return the promise of the chunk of samples; `ds64` has an RF64's sizes of 64 bits."""
    at = chunk.at + form.inside
    promised, told = chunk.size - form.inside - form.head.size * form.whole, not untold(chunk.size)
    if ds64 is not None and not told:
        promised = int.from_bytes(read_at(file, ds64.at + 8, 8), "little")
        told = not untold(promised)
    if told and promised > 0:
        _check_size(file, at, promised, size, form)
        return Promise(size=promised)
    if promised <= 0 and _is_accounted(file, form, at, size):
        return Promise(size=0)
    present = max(size - at, 0)
    field = struct.calcsize("<Q" if form.head.size > 8 else "<I")
    if ds64 is not None:
        patches = [(ds64.at + 8, 8, present.to_bytes(8, "little")), (chunk.at - 4, 4, b"\xff\xff\xff\xff")]
    else:
        largest = (1 << 8 * field) - 1
        value = min(present + form.inside + form.head.size * form.whole, largest)
        patches = [(chunk.at - form.head.size, form.head.size, form.head.pack(chunk.name, value))]
    return Promise(size=present, patches=tuple(patches))


def _check_size(file: BinaryIO, at: int, promised: int, size: int, form: Form | None = None) -> None:
    """Raise AudioError if fewer bytes than promised are in the file, or more that nothing accounts for."""
    present = max(size - at, 0)
    if present < promised:
        raise AudioError(f"truncated: its header promises {promised} bytes of samples, {present} are there")
    end = at + promised
    if form is not None and (padding := read_at(file, end, -end % form.pad)) and not any(padding):
        end += len(padding)
    if not _is_accounted(file, form, end, size):
        raise AudioError(
            f"its header promises {promised} bytes of samples, but {size - end} more bytes follow that are no chunk"
            " of its kind; write its header again"
        )


def _is_accounted(file: BinaryIO, form: Form | None, at: int, size: int) -> bool:
    """Return whether what stands from `at` to the end are chunks of other things than samples, and a little padding."""
    if form is not None:
        for chunk in _chunks(file, form, at, size):
            if chunk.end > size or chunk.name[:4] in (form.data, *FORMS):  # the end of another file's samples, too
                return False
            at = chunk.end
    rest = read_at(file, at, 8)
    return len(rest) < 8 and (len(rest) < 2 or not any(rest))


def _au(file: BinaryIO, magic: bytes, size: int) -> Promise:
    at, promised = struct.unpack(">II" if magic[:4] == b".snd" else "<II", magic[4:].ljust(8, b"\0"))
    if not untold(promised):
        _check_size(file, at, promised, size)
        return Promise(size=promised)
    return Promise(size=max(size - at, 0), patches=((8, 4, b"\xff\xff\xff\xff"),))


def _voc(file: BinaryIO, size: int) -> Promise:
    """Read the blocks of Creative's VOC: each tells its size, and the last has none."""
    at = int.from_bytes(read_at(file, 20, 2), "little")
    while at < size and (head := read_at(file, at, 4))[0]:
        length = int.from_bytes(head[1:], "little")
        at += 4
        _check_size(file, at, length, min(size, at + length))
        at += length
    if size - at > 1:
        raise AudioError(f"{size - at - 1} bytes follow its last block; write it again")
    return Promise(slack=1)


def _nist(file: BinaryIO, size: int) -> Promise:
    """Read the header of NIST SPHERE, 1024 bytes or more of `name -type value` lines."""
    lines = read_at(file, 0, 1024).split(b"\n")
    fields = {words[0]: words[2] for line in lines[2:] if len(words := line.split(None, 2)) == 3}
    if b"shorten" in fields.get(b"sample_coding", b""):
        raise AudioError("compressed by shorten, which is not read here; convert it (sph2pipe -f wav IN OUT)")
    try:
        at = int(lines[1])
        count, width = int(fields.get(b"sample_count", b"0")), int(fields.get(b"sample_n_bytes", b"2"))
        promised = count * width * int(fields.get(b"channel_count", b"1"))
    except (ValueError, IndexError):
        raise AudioError("damaged: the numbers in its NIST header cannot be read") from None
    if promised > 0:
        _check_size(file, at, promised, size)
    return Promise(size=promised or max(size - at, 0))
