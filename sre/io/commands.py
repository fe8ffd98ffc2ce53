"""Audio that other programs decode: commands of wav.scp by a shell, and by ffmpeg what libsndfile does not know."""

import math
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress

from sre import SreError
from sre.io.place import split_channel
from sre.io.promise import AudioError

FFMPEG_SUFFIXES = {
    *(".m4a", ".m4b", ".m4v", ".mp4", ".mov", ".3gp", ".3g2", ".aac", ".opus", ".webm", ".weba", ".mka", ".mkv"),
    *(".wma", ".wmv", ".asf", ".amr", ".awb", ".avi", ".flv", ".ts", ".mpg", ".mpeg", ".spx"),
    *(".ac3", ".eac3", ".ape", ".wv", ".tta", ".mpc", ".ra", ".rm", ".dts"),
}
INSTALL = "install it (apt-get install ffmpeg, or pip install imageio-ffmpeg)"
DURATION = re.compile(r"^(?:\[info\])?\s*Duration: (\d+):(\d+):(\d+\.\d+)", re.MULTILINE)  # as ffmpeg says it
ERROR = re.compile(r"^(?:\[\S+ @ \w+\] )*\[(?:error|fatal)\] (.*)$", re.MULTILINE)
CORRUPT = re.compile(r"^(?:\[\S+ @ \w+\] )*\[warning\] (Packet corrupt|corrupt input packet).*$", re.MULTILINE)
SHOWN = 300  # characters of a message
GRACE_S = 5  # for the end of a command that was killed


def by_ffmpeg(location: str) -> bool:
    """Whether a file is decoded by ffmpeg, by its suffix."""
    return os.path.splitext(split_channel(location)[0])[1].lower() in FFMPEG_SUFFIXES


def find_ffmpeg() -> str | None:
    """Return the path of ffmpeg: the system's, else that of the package imageio-ffmpeg; None where there is neither."""
    if (found := shutil.which("ffmpeg")) is not None:
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # RuntimeError: a package without its program
        return None


def need_ffmpeg(location: str) -> str:
    """Return the path of ffmpeg, which a file needs. Raises SreError where there is none."""
    if (found := find_ffmpeg()) is None:
        raise SreError(f"{location}: ffmpeg is needed for this format; {INSTALL}, or convert the file to wav or flac")
    return found


def of_ffmpeg(location: str) -> tuple[bytes, float]:
    """Return a file as ffmpeg decodes it, a WAV of 16 bits, and the seconds that its header promises, or nan.

    Raises AudioError with ffmpeg's message where it fails, and where it says that a file is damaged that promises no
    length.
    """
    options = ["-hide_banner", "-nostdin", "-nostats", "-v", "level+info", "-i", f"file:{location}"]
    command = [need_ffmpeg(location), *options, "-f", "wav", "-acodec", "pcm_s16le", "-"]
    status, data, messages = _run(command, None)
    wrong = ERROR.search(messages) or CORRUPT.search(messages)
    if status != 0 or not data:
        raise AudioError(f"ffmpeg: {_shown(wrong[1] if wrong else messages) or f'exit status {status}'}")
    told = DURATION.search(messages)
    if told is None or "Estimating duration" in messages or "Video:" in messages:  # of which it may be the length
        if wrong:
            raise AudioError(f"truncated or damaged: ffmpeg: {_shown(wrong[1])}")
        return data, math.nan
    return data, 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3])


def of_command(command: str, timeout_s: float) -> bytes:
    """Return what a command writes, run by a shell in a process group of its own.

    Raises AudioError with the last line of its stderr where it fails, writes nothing, or takes longer than timeout_s:
    then it is killed with all processes that it started.
    """
    try:
        status, data, messages = _run(command, timeout_s)
    except subprocess.TimeoutExpired:
        raise AudioError(
            f"the command took longer than audio.pipe_timeout_s ({timeout_s:g} s) and was killed; mend it, or set more"
        ) from None
    last = _shown(messages.rpartition("\n")[2])
    if status != 0:
        raise AudioError(f"the command failed: {last or f'exit status {status}'}")
    if not data:
        raise AudioError(f"the command wrote nothing {last}".rstrip())
    return data


def _shown(message: str) -> str:
    return message.strip()[-SHOWN:].rstrip(".")


def _run(command: str | list[str], timeout_s: float | None) -> tuple[int, bytes, str]:
    """Return a command's exit status, what it wrote, and its messages. An exception kills all that it started."""
    with subprocess.Popen(
        command,
        shell=isinstance(command, str),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as process:
        try:
            data, messages = process.communicate(timeout=timeout_s)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=GRACE_S)  # one that has left the group may hold the pipes
            raise
    return process.returncode, data, messages.decode(errors="replace").strip()
