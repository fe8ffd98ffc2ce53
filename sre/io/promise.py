"""What an audio file's header promises of its length, and the error of a recording that cannot be used."""

import io
from dataclasses import dataclass
from typing import BinaryIO

from sre import SreError


class AudioError(SreError):
    """One recording cannot be used; the text is the reason that goes into rejected.tsv."""


class Buffer(io.BytesIO):
    """Bytes for a decoder, which may follow a damaged header to places that are none: it stays where it is then."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


@dataclass(frozen=True)
class Promise:
    """What a header tells of the length of its samples.

    Attributes
    ----------
    size : bytes of samples that are in the file; None in formats that do not count them so
    samples : how many the header promises; None where it is for `size` or the decoder to say
    rate : Hz, of `samples`, where it is not the rate at which they are decoded
    told : false where only decoding tells the length
    slack : samples by which a sound file of this kind differs from its promise
    patches : (place, bytes there, bytes in their place), with which a decoder reads all there is
    """

    size: int | None = None
    samples: int | None = None
    rate: int | None = None
    told: bool = True
    slack: int = 0
    patches: tuple[tuple[int, int, bytes], ...] = ()

    def mended(self, file: BinaryIO) -> Buffer:
        """Return a copy of the file with the patches."""
        file.seek(0)
        mended = bytearray(file.read())
        for at, length, value in self.patches:
            mended[at : at + length] = value
        return Buffer(mended)


def read_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Read up to `count` bytes from the place `at`."""
    file.seek(at)
    return file.read(count)
