"""A terminal whose last line is redrawn, or a file or pipe that gets plain lines."""

import os
import shutil
import unicodedata
from typing import TextIO


def printable(text: str) -> str:
    """Replace what would move a terminal's cursor or change its colours: file names and messages may have anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese letters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


class Screen:
    """A terminal, whose last line is redrawn, or a file or pipe, which gets plain lines."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.redraws = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.live = ""

    @property
    def width(self) -> int:
        if not self.redraws:
            return 0
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 100  # as it is now, not as it was
        except OSError:
            return shutil.get_terminal_size((100, 24)).columns

    def line(self, text: str) -> None:
        """Write a line of at most the terminal's width."""
        self.whole(self._cut(text))

    def whole(self, text: str) -> None:
        """Write text of any length; the terminal breaks it, so that paths and commands in it can still be copied."""
        lines = "\n".join(map(printable, text.splitlines()))
        self._write("\r\033[K" * bool(self.live) + lines + "\n" + self.live)

    def redraw(self, text: str) -> None:
        if self.redraws:
            self.live = self._cut(text)
            self._write(f"\r\033[K{self.live}")

    def clear(self) -> None:
        """Take the last line away, and the ^C that a terminal may have put there."""
        if self.redraws:
            self._write("\r\033[K")
        self.live = ""

    def _cut(self, text: str) -> str:
        text, width = printable(text), self.width
        if not width or (len(text) < 4 * width and columns(text) < width):
            return text
        text = text[: 4 * width]
        while text and columns(text) > width - 2:
            text = text[:-1]
        return text + "…"

    def _write(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        try:
            self.stream.write(text.encode(encoding, "replace").decode(encoding))
            self.stream.flush()
        except (OSError, ValueError):  # the terminal is gone, the run goes on
            self.redraws, self.live = False, ""
