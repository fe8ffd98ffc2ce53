"""A terminal whose last line is redrawn, or a file or pipe that gets plain lines."""

import os
import shutil
from typing import TextIO


class Screen:
    """A terminal, whose last line is redrawn, or a file or pipe, which gets plain lines."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.redraws = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.live = ""

    @property
    def width(self) -> int:
        return shutil.get_terminal_size((100, 24)).columns if self.redraws else 0

    def line(self, text: str) -> None:
        """A line of at most the terminal's width."""
        self.whole(self._cut(text))

    def whole(self, text: str) -> None:
        """Text of any length; the terminal breaks it, so that paths and commands in it can still be copied."""
        self._write("\r\033[K" * bool(self.live) + text + "\n" + self.live)

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
        return text if not self.width or len(text) < self.width else text[: self.width - 2] + "…"

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # the terminal is gone, the run goes on
            self.redraws, self.live = False, ""
